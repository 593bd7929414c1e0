# SPDX-License-Identifier: Apache-2.0
"""The 50 Meta-World tasks in words: instruction, paraphrases, held-out paraphrases, opposite.

The words are in ``tasks.yaml`` beside this file. A task is known by the name Meta-World gives it without its
version, such as ``drawer-open``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from liv_model.errors import DataError

TABLE = Path(__file__).with_name("tasks.yaml")


@dataclass(frozen=True)
class TaskWords:
    """How one task is said.

    Attributes:
        name: unversioned Meta-World name, such as ``drawer-open``.
        text: the canonical instruction, lower case, imperative.
        paraphrases: other ways to say it that training may use (at least four).
        held_out: ways to say it that training never sees (at least two).
        opposite: the task whose instruction undoes this one; None where none of the 50 does.
        opposite_text: the instruction that undoes this one; None where there is none.
        marker: whether the goal is a place that only the simulator's coloured marker shows.
        precise: whether the scripted policy rarely succeeds when it is slowed down and pushed about.
        scene: what the tasks of one scene have in common; "" for a task that is alone in its scene.
    """

    name: str
    text: str
    paraphrases: tuple[str, ...]
    held_out: tuple[str, ...]
    opposite: str | None = None
    opposite_text: str | None = None
    marker: bool = False
    precise: bool = False
    scene: str = ""

    @property
    def training_texts(self) -> tuple[str, ...]:
        """The instruction and the paraphrases that training may use."""
        return (self.text, *self.paraphrases)


@cache
def load_tasks() -> dict[str, TaskWords]:
    """All tasks by name, in alphabetical order."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {name: _words(name, table) for name in sorted(table)}


def _words(name: str, table: dict[str, dict]) -> TaskWords:
    row = table[name]
    opposite = row.get("opposite")
    return TaskWords(
        name=name,
        text=row["text"],
        paraphrases=tuple(row["paraphrases"]),
        held_out=tuple(row["held_out"]),
        opposite=opposite,
        opposite_text=table[opposite]["text"] if opposite else row.get("opposite_text"),
        marker=row.get("marker", False),
        precise=row.get("precise", False),
        scene=row.get("scene", ""),
    )


def task(name: str) -> TaskWords:
    """The words of one task.

    Raises:
        DataError: there is no task of that name.
    """
    tasks = load_tasks()
    if name not in tasks:
        raise DataError("task", expected=f"one of {', '.join(tasks)}", got=repr(name))
    return tasks[name]


def select_tasks(names: Iterable[str] | None) -> list[TaskWords]:
    """The tasks of these names in the order given, or all 50 for None.

    Raises:
        DataError: a name is unknown or stands there twice.
    """
    if names is None:
        return list(load_tasks().values())
    chosen = [task(name) for name in names]
    twice = sorted({words.name for words in chosen if chosen.count(words) > 1})
    if not chosen or twice:
        raise DataError("tasks", expected="at least one name, each once", got=", ".join(twice) or "none")
    return chosen
