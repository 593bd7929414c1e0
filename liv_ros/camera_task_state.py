# SPDX-License-Identifier: Apache-2.0
"""The task state of one camera: its detector, what was last told, and when it is time to tell again."""

from __future__ import annotations

import math

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from liv_model.task_state import TaskState, TaskStateDetector, TaskStateSample
from liv_ros.messages import stamp_ns
from liv_ros.msg import ActiveGoal, Reward
from liv_ros.msg import TaskState as TaskStateMessage

NO_GOAL = TaskStateSample(TaskState.IDLE, math.nan, math.nan, "idle: no goal")


class CameraTaskState:
    """Judges the rewards of one camera for one goal. Times are seconds of a steady clock.

    Args:
        goal: the active one; None for none.
        detector: of that goal.
        blind_s: without a reward for longer than this, the camera is blind.
        now_s: when the goal came.

    Attributes:
        sample: how the task goes.
        header: of the picture that was judged; None where there is none.
    """

    def __init__(self, goal: ActiveGoal | None, detector: TaskStateDetector | None, blind_s: float, now_s: float):
        self._goal, self._detector, self._blind_s = goal, detector, blind_s
        self._seen_s = now_s
        self._told: tuple[TaskState, float] | None = None  # state, and when it was told
        self.sample = detector.sample if detector is not None else NO_GOAL
        self.header: Header | None = None

    @property
    def goal_id(self) -> str:
        """Id of the active goal; empty without one."""
        return self._goal.goal.id if self._goal is not None else ""

    def take(self, reward: Reward, now_s: float) -> bool:
        """Judge a reward; False for one that is not of the active goal."""
        goal = self._goal
        if self._detector is None or reward.goal_id != goal.goal.id or reward.model != goal.model:
            return False
        self._seen_s, self.header = now_s, reward.header
        self.sample = self._detector.update(stamp_ns(reward.header), reward.value, reward.progress, reward.is_first)
        return True

    def look(self, now_s: float) -> None:
        """Notice that no reward comes."""
        missing_s = now_s - self._seen_s
        if self._detector is not None and missing_s > self._blind_s:
            self.sample, self.header = self._detector.blind(missing_s), None

    def is_due(self, now_s: float, every_s: float) -> bool:
        """Whether the state has changed since it was told, or was told ``every_s`` ago."""
        return self._told is None or self._told[0] != self.sample.state or now_s - self._told[1] >= every_s

    def tell(self, camera: str, stamp: Time, now_s: float) -> TaskStateMessage:
        """The message to publish now; ``stamp`` is that of a judgement without a picture."""
        self._told = (self.sample.state, now_s)
        return TaskStateMessage(
            header=self.header or Header(stamp=stamp),
            camera=camera,
            goal_id=self.goal_id,
            state=int(self.sample.state),
            progress=self.sample.progress,
            rate=self.sample.rate,
            message=self.sample.message,
        )
