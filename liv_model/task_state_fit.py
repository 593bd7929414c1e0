# SPDX-License-Identifier: Apache-2.0
"""Which thresholds a task-state detector should use, found from recorded progress: pure functions, NumPy only.

The rules of success and stall are those of `task_signals`, run here frame by frame as the detector runs them, and
thresholds are judged by the detector itself. So whoever detects and whoever fits cannot differ.

Recordings of successes end where the task is done. A robot does not vanish there: every curve is continued by
``AFTER_S`` of standing still, so that a hold longer than the recording's last moment can be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liv_model.bundle import TaskStateThresholds
from liv_model.calibration import Calibration
from liv_model.reward import NANOSECONDS
from liv_model.task_signals import TaskSignals
from liv_model.task_state import TaskState, TaskStateDetector, TaskStateSample

HOLDS_S = (0.1, 0.25, 0.5, 1.0)
AFTER_S = 1.5
_STEP_S = 0.05
_UNSTALLED = 0.99  # share of successes that must never be called stalled
_SCALE = Calibration(0.0, 1.0)


@dataclass(frozen=True)
class ProgressCurve:
    """Progress of one episode.

    Attributes:
        time_s: float (T,), T >= 1, strictly increasing.
        position: float (T,), progress that is not clipped; NaN (not known) counts as 0.
    """

    time_s: np.ndarray
    position: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_s", np.asarray(self.time_s, np.float64))
        object.__setattr__(self, "position", np.nan_to_num(np.asarray(self.position, np.float64), nan=0.0))

    def continued(self) -> ProgressCurve:
        """The same with ``AFTER_S`` of standing still at its end."""
        after_s = self.time_s[-1] + _STEP_S * np.arange(1, round(AFTER_S / _STEP_S) + 1)
        still = np.full(len(after_s), self.position[-1])
        return ProgressCurve(np.concatenate([self.time_s, after_s]), np.concatenate([self.position, still]))


@dataclass(frozen=True)
class TaskStateJudgement:
    """How thresholds do on episodes whose outcome is known: shares in [0, 1], NaN where there is no such episode.

    Attributes:
        recognised: successes that are called succeeded.
        refused: failures that are not.
        false_stalls: successes that are called stalled while they are recorded.
        stalls_found: failures that are called stalled; not all of them stall.
        successes: how many there were.
        failures: likewise.
    """

    recognised: float
    refused: float
    false_stalls: float
    stalls_found: float
    successes: int
    failures: int


def detect(thresholds: TaskStateThresholds, curve: ProgressCurve) -> list[TaskStateSample]:
    """What a detector says of every frame of a curve, (T,)."""
    detector = TaskStateDetector(thresholds, calibration=_SCALE, blind_s=_longest_gap_s(curve) + 1.0)
    frames = zip(curve.time_s - curve.time_s[0], curve.position, strict=True)
    return [detector.update(round(t * NANOSECONDS), x, min(1.0, max(0.0, x))) for t, x in frames]


def highest_held(curve: ProgressCurve, hold_s: float) -> float:
    """The highest progress that was held for ``hold_s``; 0 for an episode that is shorter."""
    return float(np.clip(_trace(curve, hold_s)[1].max(), 0.0, 1.0))


def longest_pause_s(curve: ProgressCurve, until: float, hold_s: float) -> float:
    """The longest pause (`task_signals.Pause`) below ``until``, before that is held, seconds."""
    positions, held, pauses_s = _trace(curve, hold_s)
    is_under_way = (positions < until) & ~np.logical_or.accumulate(held >= until)
    return float(pauses_s[is_under_way].max(initial=0.0))


def fit_task_state(successes: Sequence[ProgressCurve], failures: Sequence[ProgressCurve]) -> TaskStateThresholds:
    """The thresholds that are right about most episodes, successes and failures weighing the same (Youden, 1950).

    Many levels of progress are about equally right, and which of them is best is chance: ``success_progress`` is the
    mean of those within one standard error of the best. Of holds that are equally good the longest, for it is the
    safest against a single wrong frame. ``stall_s`` is the pause that 99 % of the successes stay within.

    Args:
        successes: at least one.
        failures: at least one.
    """
    good, bad = [c.continued() for c in successes], [c.continued() for c in failures]
    fits = {
        hold_s: _fit_level(
            np.array([highest_held(c, hold_s) for c in good]), np.array([highest_held(c, hold_s) for c in bad])
        )
        for hold_s in HOLDS_S
    }
    hold_s = max(fits, key=lambda hold: (round(fits[hold][1], 9), hold))
    success_progress = fits[hold_s][0]
    pauses = [longest_pause_s(c, success_progress, hold_s) for c in successes]
    stall_s = max(float(np.quantile(pauses, _UNSTALLED, method="higher")), _STEP_S) + _STEP_S
    return TaskStateThresholds(stall_s=stall_s, hold_s=hold_s, success_progress=success_progress)


def _fit_level(good: np.ndarray, bad: np.ndarray) -> tuple[float, float]:
    """The level that parts successes (S,) from failures (F,), and the share of both that the best one gets right."""
    levels = np.linspace(0.01, 1.0, 199)
    recognised = (good >= levels[:, None]).mean(axis=1)  # (199,)
    refused = (bad < levels[:, None]).mean(axis=1)
    quality = recognised + refused
    best = int(np.argmax(quality))
    error = np.sqrt(
        recognised[best] * (1 - recognised[best]) / len(good) + refused[best] * (1 - refused[best]) / len(bad)
    )
    return float(levels[quality >= quality[best] - error - 1e-9].mean()), float(quality[best])


def judge_task_state(
    thresholds: TaskStateThresholds, successes: Sequence[ProgressCurve], failures: Sequence[ProgressCurve]
) -> TaskStateJudgement:
    """How often thresholds are right about these episodes."""

    def share(state: TaskState, curves: Sequence[ProgressCurve]) -> float:
        told = [any(sample.state == state for sample in detect(thresholds, c)) for c in curves]
        return float(np.mean(told)) if told else float("nan")

    return TaskStateJudgement(
        recognised=share(TaskState.SUCCEEDED, [c.continued() for c in successes]),
        refused=1.0 - share(TaskState.SUCCEEDED, [c.continued() for c in failures]),
        false_stalls=share(TaskState.STALLED, successes),
        stalls_found=share(TaskState.STALLED, [c.continued() for c in failures]),
        successes=len(successes),
        failures=len(failures),
    )


def _trace(curve: ProgressCurve, hold_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every frame (T,): smoothed position, progress held (-inf at first), length of the pause in seconds."""
    signals = TaskSignals(hold_s)
    rows = []
    for time_s, position in zip(curve.time_s, curve.position, strict=True):
        signals.add(float(time_s), float(position))
        rows.append((signals.position, signals.held.low, signals.pause.length_s))
    return tuple(np.array(rows).T)


def _longest_gap_s(curve: ProgressCurve) -> float:
    return float(np.diff(curve.time_s).max(initial=0.0))
