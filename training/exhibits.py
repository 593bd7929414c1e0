# SPDX-License-Identifier: Apache-2.0
"""The episodes that a report shows: of each task one success and one failure, with their value curves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from liv_model.bundle import Bundle, Instruction
from liv_model.encoder import Encoder
from liv_model.metrics import final_value, voc
from liv_model.thumbnails import evenly
from training.episodes import Episode, EpisodeStore
from training.evaluation import Embedded, Evaluation
from training.tasks import load_tasks

MOST_TASKS = 60


@dataclass(frozen=True)
class Exhibit:
    """One episode to show.

    Attributes:
        episode: its frames and times.
        text: the right instruction.
        value: float64 (T,), values for it.
        opposite: the opposite instruction, or "" where the model knows none.
        opposite_value: float64 (T,), values for that; empty where there is none.
        known: the bundle's calibration of the instruction, or None.
    """

    episode: Episode
    text: str
    value: np.ndarray
    opposite: str = ""
    opposite_value: np.ndarray = field(default_factory=lambda: np.zeros(0))
    known: Instruction | None = None


@dataclass(frozen=True)
class TaskExhibits:
    """A task's success, and its failure if there is one."""

    task: str
    success: Exhibit
    failure: Exhibit | None


def exhibits(bundle: Bundle, encoder: Encoder, store: EpisodeStore, evaluation: Evaluation) -> list[TaskExhibits]:
    """What to show of each task: the success of median VOC and the failure of median final value.

    The median, so that what is shown is neither the best nor the worst there is. Of very many tasks at most
    ``MOST_TASKS``, evenly picked by name, so that a page of them stays small.
    """
    shown = []
    for task in evenly(evaluation.tasks, MOST_TASKS):
        goal = evaluation.goals[task]
        known = next((i for i in bundle.instructions if (i.task, i.text) == (task, evaluation.texts[task])), None)
        opposite = _opposite(bundle, evaluation, task, known)
        away = encoder.encode_texts([opposite])[0] if opposite else None

        def exhibit(embedded: Embedded, goal=goal, away=away, opposite=opposite, known=known) -> Exhibit:
            return Exhibit(
                episode=store[embedded.number],
                text=evaluation.texts[embedded.task],
                value=embedded.curve(goal),
                opposite=opposite,
                opposite_value=embedded.curve(away) if away is not None else np.zeros(0),
                known=known,
            )

        success = _median(evaluation.successes[task], lambda e, goal=goal: voc(e.curve(goal)))
        failures = evaluation.failures(task)
        failure = _median(failures, lambda e, goal=goal: final_value(e.curve(goal))) if failures else None
        shown.append(TaskExhibits(task, exhibit(success), exhibit(failure) if failure else None))
    return shown


def _opposite(bundle: Bundle, evaluation: Evaluation, task: str, known: Instruction | None) -> str:
    """The instruction that undoes the task's, if the model knows that as an instruction too; else ""."""
    table = load_tasks()
    text = table[task].opposite_text if task in table else known.opposite if known else None
    spoken = {*evaluation.texts.values(), *(i.text for i in bundle.instructions)}
    return text if text in spoken else ""


def _median(episodes: list[Embedded], score) -> Embedded:
    return sorted(episodes, key=score)[len(episodes) // 2]
