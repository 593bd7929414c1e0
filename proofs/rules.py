# SPDX-License-Identifier: Apache-2.0
"""The six rules of docs/semantics.md, checked on what a consumer hears. No ROS: messages are taken by their fields."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs.episodes import Episodes
from proofs.judge import Judge
from proofs.pictures import Pictures
from proofs.recent import Recent

_NORM_TOLERANCE = 1e-5
_VIOLATIONS_KEPT = 100
_STATES, _SUCCEEDED = range(6), 4


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, by its number in docs/semantics.md, and how."""

    rule: int
    what: str


class Rules:
    """Is fed with what producers are about to do and with what a consumer hears; knows what was broken.

    Args:
        may_miss: the consumer may miss messages, as with real transport; gaps are then counted.
        jitter_s: the reward node's ``stamp_jitter_s``.
        smoothed: values are smoothed, and are then not compared with the cosines.

    Attributes:
        violations: what was broken, the first hundred.
        count: of all violations.
    """

    def __init__(self, *, may_miss: bool = False, jitter_s: float = 0.5, smoothed: bool = False):
        self._may_miss, self._jitter_s, self._smoothed = may_miss, jitter_s, smoothed
        self.violations: list[Violation] = []
        self.count = 0
        self._goals: Recent[Any] = Recent(1000)  # by id
        self._last_goal: Any = None
        self._heard: Counter[str] = Counter()  # goals, by id
        self._asked: set[str] = set()
        self._resets = 0
        self._last_sequence: dict[tuple[str, str], int] = {}  # by camera and activation
        self._pictures: dict[str, Pictures] = {}
        self._episodes: dict[str, Episodes] = {}
        self._judges: dict[str, Judge] = {}

    @property
    def gaps(self) -> int:
        """Steps that the consumer missed."""
        return sum(episodes.gaps for episodes in self._episodes.values())

    @property
    def judged(self) -> int:
        """Rewards whose embedding and goal were both heard."""
        return sum(judge.judged for judge in self._judges.values())

    @property
    def unjudged(self) -> int:
        """Rewards that one of them was missed of."""
        return sum(judge.unjudged for judge in self._judges.values())

    # what producers are about to do ----------------------------------------------------------------------------------

    def picture(self, camera: str, header: Any, *, good: bool = True) -> None:
        """A picture will be shown; of a bad one nothing may ever be heard."""
        self._pictures_of(camera).show(header, good)

    def ask(self, goal_id: str) -> None:
        """A goal will be asked for, under a new id; once this was called, no others may become active."""
        self._asked.add(goal_id)

    def reset(self) -> None:
        """A reset will be asked for, or a reward node will begin: an episode may begin for no other reason."""
        self._resets += 1

    # what is heard ---------------------------------------------------------------------------------------------------

    def goal(self, goal: Any) -> None:
        """An ActiveGoal."""
        before, self._last_goal = self._last_goal, goal
        if not goal.goal.id:
            return
        if len(goal.cameras) != len(goal.first_sequence):
            self._tell(2, f"goal {goal.goal.id}: {len(goal.first_sequence)} first_sequence of {len(goal.cameras)}")
        self._check_unit(goal.embedding, f"goal {goal.goal.id}")
        self._check_survival(before, goal)
        self._goals.add(goal.goal.id, goal)
        self._heard[goal.goal.id] += 1
        for judge in self._judges.values():
            judge.go_on()

    def embedding(self, embedding: Any) -> None:
        """An Embedding."""
        what = f"{embedding.camera}, embedding {embedding.sequence} of {embedding.activation}"
        last = self._last_sequence.get((embedding.camera, embedding.activation), -1)
        if embedding.sequence <= last:
            self._tell(2, f"{what} after {last}")
        elif embedding.sequence > last + 1 and not self._may_miss:
            self._tell(2, f"{what}: {last + 1} is missing")
        self._last_sequence[embedding.camera, embedding.activation] = embedding.sequence
        self._check_unit(embedding.data, what)
        self._pictures_of(embedding.camera).embedding(embedding)
        self._judge_of(embedding.camera).embedding(embedding)

    def reward(self, reward: Any) -> None:
        """A Reward."""
        if reward.camera not in self._episodes:
            self._episodes[reward.camera] = Episodes(
                reward.camera, self._tell, may_miss=self._may_miss, jitter_s=self._jitter_s
            )
        self._episodes[reward.camera].follow(reward)
        self._judge_of(reward.camera).reward(reward)

    def task_state(self, state: Any) -> None:
        """A TaskState."""
        what = f"{state.camera}, task state {state.state}"
        if state.state not in _STATES:
            self._tell(1, f"{what}: there is no such state")
        if not (math.isnan(state.progress) or 0 <= state.progress <= 1):
            self._tell(1, f"{what}: progress {state.progress} is neither in [0, 1] nor NaN")
        if state.state == _SUCCEEDED and math.isnan(state.progress):
            self._tell(1, f"{what}: succeeded without a progress")

    def close(self) -> list[Violation]:
        """Nothing more will be heard; returns what was broken."""
        for judge in self._judges.values():
            judge.close()
        if not self._may_miss:
            self._check_reasons()
        return self.violations

    # -----------------------------------------------------------------------------------------------------------------

    def _tell(self, rule: int, what: str) -> None:
        self.count += 1
        if len(self.violations) < _VIOLATIONS_KEPT:
            self.violations.append(Violation(rule, what))

    def _pictures_of(self, camera: str) -> Pictures:
        return self._pictures.setdefault(camera, Pictures(camera, self._tell))

    def _judge_of(self, camera: str) -> Judge:
        if camera not in self._judges:
            self._judges[camera] = Judge(
                camera, self._tell, self._goals.of, may_miss=self._may_miss, smoothed=self._smoothed
            )
        return self._judges[camera]

    def _check_unit(self, vector: Any, what: str) -> None:
        norm = float(np.linalg.norm(np.asarray(vector, np.float64)))
        if not abs(norm - 1) <= _NORM_TOLERANCE:
            self._tell(5, f"{what}: its length is {norm}, not 1")

    def _check_survival(self, before: Any, goal: Any) -> None:
        """Rule 6: a new activation takes up the last goal, or one that was asked for meanwhile."""
        if not self._asked:
            return
        new = goal.goal.id
        if new not in self._asked:
            self._tell(6, f"goal {new} was never asked for")
        is_restored = before is not None and before.goal.id and before.activation != goal.activation
        if is_restored and new != before.goal.id and self._heard[new] and not self._may_miss:
            self._tell(6, f"goal {before.goal.id} did not survive: {new} is active again")

    def _check_reasons(self) -> None:
        """Episodes begin when a goal is taken up, at a reset, and for no reason but those that show in the rewards."""
        for camera, episodes in self._episodes.items():
            for goal_id, begun in episodes.begun.items():
                most = self._heard[goal_id] + self._resets
                if begun > most:
                    self._tell(4, f"{camera}: {begun} episodes of goal {goal_id}, which has reasons for {most}")
