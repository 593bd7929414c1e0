# SPDX-License-Identifier: Apache-2.0
"""A side in a process of its own: the threads and memory of one engine do not disturb the next one's turn.

Inside, a turn is a number of calls one after the other on inputs that rotate, after one that is not counted (while
the others had theirs, caches went cold and threads to sleep).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.sides import Side, SideSpec, open_side
from liv_model.errors import LivError

INPUTS = 8
TURN_S = 0.3
FEWEST, MOST = 3, 100
_WARM_UP = 3
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class SideError(LivError):
    """A side that cannot run here: its last words."""


class SideProcess:
    """Our end of it.

    Args:
        spec: what to run.
        log: file for what it prints.

    Attributes:
        version: of what runs it.
        gate: what our gate said, or "".

    Raises:
        SideError: it cannot run here.
    """

    def __init__(self, spec: SideSpec, log: Path):
        self.spec = spec
        variables = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(spec.threads))}
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.side_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=variables,
                start_new_session=True,  # Ctrl-C reaches who started it alone, who then ends it
            )
        try:
            opened = self._ask(spec.to_dict())
        except BaseException:
            self.close()
            raise
        self.version, self.gate = opened["version"], opened["gate"]

    def prepare(self, batch: int) -> tuple[int, np.ndarray]:
        """Warm up a batch size; returns how many calls make a turn, and the embeddings of the first input (B, D)."""
        answer = self._ask({"prepare": batch})
        return answer["calls"], np.asarray(answer["embeddings"], np.float32)

    def turn(self, calls: int) -> dict[str, list[float]]:
        """Milliseconds of so many calls on the batch that was prepared last: ``ms``, on a GPU ``gpu_ms`` too."""
        return self._ask({"calls": calls})

    def close(self) -> None:
        """End the process; one that does not end in ten seconds once its input has is killed."""
        try:
            self._process.communicate(timeout=10)  # closes its input, also where it died with a question in it
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):  # nothing, or half an answer
            last = (self._log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
            raise SideError(f"ended: {last}")
        answer = json.loads(line)
        if "error" in answer:
            raise SideError(answer["error"])
        return answer


class SideServer:
    """The other end: answers one question after the other."""

    def __init__(self) -> None:
        self._spec: SideSpec | None = None
        self._side: Side | None = None
        self._inputs: list[np.ndarray] = []
        self._next = 0

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What is to be printed for a question; an error is an answer."""
        try:
            if "kind" in question:
                return self._open(SideSpec(**question))
            return self._prepare(question["prepare"]) if "prepare" in question else self._turn(question["calls"])
        except Exception as error:  # of whichever library: the table says it, the other sides go on
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}

    def _open(self, spec: SideSpec) -> dict[str, Any]:
        self._spec, self._side = spec, open_side(spec)
        return {"version": self._side.version, "gate": self._side.gate}

    def _prepare(self, batch: int) -> dict[str, Any]:
        self._inputs = make_inputs(batch, self._side.image_size)
        embeddings = self._side.encode(self._inputs[0])
        spent = [self._call() for _ in range(_WARM_UP)]
        calls = int(np.clip(TURN_S * 1e3 / min(spent), FEWEST, MOST))
        return {"calls": calls, "embeddings": embeddings.astype(float).tolist()}

    def _turn(self, calls: int) -> dict[str, Any]:
        self._call()
        spent = {"ms": [self._call() for _ in range(calls)]}
        if self._side.gpu_ms is not None:
            spent["gpu_ms"] = [self._side.gpu_ms(self._input()) for _ in range(calls)]
        return spent

    def _call(self) -> float:
        rgb = self._input()
        begin = time.perf_counter()
        self._side.encode(rgb)
        return (time.perf_counter() - begin) * 1e3

    def _input(self) -> np.ndarray:
        self._next += 1
        return self._inputs[self._next % len(self._inputs)]


def make_inputs(batch: int, size: int) -> list[np.ndarray]:
    """Pictures of noise, uint8 (B, S, S, 3) each; the same ones for every side."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (batch, size, size, 3), np.uint8) for _ in range(INPUTS)]


def main() -> int:
    """Answer on what was standard output, and send what libraries print there to the log."""
    answers: IO[str] = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = SideServer()
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
