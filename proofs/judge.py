# SPDX-License-Identifier: Apache-2.0
"""Rule 2: each reward is of an embedding that counts for its goal. Topics are in no common order: rewards wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from proofs.episodes import Tell
from proofs.recent import Recent

VALUE_TOLERANCE = 1e-9
_PATIENCE = 200  # rewards that may wait for what they are of


class Judge:
    """Joins the rewards of one camera with their embeddings and goals.

    Args:
        camera: its name.
        tell: called with the rule that is broken, and how.
        goals_of: the goals that were heard under an id.
        may_miss: whether the consumer may have missed messages.
        smoothed: values are smoothed, and are not compared with the cosines.

    Attributes:
        judged: rewards whose embedding and goal were both heard.
        unjudged: rewards that one of them was missed of.
    """

    def __init__(
        self,
        camera: str,
        tell: Tell,
        goals_of: Callable[[str], list[Any]],
        *,
        may_miss: bool,
        smoothed: bool,
    ):
        self._camera, self._tell, self._goals_of = camera, tell, goals_of
        self._may_miss, self._smoothed = may_miss, smoothed
        self._embeddings: Recent[Any] = Recent(2000)
        self._waiting: deque[Any] = deque()
        self._last: Any = None
        self._activations: set[str] = set()  # that the last reward may be of
        self.judged = self.unjudged = 0

    def embedding(self, embedding: Any) -> None:
        """An embedding of this camera was heard."""
        self._embeddings.add(_key(embedding.header), embedding)
        self.go_on()

    def reward(self, reward: Any) -> None:
        """A reward of this camera was heard."""
        self._waiting.append(reward)
        self.go_on()

    def go_on(self, *, patience: int = _PATIENCE) -> None:
        """Judge the rewards, oldest first, until one must wait for what is still to come."""
        while self._waiting:
            reward = self._waiting[0]
            pairs = self._pairs(reward)
            found = {embedding.activation for embedding, goal in pairs if self._counts(reward, embedding, goal)}
            if not found and len(self._waiting) <= patience:
                return
            self._waiting.popleft()
            if pairs:
                self.judged += 1
                self._check(reward, found)
            else:
                self._give_up(reward)

    def close(self) -> None:
        """Nothing more will be heard."""
        self.go_on(patience=0)

    def _pairs(self, reward: Any) -> list[tuple[Any, Any]]:
        """Embeddings of the reward's picture, each with a goal of its id, if of one model and one activation."""
        return [
            (embedding, goal)
            for embedding in self._embeddings.of(_key(reward.header))
            for goal in self._goals_of(reward.goal_id)
            if (embedding.model, embedding.activation) == (goal.model, goal.activation)
            and embedding.model == reward.model
        ]

    def _counts(self, reward: Any, embedding: Any, goal: Any) -> bool:
        """Whether the embedding counts for the goal, and the reward's value is their cosine."""
        first = dict(zip(goal.cameras, goal.first_sequence, strict=False)).get(self._camera, 0)
        if embedding.camera != self._camera or embedding.sequence < first:
            return False
        if self._smoothed:
            return True
        seen, wanted = np.asarray(embedding.data, np.float64), np.asarray(goal.embedding, np.float64)
        if seen.shape != wanted.shape:
            return False
        return abs(float(np.clip(seen @ wanted, -1, 1)) - reward.value) <= VALUE_TOLERANCE

    def _check(self, reward: Any, found: set[str]) -> None:
        what = f"{self._camera}, step {reward.step} for goal {reward.goal_id}"
        if not found:
            self._tell(2, f"{what}: of no embedding that counts for this goal")
        elif self._goes_on(reward) and not (found & self._activations or self._may_miss):
            self._tell(2, f"{what}: of another activation than the step before")
        self._last, self._activations = reward, found

    def _goes_on(self, reward: Any) -> bool:
        """Whether this is the next step of the episode of the last reward that was judged."""
        last = self._last
        return last is not None and not reward.is_first and reward.step == last.step + 1 and bool(self._activations)

    def _give_up(self, reward: Any) -> None:
        self.unjudged += 1
        self._last = None
        if not self._may_miss:
            what = f"{self._camera}, step {reward.step} for goal {reward.goal_id!r}"
            self._tell(2, f"{what}: of no embedding and goal of one model and activation")


def _key(header: Any) -> tuple[int, int, str]:
    return header.stamp.sec, header.stamp.nanosec, header.frame_id
