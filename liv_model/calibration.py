# SPDX-License-Identifier: Apache-2.0
"""Progress: a value read on a scale whose ends are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from liv_model.errors import ConfigError

_SMALLEST_SPAN = 1e-3
_LEAST_SHOWN_SPAN = 0.01  # closer than that, what a camera's noise does to the value is most of the progress
_NOISES_APART = 3.0


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

    def with_end(self, end: str, shown: ShownValue) -> Calibration:
        """This calibration with one end as an operator shows it.

        Args:
            end: ``start`` or ``goal``.
            shown: what the camera sees there.

        Raises:
            ConfigError: the two ends are closer than 0.01 or than three times the noise of ``shown``, or start is
                above goal.
        """
        changed = replace(self, **{end: shown.mean})
        least = max(_LEAST_SHOWN_SPAN, _NOISES_APART * shown.noise)
        if changed._is_whole and changed.goal - changed.start < least:
            other = "goal" if end == "start" else "start"
            raise ConfigError(
                "start and goal",
                expected=f"the goal's value at least {least:.3f} above the start's",
                got=f"{changed.start:.3f} at the start and {changed.goal:.3f} at the goal",
                remedy=f"hold the scene still; if the {other} has changed too, show that first",
            )
        return changed

    def overridden(self, by: Calibration) -> Calibration:
        """The ends of ``by``, and this one's where ``by`` has none, unless they do not go with those of ``by``."""
        start = self.start if math.isnan(by.start) else by.start
        goal = self.goal if math.isnan(by.goal) else by.goal
        mixed = Calibration(start, goal)
        is_mixed = math.isfinite(by.start) != math.isfinite(by.goal)
        return by if is_mixed and mixed._is_whole and goal - start < _LEAST_SHOWN_SPAN else mixed

    @property
    def _is_whole(self) -> bool:
        return math.isfinite(self.start) and math.isfinite(self.goal)

    def progress_curve(self, value: np.ndarray) -> np.ndarray:
        """:meth:`progress` of every one of float64 (T,)."""
        if not (self.is_known and math.isfinite(self.start)):
            return np.full(len(value), math.nan)
        span = self.goal - self.start
        if span < _SMALLEST_SPAN:
            return (value >= self.goal).astype(np.float64)
        return np.clip((value - self.start) / span, 0.0, 1.0)


@dataclass(frozen=True)
class ShownValue:
    """What a camera saw of a goal over a short while.

    Attributes:
        mean: of the values.
        noise: their standard deviation.
        count: how many.
    """

    mean: float
    noise: float
    count: int


def calibrate(value_curves: list[np.ndarray]) -> Calibration:
    """Calibrate on successful episodes: the medians of their first and of their last values.

    Args:
        value_curves: one float (T,) of values per episode, T >= 1; at least one episode.
    """
    first = [curve[0] for curve in value_curves]
    last = [curve[-1] for curve in value_curves]
    return Calibration(float(np.median(first)), float(np.median(last)))
