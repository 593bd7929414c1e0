# SPDX-License-Identifier: Apache-2.0
"""``liv`` as people and scripts use it: processes, exit codes, files."""

import csv
import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from liv_model.cli import COMMANDS


def liv(*words, folder=None):
    return subprocess.run([sys.executable, "-m", "liv_model.cli", *words], capture_output=True, text=True, cwd=folder)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    for i in range(12):
        picture = np.full((40, 60, 3), 20, np.uint8)
        cv2.circle(picture, (5 + 4 * i, 20), 6, (0, 200, 255), -1)
        cv2.imwrite(str(folder / f"{i}.png"), picture)
    return folder


def test_help_is_the_table_of_everything():
    result = liv("--help")
    assert result.returncode == 0
    for name in COMMANDS:
        assert f"liv {name} " in result.stdout
    assert liv().stdout == result.stdout


@pytest.mark.parametrize("name", ["reward", "bundle"])
def test_every_command_helps_with_examples(name):
    result = liv(*name.split(), "--help")
    assert result.returncode == 0
    assert "examples:" in result.stdout


def test_reward_writes_table_picture_and_summary(frames, bundle, tmp_path):
    out = tmp_path / "out"
    goals = ("--goal", "open the drawer", "--goal", "sing a song", "--goal-image", str(frames / "11.png"))
    result = liv("reward", str(frames), *goals, "--bundle", str(bundle.path), "--rate", "20", "-o", str(out), "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    assert (summary["frames"], summary["duration_s"], summary["backend"]) == (12, 0.55, "openvino")
    assert summary["model"] == bundle.identity
    drawer, song, picture = summary["goals"]
    assert drawer["message"] == ""
    assert song["message"].startswith("unfamiliar")
    assert song["progress_last"] is None
    assert picture["value_last"] == pytest.approx(1, abs=1e-4)
    assert cv2.imread(str(out / "reward.png")).shape[1] == 1200
    rows = list(csv.DictReader((out / "reward.csv").open()))
    assert len(rows) == 36
    mine = [row for row in rows if row["goal"] == "open the drawer"]
    assert [float(row["time_s"]) for row in mine] == pytest.approx(np.arange(12) / 20)
    total = sum(float(row["reward"]) for row in mine)
    assert total == pytest.approx(float(mine[-1]["value"]) - float(mine[0]["value"]), abs=1e-7)


def test_reward_goes_on_after_a_broken_frame_and_says_so(frames, bundle, tmp_path):
    shutil.copytree(frames, tmp_path / "frames")
    (tmp_path / "frames/5.png").write_bytes(b"not a picture")
    result = liv(
        "reward", "frames", "--goal", "open the drawer", "--bundle", str(bundle.path), "--json", folder=tmp_path
    )
    assert result.returncode == 1
    summary = json.loads(result.stdout)
    assert (summary["frames"], summary["frames_broken"]) == (11, 1) and "5.png" in summary["broken"][0]
    assert "1 of 12 frames do not decode" in result.stderr and "5.png" in result.stderr
    rows = list(csv.DictReader((tmp_path / "reward_out/reward.csv").open()))
    assert len(rows) == 11 and float(rows[5]["time_s"]) == 0.6  # the others keep their times


def test_reward_shows_people_a_table(frames, bundle, tmp_path):
    result = liv("reward", str(frames), "--goal", "open the drawer", "--bundle", str(bundle.path), folder=tmp_path)
    assert result.returncode == 0
    assert "open the drawer" in result.stdout
    assert (tmp_path / "reward_out" / "reward.png").is_file()


def test_bundle_shows_and_verifies(bundle):
    assert bundle.identity in liv("bundle", str(bundle.path)).stdout
    assert json.loads(liv("bundle", str(bundle.path), "--json").stdout)["model"] == bundle.identity


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fly"], "expected one of reward"),
        (["reward", "{frames}"], "goal: expected a text"),
        (["reward", "{frames}", "--goal", " "], "goal: expected a text"),
        (["reward", "{frames}", "--goal", "very " * 99], "expected at most 8 tokens"),
        (["reward", "{frames}", "--goal", "x", "--backend", "cuda"], "backend: expected auto"),
        (["reward", "{frames}", "--goal", "x", "--backend", "tensorrt"], "use backend 'openvino'"),
        (["reward", "{frames}", "--goal", "x", "--device", "FPGA"], "OpenVINO device"),
        (["reward", "{frames}", "--goal", "x", "--rate", "0"], "rate: expected frames per second > 0"),
        (["reward", "/none.mp4", "--goal", "x"], "no such file or folder"),
        (["reward", "/dev/null", "--goal", "x"], "cannot decode"),
        (["reward", "{frames}", "--goal-image", "/none.png"], "no such file"),
        (["reward", "{frames}", "--goal", "x", "-o", "/dev/null/out"], "expected a folder to write into"),
        (["bundle", "/none"], "expected a bundle folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(frames, bundle, tmp_path, words, message):
    words = [word.format(frames=frames) for word in words]
    if words[0] == "reward":
        words += ["--bundle", str(bundle.path)]
    result = liv(*words, folder=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    lines = [line for line in result.stderr.splitlines() if "; gate passed; " not in line]
    assert len(lines) == 1
    assert not list(tmp_path.iterdir())  # nothing half-written
