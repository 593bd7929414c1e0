# SPDX-License-Identifier: Apache-2.0
"""Makes pieces, some at a time, each a process of its own; what is done stays done."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from liv_model.errors import DataError
from liv_model.whole_file import replace_json
from training.commit import current_commit
from training.results.pieces import Piece

_PR_SET_PDEATHSIG = 1
# Mesa's software renderer draws in the thread that asks where it has none of its own: some 8 % less than with one.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LP_NUM_THREADS": "0"}
_PATIENCE_S = 60.0  # for the pieces of an earlier call that was killed: they save and end
_TAIL = 8  # lines of a log that an error shows


class Ledger:
    """What is done, in ``pieces/<name>.json``: seconds, and by which commit."""

    def __init__(self, folder: Path):
        self._folder = folder / "pieces"
        self._folder.mkdir(parents=True, exist_ok=True)

    def is_done(self, piece: Piece) -> bool:
        """Whether it was finished and what it made is still there."""
        return self.read(piece).get("done", False) and piece.makes.exists()

    def read(self, piece: Piece) -> dict:
        """Its entry, empty where there is none."""
        path = self._folder / f"{piece.name}.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def note(self, piece: Piece, seconds: float, *, done: bool) -> None:
        """Add time spent on it, of a call that was cut too."""
        path = self._folder / f"{piece.name}.json"
        entry = {
            "kind": piece.kind,
            "command": ["python3", "-m", *piece.command],
            "seconds": round(self.read(piece).get("seconds", 0.0) + seconds, 1),
            "done": done,
            "commit": current_commit(),
        }
        replace_json(path, entry)


@dataclass
class _Running:
    piece: Piece
    process: subprocess.Popen
    began_s: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began_s


Progress = Callable[[int, int, Sequence[str], float], None]


def work(pieces: Sequence[Piece], folder: Path, *, workers: int, progress: Progress) -> None:
    """Make all pieces that are not done.

    Args:
        pieces: in the order they are best made.
        folder: of the results; logs and the ledger lie there.
        workers: how many at a time.
        progress: told how many are done, of how many, which are being made, and about how many seconds are left.

    Raises:
        DataError: a piece failed (the others go on when called again), or another process works in this folder.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the running pieces have saved what they had.
    """
    with _lock(folder) as lock, _interruptible():
        ledger = Ledger(folder)
        waiting = [piece for piece in pieces if not ledger.is_done(piece)]
        running: list[_Running] = []
        try:
            while waiting or running:
                undone = {piece.name for piece in waiting} | {r.piece.name for r in running}
                for piece in [p for p in waiting if not undone & set(p.after)][: workers - len(running)]:
                    waiting.remove(piece)
                    running.append(_start(piece, folder, lock))
                left = time_left(pieces, waiting, {r.piece.name: r.seconds for r in running}, ledger) / workers
                progress(len(pieces) - len(undone), len(pieces), [r.piece.name for r in running], left)
                running = _settle(running, folder, ledger)
                time.sleep(0.1)
        finally:
            _stop(running, ledger)
        progress(len(pieces), len(pieces), [], 0.0)


def time_left(pieces: Sequence[Piece], waiting: Sequence[Piece], running: dict[str, float], ledger: Ledger) -> float:
    """Seconds of work left, by how long pieces of the same kind took; by the guesses where there is none yet.

    Args:
        pieces: all.
        waiting: those not begun.
        running: those under way, with the seconds spent on them.
        ledger: what is done.
    """
    spent: dict[str, float] = {}
    guessed: dict[str, float] = {}
    for piece in pieces:
        entry = ledger.read(piece)
        if entry.get("done"):
            for kind in (piece.kind, ""):
                spent[kind] = spent.get(kind, 0.0) + entry["seconds"]
                guessed[kind] = guessed.get(kind, 0.0) + piece.guess_s

    def expected(piece: Piece) -> float:
        kind = piece.kind if piece.kind in spent else ""
        return piece.guess_s * (spent[kind] / guessed[kind] if kind in spent else 1.0)

    under_way = [p for p in pieces if p.name in running]
    return sum(map(expected, waiting)) + sum(max(0.0, expected(p) - running[p.name]) for p in under_way)


def _start(piece: Piece, folder: Path, lock: BinaryIO) -> _Running:
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with (logs / f"{piece.name}.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *piece.words()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": paths},
            pass_fds=(lock.fileno(),),  # as long as a piece lives, the folder is taken
            start_new_session=True,  # Ctrl-C reaches it through us alone
            preexec_fn=_end_with_parent,
        )
    return _Running(piece, process, time.monotonic())


def _end_with_parent() -> None:
    """In the child: be told to save and end when the parent is killed, which could not tell any more."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _settle(running: list[_Running], folder: Path, ledger: Ledger) -> list[_Running]:
    """Those still running; the others go into the ledger."""
    still = []
    failed = []
    for r in running:
        code = r.process.poll()
        if code is None:
            still.append(r)
            continue
        done = code == 0 and r.piece.makes.exists()
        ledger.note(r.piece, r.seconds, done=done)
        failed += [] if done else [(r.piece, code)]
    for piece, code in failed:
        log = folder / "logs" / f"{piece.name}.txt"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
        _stop(still, ledger)
        raise DataError(
            f"piece {piece.name}",
            expected="exit code 0",
            got=f"{code}; the end of {log}:\n{tail}\n",
            remedy="mend that and call again: what is done stays done",
        )
    return still


def _stop(running: list[_Running], ledger: Ledger) -> None:
    """Let them save and end, and count their time."""
    for r in running:
        if r.process.poll() is None:
            r.process.send_signal(signal.SIGINT)
    for r in running:
        if r.process.returncode is None:
            r.process.wait()
            ledger.note(r.piece, r.seconds, done=False)


@contextmanager
def _interruptible():
    """SIGINT and SIGTERM raise KeyboardInterrupt, also where the shell had them ignored (``nohup ... &``)."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _lock(folder: Path):
    """One caller at a time; waits a little for the pieces of one that was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as file:
        until = time.monotonic() + _PATIENCE_S
        while True:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > until:
                raise DataError(
                    f"results folder {folder}",
                    expected="one caller",
                    got="another process that works in it",
                    remedy="wait for it to end, or name another folder with RESULTS=...",
                )
            time.sleep(0.5)
        yield file
