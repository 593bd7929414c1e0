# SPDX-License-Identifier: Apache-2.0
"""What was last told about one camera: its values of the last seconds and its task state."""

from __future__ import annotations

import math
from collections import deque

from liv_model import task_state
from liv_model.overlay_picture import OverlayNews
from liv_model.reward import NANOSECONDS
from liv_ros.messages import stamp_ns
from liv_ros.msg import Reward, TaskState

_MOST = 10_000


class CameraNews:
    """Collects messages of one camera, in bounded memory.

    Args:
        seconds: how much of the values is kept.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._goal_id = ""
        self.begin("")

    def begin(self, goal_id: str) -> None:
        """A goal is set; "" for none."""
        if goal_id == self._goal_id and goal_id:
            return
        self._goal_id = goal_id
        self._values: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self._progress = math.nan
        self._state: TaskState | None = None

    def on_reward(self, reward: Reward) -> None:
        """Take a reward; those of other goals are passed over."""
        if reward.goal_id != self._goal_id:
            return
        time_s = stamp_ns(reward.header) / NANOSECONDS
        if self._values and time_s <= self._values[-1][0]:
            self._values.clear()  # time stepped back: the bag loops
        if reward.is_first and self._values:
            self._values.append((time_s, math.nan))  # the curve breaks
        self._values.append((time_s, reward.value))
        self._progress = reward.progress
        while self._values[0][0] < time_s - self._seconds:
            self._values.popleft()

    def on_task_state(self, state: TaskState) -> None:
        """Take a task state."""
        if state.goal_id == self._goal_id:
            self._state = state

    def told(self, goal: str) -> OverlayNews:
        """What stands around the next picture."""
        state = self._state
        return OverlayNews(
            goal=goal,
            state=task_state.TaskState(state.state) if state is not None else None,
            # up to a second old: where it was is told by the bar
            message=state.message.partition(", at ")[0] if state is not None else "",
            progress=self._progress,
            time_s=[time_s for time_s, _ in self._values],
            value=[value for _, value in self._values],
        )
