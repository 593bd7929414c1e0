# SPDX-License-Identifier: Apache-2.0
"""The rewards of one camera, one after the other: rules 1 and 4, and what an episode may hold (rule 2)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

SUM_TOLERANCE = 1e-9
NANOSECONDS = 1_000_000_000

Tell = Callable[[int, str], None]


def stamp_ns(header: Any) -> int:
    """A header's stamp in nanoseconds."""
    return header.stamp.sec * NANOSECONDS + header.stamp.nanosec


class Episodes:
    """Follows the episodes of one camera.

    Args:
        camera: its name.
        tell: called with the rule that is broken, and how.
        may_miss: whether the consumer may have missed messages.
        jitter_s: the reward node's ``stamp_jitter_s``.

    Attributes:
        gaps: steps that were missed, if they may be.
        begun: by goal, episodes that began for no reason that shows in the rewards.
    """

    def __init__(self, camera: str, tell: Tell, *, may_miss: bool, jitter_s: float):
        self._camera = camera
        self._tell = tell
        self._may_miss = may_miss
        self._jitter_ns = round(jitter_s * NANOSECONDS)
        self._last: Any = None
        self.gaps = 0
        self.begun: Counter[str] = Counter()

    def follow(self, reward: Any) -> None:
        """The next reward that was heard."""
        last, self._last = self._last, reward
        self._check_fields(reward)
        if reward.is_first:
            self._check_reason(last, reward)
            self._base(reward)
        elif last is None:
            self._base(reward)  # who joins late begins in the middle
        else:
            self._check_step(last, reward)

    def _base(self, reward: Any) -> None:
        """Sum from here on."""
        self._first_value, self._sum = reward.value, 0.0

    def _check_fields(self, reward: Any) -> None:
        what = f"{self._camera}, step {reward.step}"
        if not -1 <= reward.value <= 1:
            self._tell(1, f"{what}: value {reward.value} is not in [-1, 1]")
        if not (math.isnan(reward.progress) or 0 <= reward.progress <= 1):
            self._tell(1, f"{what}: progress {reward.progress} is neither in [0, 1] nor NaN")
        if reward.is_first != (reward.step == 0):
            self._tell(1, f"{what}: is_first is {reward.is_first}")
        if reward.is_first and reward.reward != 0:
            self._tell(1, f"{what}: reward {reward.reward} at is_first")

    def _check_step(self, last: Any, reward: Any) -> None:
        what = f"{self._camera}, step {reward.step}"
        if (reward.goal_id, reward.model) != (last.goal_id, last.model):
            if not self._may_miss:
                self._tell(2, f"{what}: another goal or model without is_first")
            self._base(reward)
            return
        if reward.step <= last.step:
            if not self._may_miss:
                self._tell(1, f"{what} after step {last.step} without is_first")
            self._base(reward)
            return
        missed = reward.step - last.step - 1
        if stamp_ns(reward.header) <= stamp_ns(last.header) and not (missed and self._may_miss):
            self._tell(4, f"{what}: its stamp does not come after that of step {last.step}")
        self._check_sum(last, reward, missed)

    def _check_sum(self, last: Any, reward: Any, missed: int) -> None:
        """Who missed steps takes the difference of the values."""
        self.gaps += missed
        if missed and not self._may_miss:
            self._tell(1, f"{self._camera}: steps {last.step + 1}..{reward.step - 1} are missing")
        self._sum += reward.value - last.value if missed else reward.reward
        error = abs(self._sum - (reward.value - self._first_value))
        if not error <= SUM_TOLERANCE:
            self._tell(1, f"{self._camera}, step {reward.step}: the sum of the rewards is off by {error:.3g}")
            self._base(reward)

    def _check_reason(self, last: Any, reward: Any) -> None:
        """Why did an episode begin? A step back of the stamps shows by itself."""
        same = last is not None and (reward.goal_id, reward.model) == (last.goal_id, last.model)
        if not (same and stamp_ns(reward.header) < stamp_ns(last.header) - self._jitter_ns):
            self.begun[reward.goal_id] += 1
