# SPDX-License-Identifier: Apache-2.0
"""Which thresholds a task-state detector should use, found from recorded progress: pure functions, NumPy only.

A task counts as succeeded when progress stays at or above ``success_progress`` for ``hold_s``, as stalled when for
``stall_s`` progress has not risen by ``RISE`` above its highest yet. The two rules are written down here once, so
that whoever detects and whoever fits cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liv_model.bundle import TaskStateThresholds
from liv_model.familiarity import fit_threshold

RISE = 0.05
HOLDS_S = (0.1, 0.25, 0.5, 1.0)
_UNSTALLED = 0.95  # share of successes that must never be called stalled


@dataclass(frozen=True)
class ProgressCurve:
    """Progress of one episode.

    Attributes:
        time_s: float (T,), T >= 1, strictly increasing.
        progress: float (T,) in [0, 1]; NaN (not known) counts as 0.
    """

    time_s: np.ndarray
    progress: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "progress", np.nan_to_num(np.asarray(self.progress, np.float64), nan=0.0))


@dataclass(frozen=True)
class TaskStateJudgement:
    """How thresholds do on episodes whose outcome is known: shares in [0, 1], NaN where there is no such episode.

    Attributes:
        recognised: successes that are called succeeded.
        refused: failures that are not.
        false_stalls: successes that are called stalled on their way.
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


def highest_held(curve: ProgressCurve, hold_s: float) -> float:
    """The highest progress that was held for ``hold_s``; 0 for an episode that is shorter."""
    time_s = np.asarray(curve.time_s, np.float64)
    ends = np.searchsorted(time_s, time_s + hold_s - 1e-9)  # first frame at or after the hold
    held = [curve.progress[i : end + 1].min() for i, end in enumerate(ends) if end < len(time_s)]
    return float(max(held, default=0.0))


def longest_pause_s(curve: ProgressCurve, until: float) -> float:
    """The longest time without a rise of ``RISE`` above the highest progress yet, before progress reaches ``until``."""
    since, highest, longest = curve.time_s[0], curve.progress[0], 0.0
    for time_s, progress in zip(curve.time_s, curve.progress, strict=True):
        longest = max(longest, float(time_s - since))
        if progress >= until:
            break
        if progress >= highest + RISE:
            since, highest = time_s, progress
    return longest


def fit_task_state(successes: Sequence[ProgressCurve], failures: Sequence[ProgressCurve]) -> TaskStateThresholds:
    """The thresholds that are right about most episodes, successes and failures weighing the same (Youden, 1950).

    Of holds that are equally good the longest, for it is the safest against a single wrong frame. ``stall_s`` is the
    pause that 95 % of the successes stay within.

    Args:
        successes: at least one.
        failures: at least one.
    """
    fits = {
        hold_s: fit_threshold(
            np.array([highest_held(c, hold_s) for c in successes]),
            np.array([highest_held(c, hold_s) for c in failures]),
        )
        for hold_s in HOLDS_S
    }
    hold_s = max(fits, key=lambda hold: (round(fits[hold].accepted + fits[hold].refused, 9), hold))
    success_progress = float(np.clip(fits[hold_s].threshold, 0.0, 1.0))
    pauses = [longest_pause_s(c, success_progress) for c in successes]
    stall_s = float(np.quantile(pauses, _UNSTALLED, method="higher"))
    return TaskStateThresholds(stall_s=stall_s, hold_s=hold_s, success_progress=success_progress)


def judge_task_state(
    thresholds: TaskStateThresholds, successes: Sequence[ProgressCurve], failures: Sequence[ProgressCurve]
) -> TaskStateJudgement:
    """How often thresholds are right about these episodes."""

    def succeeded(curves: Sequence[ProgressCurve]) -> float:
        return _share([highest_held(c, thresholds.hold_s) >= thresholds.success_progress for c in curves])

    def stalled(curves: Sequence[ProgressCurve]) -> float:
        return _share([longest_pause_s(c, thresholds.success_progress) > thresholds.stall_s for c in curves])

    return TaskStateJudgement(
        recognised=succeeded(successes),
        refused=1.0 - succeeded(failures),
        false_stalls=stalled(successes),
        stalls_found=stalled(failures),
        successes=len(successes),
        failures=len(failures),
    )


def _share(answers: Sequence[bool]) -> float:
    return float(np.mean(answers)) if len(answers) else float("nan")
