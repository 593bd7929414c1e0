# SPDX-License-Identifier: Apache-2.0
"""The numbers of a run, as they come: lines of JSON, and TensorBoard beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from liv_model.errors import DataError

METRICS, TENSORBOARD = "metrics.jsonl", "tensorboard"


class RunLog:
    """Writes ``metrics.jsonl`` and ``tensorboard/`` of a run folder.

    Args:
        folder: the run folder.
        step: how many steps are done; what was logged of later ones, before the run was cut, is dropped.

    Raises:
        DataError: by every method, when a file cannot be written.
    """

    def __init__(self, folder: Path, step: int = 0):
        from torch.utils.tensorboard import SummaryWriter  # seconds to import

        self._folder = folder
        try:
            keep_until(folder / METRICS, step)
            self._lines = (folder / METRICS).open("a", buffering=1, encoding="utf-8")
            self._board = SummaryWriter(str(folder / TENSORBOARD), purge_step=step + 1 if step else None)
        except OSError as error:
            raise self._full(error) from error

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._lines.close()
            self._board.close()
        except OSError as error:
            if kind is None:  # else the run ends for another reason already
                raise self._full(error) from error

    def step(self, step: int, numbers: Mapping[str, float]) -> None:
        """What one step gave."""
        self._write({"step": step, **_round(numbers)}, {f"train/{k}": v for k, v in numbers.items()})

    def validation(self, step: int, means: Mapping[str, float], score: float) -> None:
        """What a look at held-out episodes gave."""
        line = {"step": step, "validation": _round(means), "score": round(score, 4)}
        self._write(line, {f"validation/{k}": v for k, v in {**means, "score": score}.items()})

    def _write(self, line: dict, scalars: Mapping[str, float]) -> None:
        try:
            self._lines.write(json.dumps(line) + "\n")
            for name, value in scalars.items():
                self._board.add_scalar(name, value, line["step"])
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> DataError:
        return DataError(
            f"log of {self._folder}", expected="room to write", got=error.strerror or error, remedy="then --resume"
        )


def keep_until(path: Path, step: int) -> None:
    """Drop the lines of a metrics log after ``step``: they are about to be written again."""
    if not path.is_file():
        return
    lines = [line for line in path.read_text().splitlines() if _step(line) <= step]
    path.write_text("".join(line + "\n" for line in lines))


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")  # torn by a crash


def _round(numbers: Mapping[str, float]) -> dict[str, float]:
    return {k: float(f"{v:.5g}") for k, v in numbers.items()}
