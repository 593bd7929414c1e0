# SPDX-License-Identifier: Apache-2.0
"""The curve of one camera of a recording for a goal: reward_node's arithmetic over all of its embeddings at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from liv_model.bundle import TaskStateThresholds
from liv_model.calibration import Calibration
from liv_model.errors import ConfigError
from liv_model.goal import ResolvedGoal
from liv_model.task_state import DEFAULT_THRESHOLDS, TaskStateDetector, require_thresholds
from liv_model.value import values
from liv_web.recorded_embeddings import CameraEmbeddings

MOST_JUDGED = (
    6000  # of longer recordings the task state is judged from so many, evenly spread: a goal is answered at once
)


@dataclass(frozen=True)
class RecordedCurve:
    """Columns of one length.

    Attributes:
        value, reward, progress: float64 (N,), as :class:`liv_model.reward.RewardSample` has them.
        state: names of the task states.
    """

    value: np.ndarray
    reward: np.ndarray
    progress: np.ndarray
    state: list[str]


def recorded_curve(seen: CameraEmbeddings, goal: ResolvedGoal, thresholds: TaskStateThresholds) -> RecordedCurve:
    """Score a recorded camera for a goal."""
    value = values(seen.vectors, goal.embedding[None])[:, 0]
    reward = np.diff(value, prepend=value[:1])
    reward[seen.is_first] = 0.0
    progress = _progress(value, seen.is_first, goal.calibration)
    return RecordedCurve(value, reward, progress, _states(seen, value, progress, goal.calibration, thresholds))


def _progress(value: np.ndarray, is_first: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Each episode on its own scale, which may begin at its first value."""
    begins = np.flatnonzero(is_first).tolist()
    progress = np.full(len(value), np.nan)
    for begin, end in zip(begins, [*begins[1:], len(value)], strict=True):
        progress[begin:end] = calibration.begun_at(float(value[begin])).progress_curve(value[begin:end])
    return progress


def _states(
    seen: CameraEmbeddings,
    value: np.ndarray,
    progress: np.ndarray,
    calibration: Calibration,
    thresholds: TaskStateThresholds,
) -> list[str]:
    try:
        require_thresholds(thresholds)
    except ConfigError:  # a model that does not say
        thresholds = DEFAULT_THRESHOLDS
    detector = TaskStateDetector(thresholds, calibration=calibration)
    step = math.ceil(len(value) / MOST_JUDGED)
    samples = zip(seen.stamps_ns.tolist(), value.tolist(), progress.tolist(), seen.is_first.tolist(), strict=True)
    states: list[str] = []
    for index, (stamp_ns, v, p, is_first) in enumerate(samples):
        if index % step == 0 or is_first:
            detector.update(stamp_ns, v, p, is_first)
        states.append(detector.sample.state.name.lower())
    return states
