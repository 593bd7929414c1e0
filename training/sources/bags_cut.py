# SPDX-License-Identifier: Apache-2.0
"""Where episodes begin and end in a bag, by goal, ``is_first`` and verdict. Times are those of the recording."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from training.sources.bags_scan import GoalEvent, Look, RewardEvent, VerdictEvent

SUCCESS, FAILURE, DISCARD = 1, 2, 3
_LATE_STEPS = 30  # a recorder that finds a topic a second late has not missed the beginning

_log = logging.getLogger(__name__)


@dataclass
class Attempt:
    """One attempt at one goal, seen by any number of cameras.

    Attributes:
        goal_id: of the goal.
        text: of the goal; "" for a picture.
        begin_ns: recording time of its first picture.
        end_ns: of what came after it; None where it ran to the end of the bag.
        verdict: as in liv_ros/msg/Verdict; 0 = none.
        is_whole: whether its beginning was recorded.
    """

    goal_id: str
    text: str
    begin_ns: int
    end_ns: int | None = None
    verdict: int = 0
    is_whole: bool = True


def cut(look: Look) -> list[Attempt]:
    """The attempts of a bag, in order.

    A goal that comes into force begins one; so does ``is_first``, where it is not due to a new goal or a new
    activation of the encoder, through which an attempt goes on. A verdict ends the attempt that runs, or is said of
    the last one of its goal; the end of the goal ends it too.
    """
    cutter = _Cutter(look)
    events = sorted([*look.goals, *look.rewards, *look.verdicts], key=lambda event: event.recorded_ns)
    for event in events:
        if isinstance(event, GoalEvent):
            cutter.on_goal(event)
        elif isinstance(event, RewardEvent):
            cutter.on_reward(event)
        else:
            cutter.on_verdict(event)
    return cutter.attempts


class _Cutter:
    def __init__(self, look: Look):
        self._look = look
        self.attempts: list[Attempt] = []
        self._running: Attempt | None = None
        self._goal = GoalEvent(0, "", "", "")
        self._seen: set[str] = set()  # cameras whose rewards under this goal and activation have begun
        self._goes_on: set[str] = set()  # cameras whose next is_first begins no attempt
        self._is_fresh = False  # no reward of the attempt has been seen

    def on_goal(self, goal: GoalEvent) -> None:
        """Begin an attempt, unless it is the goal that is there, said again."""
        before, self._goal = self._goal, goal
        if goal.goal_id and goal.goal_id == before.goal_id:
            if goal.activation != before.activation:
                self._goes_on |= self._seen
            return
        self._end(goal.recorded_ns)
        self._seen, self._goes_on = set(), set()
        if goal.goal_id:
            self._begin(goal.recorded_ns)

    def on_reward(self, reward: RewardEvent) -> None:
        """Find the first picture of an attempt, or begin another one."""
        if reward.goal_id != self._goal.goal_id:
            return
        camera, is_first = reward.camera, reward.is_first
        if is_first and camera in self._goes_on:
            self._goes_on.remove(camera)
        elif is_first and camera in self._seen:
            begin_ns = self._picture_ns(reward)
            self._end(begin_ns)
            self._goes_on = self._seen - {camera}  # a reset is told by each camera's next reward
            self._begin(begin_ns)
        elif self._is_fresh and self._running is not None:
            if is_first:
                self._running.begin_ns = max(self._running.begin_ns, self._picture_ns(reward))
            self._running.is_whole = reward.step <= _LATE_STEPS
        self._is_fresh = False
        self._seen.add(camera)

    def on_verdict(self, verdict: VerdictEvent) -> None:
        """End the attempt that runs, or say it of the last one of this goal."""
        if verdict.verdict not in (SUCCESS, FAILURE, DISCARD):
            _log.warning("%s: a verdict of %d is none, left out", self._look.path, verdict.verdict)
            return
        meant = [a for a in self.attempts if verdict.goal_id in ("", a.goal_id)]
        if not meant:
            _log.warning("%s: a verdict on goal %s, of which there is nothing", self._look.path, verdict.goal_id)
            return
        meant[-1].verdict = verdict.verdict
        if meant[-1] is self._running:
            self._end(verdict.recorded_ns)

    def _begin(self, begin_ns: int) -> None:
        self._running = Attempt(self._goal.goal_id, self._goal.text, begin_ns)
        self.attempts.append(self._running)
        self._is_fresh = True

    def _end(self, end_ns: int) -> None:
        if self._running is not None:
            self._running.end_ns = max(end_ns, self._running.begin_ns)
        self._running = None

    def _picture_ns(self, reward: RewardEvent) -> int:
        """When the picture of a reward was recorded; where it is not in the bag, when the reward was."""
        times = []
        for pictures in self._look.pictures.values():
            until = int(np.searchsorted(pictures.recorded_ns, reward.recorded_ns, "right"))
            found = np.flatnonzero(pictures.stamp_ns[:until] == reward.stamp_ns)
            times += [int(pictures.recorded_ns[found[-1]])] if len(found) else []
        return min(times, default=reward.recorded_ns)
