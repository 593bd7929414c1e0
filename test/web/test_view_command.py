# SPDX-License-Identifier: Apache-2.0
"""``liv view`` as a user runs it."""

import re
import signal
import subprocess
import sys

import httpx
import pytest
from child_process import child
from model.label_bags import write_pictures

from liv_model import cli

VIEW = [sys.executable, "-m", "liv_model.cli", "view"]


def test_it_serves_until_ctrl_c(bundle, tmp_path):
    write_pictures(tmp_path / "bag")
    words = [
        str(tmp_path / "bag"),
        "--bundle",
        str(bundle.path),
        "--no-browser",
        "--port",
        "0",
        "--goal",
        "open the door",
    ]
    with child([*VIEW, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = re.search(r"bag: (http://localhost:\d+/)", process.stdout.readline())[1]
        assert httpx.get(f"{address}api/status", timeout=60).json()["goal"]["text"] == "open the door"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "expected a rosbag2 folder or file"),
        (["BAG", "--bundle", "/none"], "expected a bundle folder"),
        (["BAG", "--port", "99999"], "--port: expected 0 to 65535"),
        (["BAG", "--token", "short"], "token: expected at least 16 characters"),
        (["BAG", "--goal", ""], "goal: expected a text"),
        (["BAG", "--camera", "wrist"], "camera 'wrist'"),
        (["EMPTY"], "expected"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(bundle, tmp_path, capsys, words, message):
    write_pictures(tmp_path / "bag", count=2)
    (tmp_path / "empty").mkdir()
    places = {"BAG": str(tmp_path / "bag"), "EMPTY": str(tmp_path / "empty")}
    given = [places.get(word, word) for word in words]
    if "--bundle" not in given:
        given += ["--bundle", str(bundle.path)]
    assert cli.main(["view", *given, "--no-browser"]) == 2
    assert message in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        cli.main(["view", "--help"])
    assert "liv view demo_out/bag" in capsys.readouterr().out
