# SPDX-License-Identifier: Apache-2.0
"""What a bundle has to know about its own values: ends of progress, the image ceiling, familiarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liv_model.calibration import Calibration, calibrate
from liv_model.encoder import Encoder
from liv_model.familiarity import FamiliarityFit, familiarity, fit_threshold
from liv_model.metrics import final_value
from training.evaluation import Embedded
from training.sampler import training_texts
from training.tasks import load_tasks

# Goals that no task of the table means, and that no training text (training.distractors included) holds.
UNRELATED = (
    "water the plants",
    "feed the cat",
    "fold the towel",
    "wash the dishes",
    "make a cup of coffee",
    "peel the banana",
    "wipe the table with a sponge",
    "pour the milk into the bowl",
    "cut the carrot",
    "turn on the radio",
    "answer the phone",
    "read the newspaper aloud",
    "drive to the station",
    "sing a song",
    "paint the wall green",
    "count to ten",
    "write an email to my sister",
    "tie your shoes",
    "walk up the stairs",
    "hang the shirt on the line",
    "charge the battery",
    "dance",
    "bake a cake with chocolate",
    "mow the lawn",
    "sharpen the pencil",
    "light the candle",
    "put on a hat",
    "take a picture of the cat",
    "what is the weather like",
    "qwertyuiop",
)


def calibrate_tasks(encoder: Encoder, episodes: Sequence[Embedded], texts: dict[str, str]) -> dict[str, Calibration]:
    """Medians of first and last values of each task's successes, under its instruction.

    Args:
        encoder: for texts.
        episodes: embedded training episodes.
        texts: task to instruction.
    """
    goals = dict(zip(texts, encoder.encode_texts(list(texts.values())), strict=True))
    return {
        task: calibrate([e.curve(goal) for e in episodes if e.task == task and e.outcome == "success"])
        for task, goal in goals.items()
    }


def image_goal_ceiling(episodes: Sequence[Embedded]) -> float:
    """The value at which an image goal counts as reached.

    Median over successes of the mean value of the last 3 of 20 points, the goal being the very last frame: what
    an arm that has arrived sees, a little noise and a few frames away from the picture of the goal.
    """
    successes = [e for e in episodes if e.outcome == "success"]
    return float(np.median([final_value(e.curve(e.embeddings[-1])) for e in successes]))


def familiarities(encoder: Encoder, texts: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """How familiar texts of both kinds are to a model that knows these tasks: known (N,), unrelated (M,).

    Known are the held-out paraphrases of its tasks (where no task is in the table, the instructions said
    politely); unrelated are :data:`UNRELATED`. The instructions of other tasks of the table are neither: many
    differ from a known one by a word that the picture does not show.

    Args:
        encoder: for texts.
        texts: task to instruction.
    """
    table = load_tasks()
    spoken = {p for task, text in texts.items() for p in training_texts(task, text)}
    held_out = [p for t, text in texts.items() if t in table and table[t].text == text for p in table[t].held_out]
    held_out = held_out or [f"please {text}" for text in texts.values()]
    known = encoder.encode_texts(sorted(spoken))
    return (
        familiarity(encoder.encode_texts(held_out), known),
        familiarity(encoder.encode_texts(list(UNRELATED)), known),
    )


def fit_familiarity(encoder: Encoder, texts: dict[str, str]) -> FamiliarityFit:
    """The familiarity threshold of a model that knows these tasks: the best for its :func:`familiarities`."""
    return fit_threshold(*familiarities(encoder, texts))
