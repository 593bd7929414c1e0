# SPDX-License-Identifier: Apache-2.0
"""The table that comes with recordings: which columns it must have, and what each row says."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from liv_model.errors import DataError, first_few
from training.episodes import OUTCOMES, task_name
from training.sources.clip import Clip
from training.tasks import load_tasks

_YES, _NO = ("true", "1", "1.0", "yes", "success"), ("false", "0", "0.0", "no")


@dataclass(frozen=True)
class Recording:
    """One row of a table, or one stretch of a bag: an episode that has not been read yet.

    Attributes:
        row: number of its line in the table, or of the episode in its bag, for people.
        source: where it is, the same on every machine.
        text: the instruction.
        task: name of the task.
        outcome: one of ``OUTCOMES``.
        open: finds its frames without reading them; LivError where they are not there.
        camera: its name; "" where there is but one.
        place: where it is, for people; "" where row and source say it.
    """

    row: int
    source: str
    text: str
    task: str
    outcome: str
    open: Callable[[], Clip]
    camera: str = ""
    place: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other one: source, text, camera."""
        return self.source, self.text, self.camera


class Row(NamedTuple):
    """A line of a table: its number, and its cells by column."""

    number: int
    cells: dict[str, str]

    def get(self, column: str) -> str:
        """The cell of a column, without blanks around it; empty where there is none."""
        return (self.cells.get(column) or "").strip()

    def integer(self, column: str) -> int | None:
        """A whole number of 0 or more, None where the cell is empty; DataError where it is something else."""
        value = self.real(column)
        if value is not None and value != int(value):
            raise DataError(column, expected="a whole number", got=self.get(column))
        return None if value is None else int(value)

    def real(self, column: str) -> float | None:
        """A number of 0 or more, None where the cell is empty; DataError where it is something else."""
        if not (cell := self.get(column)):
            return None
        try:
            value = float(cell)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise DataError(column, expected="a number of 0 or more", got=repr(cell))
        return value

    def need(self, column: str) -> int:
        """As :meth:`integer`, but DataError where the cell is empty too."""
        if (value := self.integer(column)) is None:
            raise DataError(column, expected="a whole number", got="an empty cell")
        return value

    def outcome(self) -> str:
        """``outcome`` or ``success`` (true/false) of this row, "success" where neither is given."""
        cell = (self.get("outcome") or self.get("success")).lower()
        if cell in OUTCOMES:
            return cell
        if cell in ("", *_YES):
            return "success"
        if cell in _NO:
            return "failure"
        raise DataError(f"outcome in row {self.number}", expected=f"{', '.join(OUTCOMES)}, true or false", got=cell)


def read_table(path: Path, columns: Sequence[str], text: str) -> list[Row]:
    """The rows of a CSV file.

    Args:
        path: the file; UTF-8, with the names of the columns in its first line.
        columns: those it must have.
        text: the one that holds the instruction; no row may lack it.

    Raises:
        DataError: no such file, not a table, no rows, a column is missing, or some rows have no text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = [Row(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        got = error.strerror if isinstance(error, OSError) else error
        raise DataError(str(path), expected="a table (CSV, UTF-8)", got=got) from error
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(
            str(path),
            expected=f"the columns {', '.join(columns)}",
            got=f"{', '.join(names) or 'none'}: no {', '.join(missing)}",
        )
    if not rows:
        raise DataError(str(path), expected="at least one row", got="an empty data set")
    _require_texts(path, rows, text)
    return rows


def _require_texts(path: Path, rows: list[Row], text: str) -> None:
    silent = [str(row.number) for row in rows if not task_name(row.get(text))]
    if silent:
        raise DataError(
            str(path),
            expected=f"words in column {text!r} of every row",
            got=f"none in {len(silent)} of {len(rows)}: line {first_few(silent, 10)}",
            remedy="say what is done there, or take these rows out",
        )


def recording(row: Row, source: str, text: str, open_clip: Callable[[], Clip]) -> Recording:
    """What a row says: its text with single blanks, its task (column ``task``, or that of its text), its outcome."""
    text = " ".join(text.split())
    task = row.get("task") or task_of(text)
    return Recording(row.number, source, text, task, row.outcome(), open_clip)


def task_of(text: str) -> str:
    """The task of ``tasks.yaml`` that has this instruction (so that what is recorded and what is simulated go
    together), or a name made of the text.
    """
    return _instructions().get(text.lower()) or task_name(text)


@cache
def _instructions() -> dict[str, str]:
    return {words.text: name for name, words in load_tasks().items()}
