# SPDX-License-Identifier: Apache-2.0
"""Progress: a value read on a scale whose ends are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_SMALLEST_SPAN = 1e-3


@dataclass(frozen=True)
class Calibration:
    """The values that stand for progress 0 and 1.

    Attributes:
        start: value where the task begins. NaN with a finite ``goal`` means: the value at ``is_first``
            (an image goal knows its end but not where the robot will start).
        goal: value where the task is done. NaN means that nothing is known, and progress is NaN.
    """

    start: float = math.nan
    goal: float = math.nan

    @property
    def is_known(self) -> bool:
        """Whether progress can be told at all."""
        return math.isfinite(self.goal)

    def begun_at(self, value: float) -> Calibration:
        """This calibration for an episode whose first value is ``value``."""
        return Calibration(value, self.goal) if math.isnan(self.start) else self

    def progress(self, value: float) -> float:
        """``clip((value - start) / (goal - start), 0, 1)``, or NaN when that is not known.

        A scale without length (an episode that begins at its goal) reads 1 from its goal on, 0 before.
        """
        if not (self.is_known and math.isfinite(self.start)):
            return math.nan
        span = self.goal - self.start
        if span < _SMALLEST_SPAN:
            return float(value >= self.goal)
        return min(1.0, max(0.0, (value - self.start) / span))

    def progress_curve(self, value: np.ndarray) -> np.ndarray:
        """:meth:`progress` of every one of float64 (T,)."""
        if not (self.is_known and math.isfinite(self.start)):
            return np.full(len(value), math.nan)
        span = self.goal - self.start
        if span < _SMALLEST_SPAN:
            return (value >= self.goal).astype(np.float64)
        return np.clip((value - self.start) / span, 0.0, 1.0)


def calibrate(value_curves: list[np.ndarray]) -> Calibration:
    """Calibrate on successful episodes: the medians of their first and of their last values.

    Args:
        value_curves: one float (T,) of values per episode, T >= 1; at least one episode.
    """
    first = [curve[0] for curve in value_curves]
    last = [curve[-1] for curve in value_curves]
    return Calibration(float(np.median(first)), float(np.median(last)))
