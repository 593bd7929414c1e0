# SPDX-License-Identifier: Apache-2.0
"""monitor_node: rewards in, task states out: progressing, stalled, regressing, succeeded, blind or idle."""

from __future__ import annotations

import sys

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from liv_model.bundle import TaskStateThresholds
from liv_model.errors import ConfigError
from liv_model.reward import NANOSECONDS
from liv_model.task_state import (
    BLIND_S,
    DEFAULT_THRESHOLDS,
    UNCALIBRATED_SPAN,
    TaskState,
    TaskStateDetector,
)
from liv_ros.camera_task_state import CameraTaskState
from liv_ros.diagnostics import OK, WARN, Diagnostics
from liv_ros.messages import LATCHED_QOS, STREAM_QOS, calibration_from_message
from liv_ros.msg import ActiveGoal, Reward
from liv_ros.msg import TaskState as TaskStateMessage
from liv_ros.parameters import camera_names, parameter
from liv_ros.run import run_node

LOOK_EVERY_S = 0.1
TELL_EVERY_S = 0.8  # with LOOK_EVERY_S: at least once a second
LONGEST_S = 3600.0


class MonitorNode(Node):
    """Judges every camera's rewards, and tells at every change and at least once a second."""

    def __init__(self) -> None:
        super().__init__("monitor_node")
        self._thresholds = {
            "stall_s": parameter(
                self, "stall_s", 0.0, "a pause of this many s is a stall; 0 = the model's", least=0.0, most=LONGEST_S
            ),
            "hold_s": parameter(
                self, "hold_s", 0.0, "success has to be held for so many s; 0 = the model's", least=0.0, most=LONGEST_S
            ),
            "success_progress": parameter(
                self, "success_progress", 0.0, "progress that is success; 0 = the model's", least=0.0, most=1.0
            ),
        }
        self._blind_s = parameter(
            self, "blind_s", BLIND_S, "without a reward for so many s a camera is blind", least=0.01, most=LONGEST_S
        )
        self._uncalibrated_span = parameter(
            self,
            "uncalibrated_span",
            UNCALIBRATED_SPAN,
            "change of value that counts as the whole way where the goal is not calibrated",
            least=0.001,
            most=2.0,
        )
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        names = camera_names(self)
        self._counts = {"task states": 0, "rewards": 0, "rewards not of the active goal": 0}
        self._goal: ActiveGoal | None = None
        self._states: dict[str, CameraTaskState] = {}
        self._publishers_by_camera = {
            name: self.create_publisher(TaskStateMessage, f"{name}/task_state", STREAM_QOS) for name in names
        }
        self._begin(None)
        self.create_subscription(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        for name in names:
            self.create_subscription(
                Reward, f"{name}/reward", lambda message, name=name: self._on_reward(name, message), STREAM_QOS
            )
        self.create_timer(LOOK_EVERY_S, self._look, clock=self._steady)
        self._diagnostics = Diagnostics(self, self._health)

    def _now_s(self) -> float:
        return self._steady.now().nanoseconds / NANOSECONDS

    def _on_goal(self, goal: ActiveGoal) -> None:
        """Judge anew on every camera; an empty id ends the last goal."""
        self._begin(goal if goal.goal.id else None)

    def _begin(self, goal: ActiveGoal | None) -> None:
        self._goal, now_s = goal, self._now_s()
        for name in self._publishers_by_camera:
            detector = self._detector(goal) if goal is not None else None
            self._states[name] = CameraTaskState(goal, detector, self._blind_s, now_s)
            self._tell(name)

    def _detector(self, goal: ActiveGoal) -> TaskStateDetector:
        def detector(thresholds: TaskStateThresholds) -> TaskStateDetector:
            return TaskStateDetector(
                thresholds,
                calibration=calibration_from_message(goal),
                blind_s=self._blind_s,
                uncalibrated_span=self._uncalibrated_span,
            )

        try:
            return detector(self._thresholds_of(goal))
        except ConfigError as error:
            self.get_logger().error(f"thresholds of active_goal refused: {error}; going on with {DEFAULT_THRESHOLDS}")
            return detector(DEFAULT_THRESHOLDS)

    def _thresholds_of(self, goal: ActiveGoal) -> TaskStateThresholds:
        """Parameters where they are given, else the model's, else our own."""
        return TaskStateThresholds(
            **{
                name: given or getattr(goal, name) or getattr(DEFAULT_THRESHOLDS, name)
                for name, given in self._thresholds.items()
            }
        )

    def _on_reward(self, camera: str, reward: Reward) -> None:
        if self._states[camera].take(reward, self._now_s()):
            self._counts["rewards"] += 1
            self._tell(camera)
        else:
            self._counts["rewards not of the active goal"] += 1

    def _look(self) -> None:
        for camera, state in self._states.items():
            state.look(self._now_s())
            self._tell(camera)

    def _tell(self, camera: str) -> None:
        state, now_s = self._states[camera], self._now_s()
        if not state.is_due(now_s, TELL_EVERY_S):
            return
        message = state.tell(camera, self.get_clock().now().to_msg(), now_s)
        self._publishers_by_camera[camera].publish(message)
        self._counts["task states"] += 1

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        told = {f"{camera} state": state.sample.message for camera, state in self._states.items()}
        values = {"goal": self._goal.goal.id if self._goal else "none", **self._counts, **told}
        if self._goal is None:
            return WARN, "no goal", values
        blind = [camera for camera, state in self._states.items() if state.sample.state == TaskState.BLIND]
        return (WARN, f"blind: {', '.join(blind)}", values) if blind else (OK, "watching", values)


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(MonitorNode, argv)


if __name__ == "__main__":
    sys.exit(main())
