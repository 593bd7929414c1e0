# SPDX-License-Identifier: Apache-2.0
"""The reward: the potential difference S(t) - S(t-1), which sums to S(T) - S(0) over an episode.

Source: Ma et al., ICML 2023 (arXiv 2306.00958), equation 8; potential-based shaping: Ng et al., ICML 1999.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from liv_model.calibration import Calibration, ShownValue
from liv_model.errors import ConfigError
from liv_model.value import values

NANOSECONDS = 1_000_000_000
SHOWN_S = 0.5


@dataclass(frozen=True)
class RewardSample:
    """What one embedding earned.

    Attributes:
        step: counts the scored embeddings of the episode from 0.
        is_first: whether this one begins an episode (RLDS).
        value: S in [-1, 1]; smoothed, where the stream smooths.
        reward: value minus the previous value; 0 at ``is_first``.
        progress: in [0, 1]; NaN when not calibrated.
    """

    step: int
    is_first: bool
    value: float
    reward: float
    progress: float


def is_out_of_order(last_ns: int, stamp_ns: int, jitter_ns: int) -> bool:
    """Whether a stamp that does not advance is dropped; one further back than the jitter begins a new episode."""
    return last_ns - jitter_ns <= stamp_ns <= last_ns


class RewardStream:
    """Scores the embeddings of one camera against one goal, as they come.

    Since rewards are differences of the values of this stream, they sum to ``value - value at is_first``.

    Attributes:
        smoothing_s: time constant of an exponential moving average of the values, seconds; 0 = none. Since the average
            goes by the stamps, a gap weighs as long as it was. It begins anew with every episode.
    """

    def __init__(
        self, goal: np.ndarray, calibration: Calibration, *, stamp_jitter_s: float = 0.5, smoothing_s: float = 0.0
    ):
        """Begin an episode with the next embedding.

        Args:
            goal: float (D,), unit norm.
            calibration: how values read as progress.
            stamp_jitter_s: an embedding whose stamp is equal to or up to this many seconds before the last one
                is dropped as out of order; one further back begins a new episode (bag loop, simulator reset).
            smoothing_s: see there.
        """
        for name, seconds in (("stamp_jitter_s", stamp_jitter_s), ("smoothing_s", smoothing_s)):
            if not 0 <= seconds < math.inf:
                raise ConfigError(name, expected="seconds >= 0", got=seconds)
        self._goal = np.asarray(goal, np.float64)[None]  # (1, D)
        self._calibration = calibration
        self._jitter_ns = round(stamp_jitter_s * NANOSECONDS)
        self.smoothing_s = smoothing_s
        self._latest: deque[tuple[int, float]] = deque()  # stamps and values, not smoothed, of the last SHOWN_S
        self.reset()

    def reset(self) -> None:
        """Begin a new episode with the next embedding."""
        self._last_ns: int | None = None
        self._step = 0

    def update(self, embedding: np.ndarray, stamp_ns: int) -> RewardSample | None:
        """Score one embedding.

        Args:
            embedding: float (D,), unit norm.
            stamp_ns: when its image was taken, nanoseconds.

        Returns:
            The sample, or None when the stamp is out of order.
        """
        if self._last_ns is not None and stamp_ns <= self._last_ns:
            if is_out_of_order(self._last_ns, stamp_ns, self._jitter_ns):
                return None
            self.reset()
        value = float(values(np.asarray(embedding)[None], self._goal)[0, 0])
        self._remember(value, stamp_ns)
        return self._advance(self._smoothed(value, stamp_ns), stamp_ns)

    def recalibrate(self, calibration: Calibration) -> None:
        """Read progress on another scale from the next embedding on, in the same episode."""
        self._calibration = calibration
        if self._last_ns is not None:
            self._scale = calibration.begun_at(self._first_value)

    def shown(self) -> ShownValue | None:
        """The values of the last half second, not smoothed; None before the first embedding."""
        if not self._latest:
            return None
        seen = np.array([value for _, value in self._latest])
        return ShownValue(float(seen.mean()), float(seen.std()), len(seen))

    def _remember(self, value: float, stamp_ns: int) -> None:
        if self._latest and self._latest[-1][0] >= stamp_ns:  # another time altogether
            self._latest.clear()
        self._latest.append((stamp_ns, value))
        while self._latest[0][0] < stamp_ns - SHOWN_S * NANOSECONDS:
            self._latest.popleft()

    def _smoothed(self, value: float, stamp_ns: int) -> float:
        if self._last_ns is None or not self.smoothing_s:
            return value
        weight = -math.expm1(-(stamp_ns - self._last_ns) / NANOSECONDS / self.smoothing_s)
        return self._last_value + weight * (value - self._last_value)

    def _advance(self, value: float, stamp_ns: int) -> RewardSample:
        is_first = self._last_ns is None
        if is_first:
            self._first_value = value
            self._scale = self._calibration.begun_at(value)
        reward = 0.0 if is_first else value - self._last_value
        sample = RewardSample(self._step, is_first, value, reward, self._scale.progress(value))
        self._last_ns, self._last_value = stamp_ns, value
        self._step += 1
        return sample
