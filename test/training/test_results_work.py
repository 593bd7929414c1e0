# SPDX-License-Identifier: Apache-2.0
"""Pieces are made once, and taken up again however they were cut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch")

from child_process import child

import training
from liv_model.errors import DataError
from training.results import work as work_module
from training.results.pieces import Piece
from training.results.work import Ledger, time_left, work

ROOT = Path(training.__file__).parents[1]
# appends its name to a diary, then makes its file; "slow" ones wait until told, and note that they were interrupted
PIECE = """
import signal, sys, time
from pathlib import Path
name, folder, kind = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
def note(what):
    with (folder / "diary").open("a") as diary: diary.write(f"{name} {what}\\n")
def stop(*_):
    note("saved"); sys.exit(130)
signal.signal(signal.SIGINT, stop)
note("began")
until = time.monotonic() + 60
while kind == "slow" and not (folder / "go").exists():
    time.sleep(0.02)
    if time.monotonic() > until: note("left alone"); sys.exit(1)
if kind == "broken" and not (folder / "mended").exists():
    print("the reason why"); sys.exit(3)
(folder / name).touch()
note("done")
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    (tmp_path / "one_piece.py").write_text(PIECE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def piece(world, name, *after, kind="quick"):
    return Piece(name, kind, ("one_piece", name, str(world), kind), makes=world / name, after=after)


def diary(world):
    path = world / "diary"
    return path.read_text().splitlines() if path.exists() else []


def quiet(*_):
    pass


def test_pieces_are_made_in_order_and_only_once(world):
    chain = [piece(world, "a"), piece(world, "b", "a"), piece(world, "c", "b")]
    seen = []
    work(chain, world / "results", workers=2, progress=lambda *told: seen.append(told))
    assert diary(world) == ["a began", "a done", "b began", "b done", "c began", "c done"]
    assert seen[-1] == (3, 3, [], 0.0)
    assert [told[0] for told in seen] == sorted(told[0] for told in seen)
    work(chain, world / "results", workers=2, progress=quiet)
    assert len(diary(world)) == 6
    entry = json.loads((world / "results" / "pieces" / "b.json").read_text())
    assert entry["done"] and entry["seconds"] > 0 and entry["command"][:4] == ["python3", "-m", "one_piece", "b"]


def test_what_has_gone_is_made_again(world):
    work([piece(world, "a")], world / "results", workers=1, progress=quiet)
    (world / "a").unlink()
    work([piece(world, "a")], world / "results", workers=1, progress=quiet)
    assert diary(world) == ["a began", "a done"] * 2


def test_pieces_that_need_nothing_of_each_other_run_together(world):
    def go_when_both_run(done, total, names, left_s):
        if len(names) == 2 and {"a began", "b began"} <= set(diary(world)):
            (world / "go").touch()

    slow = [piece(world, "a", kind="slow"), piece(world, "b", kind="slow")]
    work(slow, world / "results", workers=2, progress=go_when_both_run)
    assert (world / "a").exists() and (world / "b").exists()


def test_a_piece_that_fails_is_told_with_its_log_and_the_others_stop_and_go_on_later(world):
    both = [piece(world, "a", kind="broken"), piece(world, "b", kind="slow")]
    with pytest.raises(DataError, match=r"piece a: expected exit code 0, got 3; the end of (?s:.*)the reason why"):
        work(both, world / "results", workers=2, progress=quiet)
    assert not {"a done", "b done"} & set(diary(world))
    (world / "mended").touch()
    (world / "go").touch()
    work(both, world / "results", workers=2, progress=quiet)
    assert {"a done", "b done"} <= set(diary(world))


CALLER = """
import sys
from pathlib import Path
from training.results.pieces import Piece
from training.results.work import work
world = Path(sys.argv[1])
piece = Piece("a", "slow", ("one_piece", "a", str(world), "slow"), makes=world / "a")
try:
    work([piece], world / "results", workers=1, progress=lambda *_: None)
except KeyboardInterrupt:
    sys.exit(130)
"""


@contextmanager
def call(world):
    """A caller in a process of its own, once its piece is under way."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(world)])}
    with child([sys.executable, "-c", CALLER, str(world)], env=environment) as caller:
        wait_for(lambda: "a began" in diary(world))
        yield caller


def wait_for(condition, seconds=60.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_caller_is_stopped_its_piece_saves_and_the_next_call_goes_on(world, number):
    with call(world) as caller:
        caller.send_signal(number)
        assert caller.wait(60) == (-9 if number == signal.SIGKILL else 130)
    wait_for(lambda: "a saved" in diary(world))
    (world / "go").touch()
    work([piece(world, "a", kind="slow")], world / "results", workers=1, progress=quiet)
    assert diary(world) == ["a began", "a saved", "a began", "a done"]


def test_two_callers_do_not_share_a_folder(world, monkeypatch):
    monkeypatch.setattr(work_module, "_PATIENCE_S", 0.0)
    with call(world) as caller:
        with pytest.raises(DataError, match="another process that works in it"):
            work([piece(world, "b")], world / "results", workers=1, progress=quiet)
        caller.send_signal(signal.SIGINT)
        caller.wait(60)


def test_time_left_goes_by_pieces_of_the_same_kind_then_by_all_then_by_guesses(tmp_path):
    ledger = Ledger(tmp_path)

    def guessed(name, kind, seconds):
        return Piece(name, kind, ("none",), makes=tmp_path, guess_s=seconds)

    fast, other = guessed("a", "fast", 10), guessed("b", "fast", 30)
    unknown = guessed("c", "unknown", 100)
    pieces = [fast, other, unknown]
    assert time_left(pieces, pieces, {}, ledger) == 140
    ledger.note(fast, 5.0, done=True)  # half of what was guessed
    assert time_left(pieces, [other, unknown], {}, ledger) == 15 + 50
    assert time_left(pieces, [unknown], {"b": 4.0}, ledger) == 11 + 50
    assert time_left(pieces, [], {"b": 400.0}, ledger) == 0


def test_time_of_a_piece_that_was_cut_counts(tmp_path):
    ledger = Ledger(tmp_path)
    one = Piece("a", "kind", ("none",), makes=tmp_path)
    ledger.note(one, 5.0, done=False)
    assert not ledger.is_done(one)
    ledger.note(one, 2.0, done=True)
    assert ledger.is_done(one) and ledger.read(one)["seconds"] == 7.0


@pytest.mark.slow
@pytest.mark.simulation
def test_a_quick_run_from_simulation_to_document(tmp_path):
    pytest.importorskip("metaworld")
    words = [sys.executable, "-m", "training.results", "results", "--quick", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MUJOCO_GL": os.environ.get("MUJOCO_GL", "osmesa")}
    runs = tmp_path / "results" / "runs"
    with child(words, cwd=tmp_path, env=environment) as first:
        wait_for(lambda: list(runs.glob("*/config.yaml")) or first.poll() is not None, 500)
        first.kill()  # in the middle of the first trainings
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "results" / "results.md").read_text()
    assert "## Few-shot fine-tuning" in text and "](results/fewshot.svg)" in text
    assert (tmp_path / "results" / "results" / "fewshot.svg").is_file()
    again = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0 and "pieces done" in again.stderr and "piece 1 " not in again.stderr
