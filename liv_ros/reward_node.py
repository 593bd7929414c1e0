# SPDX-License-Identifier: Apache-2.0
"""reward_node: embeddings and the active goal in, rewards out. Arithmetic on small vectors; holds no model."""

from __future__ import annotations

import sys

import numpy as np
from rclpy.node import Node
from std_srvs.srv import Trigger

from liv_ros.camera_rewards import CameraRewards
from liv_ros.diagnostics import OK, WARN, Diagnostics
from liv_ros.messages import LATCHED_QOS
from liv_ros.msg import ActiveGoal
from liv_ros.operator_calibration import OperatorCalibration
from liv_ros.parameters import camera_names, parameter
from liv_ros.run import run_node


class RewardNode(Node):
    """Scores every camera's embeddings against the active goal."""

    def __init__(self) -> None:
        super().__init__("reward_node")
        jitter_s = parameter(
            self,
            "stamp_jitter_s",
            0.5,
            "stamps up to this far back (s) are dropped as out of order, larger steps back begin a new episode",
            least=0.0,
            most=60.0,
        )
        self._goal: ActiveGoal | None = None
        # before the embeddings: of what waits at the same time, the executor hands on the goal first
        self.create_subscription(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        self._cameras = {name: CameraRewards(self, name, jitter_s) for name in camera_names(self)}
        self._calibration = OperatorCalibration(self, self._cameras)
        self.create_service(Trigger, "reset", self._on_reset)
        self._diagnostics = Diagnostics(self, self._health)

    def _on_goal(self, goal: ActiveGoal) -> None:
        """Begin an episode on every camera; an empty id ends the last one."""
        if len(goal.cameras) != len(goal.first_sequence) or not np.isfinite(goal.embedding).all():
            self.get_logger().error("active_goal refused: expected as many first_sequence as cameras, finite numbers")
            return
        self._goal = goal if goal.goal.id else None
        for name, camera in self._cameras.items():
            if self._goal is None:
                camera.end()
            else:
                camera.begin(goal, self._calibration.of(goal, name))

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        for camera in self._cameras.values():
            camera.reset()
        response.success = self._goal is not None
        response.message = "" if response.success else "no goal is active; set one first"
        return response

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        goal = self._goal
        values: dict[str, object] = {
            "goal": goal.goal.id if goal else "none",
            "goal in words": (goal.goal.text or "an image") if goal else "none",
            "model": goal.model if goal else "none",
            "activation": goal.activation if goal else "none",
        }
        problems = [] if goal else ["no goal"]
        for camera in self._cameras.values():
            found, told = camera.health()
            problems += found
            values |= told
        return (WARN if problems else OK), "; ".join(problems) or "scoring", values

    def destroy_node(self) -> None:
        """Finish what is being written."""
        self._calibration.close()
        super().destroy_node()


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(RewardNode, argv)


if __name__ == "__main__":
    sys.exit(main())
