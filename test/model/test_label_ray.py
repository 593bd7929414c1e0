# SPDX-License-Identifier: Apache-2.0
"""Many bags on a real Ray cluster of this machine."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest
from model.label_bags import GOAL, is_writing, rewards, write_embeddings

pytest.importorskip("ray")

from liv_model.cli import main as liv

COUNT, LONG = 25, 20_000


def holder(name):
    """Process that writes a bag of this name, or None."""
    pids = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    return next((pid for pid in pids if is_writing(pid, name)), None)


def kill_the_writer(of, killed, give_up):
    while not give_up.wait(0.02):
        pid = holder(of)
        if pid is not None and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            return


def test_the_bag_of_a_lost_worker_is_done_again_and_a_bad_one_is_listed(tmp_path, bundle, capsys):
    for name, count, model in (
        ("long", LONG, bundle.identity),
        ("short", COUNT, bundle.identity),
        ("bad", 5, "other@0"),
    ):
        write_embeddings(tmp_path / name, model, count, bundle.dim)
    killed, give_up = [], threading.Event()
    killer = threading.Thread(target=kill_the_writer, args=("long", killed, give_up))
    killer.start()
    bags = [str(tmp_path / name) for name in ("long", "short", "bad")]
    out = tmp_path / "out"
    code = liv(
        ["label", *bags, "--goal", GOAL, "--bundle", str(bundle.path), "-o", str(out), "--ray", "local", "--json"]
    )
    give_up.set()
    killer.join()
    told = capsys.readouterr()
    assert code == 1 and len(killed) == 1, told.err
    summary = json.loads(told.out)
    assert [entry["rewards"] for entry in summary["bags"]] == [{"camera": LONG}, {"camera": COUNT}]
    assert "expected embeddings of" in summary["bad"][0]["error"] and len(summary["bad"]) == 1
    assert (len(rewards(out / "long")), len(rewards(out / "short"))) == (LONG, COUNT)
    assert sorted(path.name for path in out.iterdir()) == ["long", "short"]


def test_no_cluster_is_a_mistake(tmp_path, bundle, capsys):
    write_embeddings(tmp_path / "a", bundle.identity, COUNT, bundle.dim)
    words = ["--goal", GOAL, "--bundle", str(bundle.path), "-o", str(tmp_path / "out"), "--ray", "auto"]
    assert liv(["label", str(tmp_path / "a"), *words]) == 2
    assert "--ray auto: expected a running cluster" in capsys.readouterr().err
