# SPDX-License-Identifier: Apache-2.0
"""What a stream does, in few numbers for people: how often, how late, and what is missing. All are safe to share."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from statistics import median

from liv_model.timings import percentiles

RATE_OVER_S = 5.0
LATENCY_OVER_S = 10.0
ABSURD_S = 10.0
_NANOSECONDS = 1_000_000_000
_INTERVALS = 31
_FEWEST_INTERVALS = 10
_LEAP = 1.5
_PAUSE_S = 1.0


class RateMeter:
    """Events per second over the last five seconds.

    Args:
        clock: seconds, steady.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._at_s: deque[float] = deque()

    def add(self) -> None:
        """Count an event, now."""
        with self._lock:
            self._at_s.append(self._clock())
            self._forget()

    def per_s(self) -> float:
        """Events per second (Hz), from the first one within the window until now; 0 with fewer than two."""
        with self._lock:
            self._forget()
            if len(self._at_s) < 2:
                return 0.0
            return (len(self._at_s) - 1) / max(self._clock() - self._at_s[0], 1e-9)

    def _forget(self) -> None:
        oldest_s = self._clock() - RATE_OVER_S
        while self._at_s and self._at_s[0] < oldest_s:
            self._at_s.popleft()


class LatencyMeter:
    """How long after its stamp a picture's result was there, over the last ten seconds.

    It is known only where the clock that stamps and the clock that is read here agree. A negative latency, or one of
    more than ten seconds, says that they do not; then no figures are told, but why.

    Args:
        clock: seconds, steady; what is old is forgotten by it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._latencies: deque[tuple[float, float]] = deque()  # when, and the latency, seconds

    def add(self, stamp_ns: int, now_ns: int) -> None:
        """Take note of a result that is there now, by the clock that stamps, of a picture with this stamp."""
        with self._lock:
            self._latencies.append((self._clock(), (now_ns - stamp_ns) / _NANOSECONDS))
            self._forget()

    def told(self) -> dict[str, object]:
        """``latency p50 (ms)`` and ``latency p99 (ms)``, NaN where not known; ``latency problem`` says why, or ""."""
        with self._lock:
            self._forget()
            seconds = [latency_s for _, latency_s in self._latencies]
        problem = _clocks_disagree(seconds)
        found = percentiles([] if problem else [s * 1e3 for s in seconds], 50, 99)
        return {**{f"latency {name} (ms)": value for name, value in found.items()}, "latency problem": problem}

    def _forget(self) -> None:
        oldest_s = self._clock() - LATENCY_OVER_S
        while self._latencies and self._latencies[0][0] < oldest_s:
            self._latencies.popleft()


def _clocks_disagree(latencies_s: list[float]) -> str:
    """Why latencies cannot be believed, or ""."""
    ahead = [s for s in latencies_s if s < 0]
    old = [s for s in latencies_s if s > ABSURD_S]
    if ahead:
        what = f"{len(ahead)} of {len(latencies_s)} stamps lie in the future, by up to {_span(-min(ahead))}"
        return f"{what}; synchronise the clocks of the camera and of this machine, or set use_sim_time as it is there"
    if old:
        what = f"{len(old)} of {len(latencies_s)} stamps are old on arrival, by up to {_span(max(old))}"
        return f"{what}; a recording's own stamps, or a clock that is not synchronised"
    return ""


def _span(seconds: float) -> str:
    for unit, length_s in (("days", 86400.0), ("h", 3600.0), ("s", 1.0)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds * 1e3:.1f} ms"


class GapMeter:
    """Counts pictures that seem to be missing, where stamps leap by half again their usual interval or more.

    It only suspects: a camera that skips a picture itself looks the same. Pauses of more than a second are the
    camera's, and a step back begins anew. Not a measure where ``max_rate_hz`` or a slow encoder leaves pictures out
    before.

    Attributes:
        missing: how many seem to be missing so far.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._last_ns: int | None = None
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)  # nanoseconds

    def add(self, stamp_ns: int) -> None:
        """Look at the next picture's stamp; from one thread alone."""
        last_ns, self._last_ns = self._last_ns, stamp_ns
        interval = 0 if last_ns is None else stamp_ns - last_ns
        if interval < 0:
            self._intervals.clear()
        if interval <= 0:
            return
        if len(self._intervals) >= _FEWEST_INTERVALS and interval <= _PAUSE_S * _NANOSECONDS:
            usual = median(self._intervals)
            if interval >= _LEAP * usual:
                self.missing += math.floor(interval / usual + 0.5) - 1
        self._intervals.append(interval)
