# SPDX-License-Identifier: Apache-2.0
"""The rewards of a recording: reward_node's rules over all cameras, on messages of a bag in place of DDS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from liv_model.label_messages import AnnouncedGoal, SeenEmbedding
from liv_model.reward import RewardSample, RewardStream

NO_GOAL, MALFORMED, FOREIGN = "no goal", "malformed", "another model or activation"
EARLY, OUT_OF_ORDER = "from before the goal", "stamps out of order"


class RecordingRewards:
    """Scores every camera's embeddings against the goal that was announced last.

    Args:
        episodes: camera and stamp (ns) of embeddings that begin an episode, whatever else happens: an operator's
            ``reset`` that was recorded as ``is_first``.
        smoothing_s: see :class:`liv_model.reward.RewardStream`.

    Attributes:
        goal: what is scored against, or None.
        rewards: how many by camera.
        dropped: how many embeddings were not scored, by cause.
    """

    def __init__(self, episodes: Collection[tuple[str, int]] = (), *, smoothing_s: float = 0.0):
        self._episodes, self._smoothing_s = frozenset(episodes), smoothing_s
        self._streams: dict[str, RewardStream] = {}
        self.goal: AnnouncedGoal | None = None
        self.rewards: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def begin(self, goal: AnnouncedGoal) -> None:
        """Begin an episode of a goal on every camera; one without an id ends the last one."""
        self.goal = goal if goal.id else None
        self._streams = {}

    def end(self) -> None:
        """Score nothing until another goal begins."""
        self.goal, self._streams = None, {}

    def score(self, seen: SeenEmbedding, camera: str) -> RewardSample | None:
        """Score one embedding, of the topic of ``camera``; None, and counted, when it may not be scored."""
        cause = self._unfit(seen, camera)
        if cause is None:
            stream = self._streams.get(camera) or self._begin_stream(camera)
            if self._episodes and (camera, seen.stamp_ns) in self._episodes:
                stream.reset()
            sample = stream.update(seen.vector, seen.stamp_ns)
            if sample is not None:
                self.rewards[camera] += 1
                return sample
            cause = OUT_OF_ORDER
        self.dropped[cause] += 1
        return None

    def _begin_stream(self, camera: str) -> RewardStream:
        goal = self.goal
        self._streams[camera] = RewardStream(goal.vector, goal.calibration, smoothing_s=self._smoothing_s)
        return self._streams[camera]

    def _unfit(self, seen: SeenEmbedding, camera: str) -> str | None:
        """Why an embedding may not be scored, as reward_node has it."""
        goal = self.goal
        if goal is None:
            return NO_GOAL
        if seen.model != goal.model or seen.activation != goal.activation:
            return FOREIGN
        if seen.sequence < goal.first_sequence.get(camera, 0):
            return EARLY
        fits = seen.camera == camera and len(seen.vector) == len(goal.vector)
        return None if fits and np.isfinite(seen.vector).all() else MALFORMED
