# SPDX-License-Identifier: Apache-2.0
"""Which episodes there were: each begins where a reward says ``is_first``, and ends with the last before the next."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from liv_web import wire
from liv_web.source import Sample

MOST_EPISODES = 200
SPARK_POINTS = 40
TOGETHER_S = 2.0  # cameras whose first pictures are this close begin one episode
_MOST_VALUES = 4096


@dataclass
class _Episode:
    number: int
    goal_id: str
    goal: str
    camera: str
    begin_s: float
    end_s: float
    values: list[float] = field(default_factory=list)
    step: int = 1  # every how many-th sample is kept
    seen: int = 0
    cameras: set[str] = field(default_factory=set)
    verdict: wire.VerdictName | None = None

    def add(self, sample: Sample) -> None:
        self.end_s = max(self.end_s, sample.t)
        if self.seen % self.step == 0:
            self.values.append(sample.value)
            if len(self.values) > _MOST_VALUES:  # an episode of hours takes no more memory than one of minutes
                self.values, self.step = self.values[::2], self.step * 2
        self.seen += 1


class EpisodeLog:
    """Keeps the latest episodes. Not safe to share."""

    def __init__(self) -> None:
        self._episodes: deque[_Episode] = deque(maxlen=MOST_EPISODES)
        self._count = 0

    def add(self, camera: str, goal_id: str, goal: str, sample: Sample) -> bool:
        """Take note of a reward; whether it begins an episode."""
        now = self._episodes[-1] if self._episodes else None
        begins = now is None or (sample.is_first and not self._joins(now, camera, goal_id, sample))
        if begins:
            self._count += 1
            now = _Episode(self._count, goal_id, goal, camera, sample.t, sample.t)
            self._episodes.append(now)
        now.cameras.add(camera)
        if camera == now.camera:
            now.add(sample)
        return begins

    def judge(self, t: float, goal_id: str, verdict: wire.VerdictName) -> bool:
        """Give a verdict to the episode of a goal that ran at a time, or ended last before it; whether there is one.

        Args:
            t: of the verdict, seconds.
            goal_id: "" = of any goal.
            verdict: the last one given counts.
        """
        of_goal = [e for e in self._episodes if not goal_id or e.goal_id == goal_id]
        begun = [e for e in of_goal if e.begin_s <= t] or of_goal
        if begun:
            begun[-1].verdict = verdict
        return bool(begun)

    def told(self) -> list[wire.Episode]:
        """All of them, oldest first."""
        return [
            wire.Episode(
                id=str(e.number),
                goal=e.goal,
                begin_s=e.begin_s,
                end_s=e.end_s,
                verdict=e.verdict,
                spark=spark(e.values),
                camera=e.camera,
            )
            for e in self._episodes
        ]

    @staticmethod
    def _joins(now: _Episode, camera: str, goal_id: str, sample: Sample) -> bool:
        """Whether the first picture of another camera belongs to the episode that runs."""
        near = abs(sample.t - now.begin_s) <= TOGETHER_S
        return near and camera not in now.cameras and goal_id == now.goal_id


def spark(values: list[float]) -> list[float]:
    """At most 40 of some values, evenly spread, the last among them."""
    if len(values) <= SPARK_POINTS:
        return [round(v, 4) for v in values]
    return [round(values[round(i)], 4) for i in np.linspace(0, len(values) - 1, SPARK_POINTS)]
