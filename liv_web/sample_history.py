# SPDX-License-Identifier: Apache-2.0
"""The last minutes of one camera's rewards, for a page that comes late; and samples as columns."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

from liv_web.source import Sample

KEPT_S = 600.0
MOST_KEPT = 60_000  # 100 Hz for ten minutes
MOST_TOLD = 6_000
_DECIMALS = 6


class SampleHistory:
    """Keeps ten minutes of samples. Not safe to share."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=MOST_KEPT)

    def add(self, sample: Sample) -> None:
        """Append a sample; of a step back of the time (a loop, a simulator's reset) what came before goes."""
        if self._samples and sample.t < self._samples[-1].t and sample.is_first:
            self._samples.clear()
        self._samples.append(sample)
        while self._samples[0].t < sample.t - KEPT_S:
            self._samples.popleft()

    def told(self) -> list[Sample]:
        """At most 6000 of them, evenly spread, with every beginning of an episode."""
        step = math.ceil(len(self._samples) / MOST_TOLD)
        if step <= 1:
            return list(self._samples)
        return [s for index, s in enumerate(self._samples) if index % step == 0 or s.is_first]


def columns(camera: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """The event of some samples, without NaN."""
    return {
        "type": "samples",
        "camera": camera,
        "t": [round(s.t, _DECIMALS) for s in samples],
        "value": [number(s.value) for s in samples],
        "reward": [number(s.reward) for s in samples],
        "progress": [number(s.progress) for s in samples],
        "is_first": [s.is_first for s in samples],
    }


def number(value: float) -> float | None:
    """As it goes over the wire."""
    return round(value, _DECIMALS) if math.isfinite(value) else None
