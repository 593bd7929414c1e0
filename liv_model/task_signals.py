# SPDX-License-Identifier: Apache-2.0
"""The rules by which a task counts as held, paused or turned back: written once, for detecting and for fitting.

Each takes samples as they come, times in seconds that rise, and *positions*: progress that is not clipped, so
0 at the start of the task and 1 at its goal, below 0 where the task has been set back behind its start. (Clipped
progress stands still at 0 while much happens.) All of them need a bounded amount of memory.
"""

from __future__ import annotations

from collections import deque
from functools import cache

import numpy as np

SMOOTH_S = 0.2  # positions are medians over so long: a single wrong frame is none
STILL = 0.04  # a position that stays within this of where it was stands still
RISE = 0.05  # what counts as gained
PATIENCE = 3.0  # gaining nothing is a pause only after so much longer than standing still
FALL = 0.4  # from the highest on: the task has turned back
RECOVERY = 0.1  # from the lowest on: it goes forward again
RATE_S = 1.0
_RATE_LEAST_S = 0.2
_RATE_POINTS = 16
_TINY_S = 1e-9


class Window:
    """The samples of the last seconds.

    Args:
        length_s: how long; 0 keeps the last sample alone.
    """

    def __init__(self, length_s: float):
        self._length_s = length_s
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, time_s: float, x: float) -> None:
        """Take a sample; what is older than the window goes, but for the last sample at or before its beginning."""
        samples = self._samples
        samples.append((time_s, x))
        while len(samples) > 1 and samples[1][0] <= time_s - self._length_s + _TINY_S:
            samples.popleft()

    @property
    def is_full(self) -> bool:
        """Whether the samples reach back to the beginning of the window."""
        return self._samples[-1][0] - self._samples[0][0] >= self._length_s - _TINY_S

    @property
    def values(self) -> list[float]:
        """The samples, oldest first."""
        return [x for _, x in self._samples]

    @property
    def times_s(self) -> list[float]:
        """Their times."""
        return [time_s for time_s, _ in self._samples]


class Held:
    """Between which positions the task has stayed for ``hold_s``.

    Attributes:
        low: it has not been lower for ``hold_s``; -inf where there is no such time yet.
        high: it has not been higher for ``hold_s``; inf likewise.
    """

    def __init__(self, hold_s: float):
        self._window = Window(hold_s)
        self.low, self.high = -np.inf, np.inf

    def add(self, time_s: float, position: float) -> None:
        """Take a sample."""
        self._window.add(time_s, position)
        if self._window.is_full:
            self.low, self.high = min(self._window.values), max(self._window.values)


class Pause:
    """For how long nothing has been gained.

    A task pauses while its position stays within ``STILL`` of where it was. Where it moves, but never by ``RISE``
    above its highest yet, it pauses too, after ``PATIENCE`` times as long: winning back what was lost is no gain, but
    most tasks have such times.

    Attributes:
        still_s: for how long it has stood still, seconds.
        fruitless_s: for how long it has not risen above its highest.
    """

    def __init__(self) -> None:
        self._place: tuple[float, float] | None = None  # when it came to where it stands, and where
        self._highest = (0.0, -np.inf)
        self.still_s = self.fruitless_s = 0.0

    def add(self, time_s: float, position: float) -> None:
        """Take a sample."""
        if self._place is None or abs(position - self._place[1]) > STILL:
            self._place = (time_s, position)
        if position >= self._highest[1] + RISE:
            self._highest = (time_s, position)
        self.still_s, self.fruitless_s = time_s - self._place[0], time_s - self._highest[0]

    @property
    def length_s(self) -> float:
        """How long the pause has been, seconds; what ``stall_s`` is compared with."""
        return max(self.still_s, self.fruitless_s / PATIENCE)


class Direction:
    """Which way the task goes: it turns back by falling ``FALL``, and forward again by rising ``RECOVERY``.

    Attributes:
        sign: 1 forward, -1 back, 0 where it has done neither yet.
    """

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf  # since the last turn
        self.sign = 0

    def add(self, position: float) -> None:
        """Take a sample."""
        self._low, self._high = min(self._low, position), max(self._high, position)
        if self.sign >= 0 and position <= self._high - FALL:
            self.turn(-1, position)
        elif self.sign < 0 and position >= self._low + RECOVERY:
            self.turn(1, position)
        elif self.sign == 0 and position >= self._low + RISE:
            self.sign = 1

    def turn(self, sign: int, position: float) -> None:
        """Go this way from here on."""
        self.sign, self._low, self._high = sign, position, position


class TaskSignals:
    """All of them for one episode, of smoothed positions.

    Attributes:
        position: median over ``SMOOTH_S``.
        held, pause, direction: of that.
    """

    def __init__(self, hold_s: float):
        self._recent = Window(SMOOTH_S)
        self._rate = Window(RATE_S)
        self.position = np.nan
        self.held, self.pause, self.direction = Held(hold_s), Pause(), Direction()

    def add(self, time_s: float, position: float) -> None:
        """Take a sample."""
        self._recent.add(time_s, position)
        self._rate.add(time_s, position)
        self.position = float(np.median(self._recent.values))
        self.held.add(time_s, self.position)
        self.pause.add(time_s, self.position)
        self.direction.add(self.position)

    def turn_back(self) -> None:
        """What was reached is lost: the pause ends, the task goes back."""
        self.pause = Pause()
        self.direction.turn(-1, self.position)

    @property
    def rate(self) -> float:
        """Change of position per second over ``RATE_S``: the median slope (Theil, 1950; Sen, 1968); NaN at first."""
        times_s, values = np.array(self._rate.times_s), np.array(self._rate.values)
        if not len(times_s) or times_s[-1] - times_s[0] < _RATE_LEAST_S:
            return np.nan
        if len(times_s) > _RATE_POINTS:
            picked = np.linspace(0, len(times_s) - 1, _RATE_POINTS).round().astype(int)
            times_s, values = times_s[picked], values[picked]
        later, earlier = _pairs(len(times_s))
        return float(np.median((values[later] - values[earlier]) / (times_s[later] - times_s[earlier])))


@cache
def _pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the later and the earlier of every two of so many samples."""
    return np.tril_indices(count, -1)
