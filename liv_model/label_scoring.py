# SPDX-License-Identifier: Apache-2.0
"""The rewards of a recording: reward_node's rules over all cameras, on messages of a bag in place of DDS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from liv_model.admission import NO_GOAL, OUT_OF_ORDER, Admission
from liv_model.label_messages import AnnouncedGoal, SeenEmbedding
from liv_model.reward import RewardSample, RewardStream


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
        self._streams: dict[str, tuple[Admission, RewardStream]] = {}
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
        sample, cause = self._sample(seen, camera)
        if sample is None:
            self.dropped[cause] += 1
        else:
            self.rewards[camera] += 1
        return sample

    def _sample(self, seen: SeenEmbedding, camera: str) -> tuple[RewardSample | None, str | None]:
        if self.goal is None:
            return None, NO_GOAL
        admission, stream = self._streams.get(camera) or self._begin_stream(self.goal, camera)
        if (cause := admission.refusal(seen, seen.vector)) is not None:
            return None, cause
        if self._episodes and (camera, seen.stamp_ns) in self._episodes:
            stream.reset()
        return stream.update(seen.vector, seen.stamp_ns), OUT_OF_ORDER

    def _begin_stream(self, goal: AnnouncedGoal, camera: str) -> tuple[Admission, RewardStream]:
        first = goal.first_sequence.get(camera, 0)
        admission = Admission(camera, goal.model, goal.activation, first, len(goal.vector))
        stream = RewardStream(goal.vector, goal.calibration, smoothing_s=self._smoothing_s)
        self._streams[camera] = admission, stream
        return admission, stream
