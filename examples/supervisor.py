#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Supervises a task by its task state: sets the goal, waits, and aborts when the task stalls or goes back.

Exit code: 0 succeeded, 1 aborted, 2 a mistake, 3 out of time. Give --abort-service to have a std_srvs/Trigger service
of your robot called when the task is aborted. Run it with the nodes running (ros2 launch liv_ros reward.launch.py):

    python3 examples/supervisor.py "open the drawer"
    python3 examples/supervisor.py "open the drawer" --camera wrist --timeout-s 60 --abort-service /arm/stop
"""

from __future__ import annotations

import argparse
import sys
import time

import rclpy
from liv_ros.msg import Goal, TaskState
from liv_ros.srv import SetGoal
from rclpy.node import Node
from std_srvs.srv import Trigger

SUCCEEDED, ABORTED, MISTAKE, OUT_OF_TIME = 0, 1, 2, 3


class Supervisor(Node):
    """Hears the task states of one camera for the goal that it has set."""

    def __init__(self, camera: str, lost_s: float):
        super().__init__("supervisor")
        self._lost_s = lost_s
        self.goal_id = ""
        self.state: TaskState | None = None
        self._heard = self._since = time.monotonic()
        self.create_subscription(TaskState, f"{camera}/task_state", self._on_state, 10)
        self._set_goal = self.create_client(SetGoal, "set_goal")

    def set_goal(self, text: str, timeout_s: float) -> str:
        """Set the goal in words; returns why it was refused, "" when it was not."""
        if not self._set_goal.wait_for_service(timeout_sec=timeout_s):
            return f"no service {self._set_goal.srv_name}: is encoder_node running, in this namespace?"
        future = self._set_goal.call_async(SetGoal.Request(goal=Goal(text=text)))
        rclpy.spin_until_future_complete(self, future, timeout_sec=timeout_s)
        if not future.done() or future.result() is None:
            return "set_goal did not answer"
        answer = future.result()
        if answer.message:
            self.get_logger().warning(answer.message)  # such as: unfamiliar, so success cannot be told
        self.goal_id = answer.goal_id
        self._heard = self._since = time.monotonic()
        return "" if answer.accepted else answer.message

    def _on_state(self, state: TaskState) -> None:
        if state.goal_id != self.goal_id:  # of the goal before
            return
        self._heard = time.monotonic()
        if self.state is None or state.state != self.state.state:
            self._since = self._heard
            self.get_logger().info(state.message)
        self.state = state

    def reason_to_abort(self, patience_s: float) -> str:
        """Why the task should be aborted now; "" while it should not.

        No message for ``lost_s`` is a reason too: monitor_node speaks at least once a second.
        """
        now = time.monotonic()
        if now - self._heard > self._lost_s:
            return f"no task state for {self._lost_s} s"
        bad = self.state is not None and self.state.state in (TaskState.STALLED, TaskState.REGRESSING, TaskState.BLIND)
        return self.state.message if bad and now - self._since >= patience_s else ""

    def call(self, service: str, timeout_s: float = 5.0) -> bool:
        """Call a std_srvs/Trigger service; whether it succeeded."""
        client = self.create_client(Trigger, service)
        if not client.wait_for_service(timeout_sec=timeout_s):
            self.get_logger().error(f"no service {service}")
            return False
        future = client.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(self, future, timeout_sec=timeout_s)
        return future.done() and future.result() is not None and future.result().success


def supervise(supervisor: Supervisor, timeout_s: float, patience_s: float) -> tuple[int, str]:
    """Wait for success, a reason to abort, or the end of the time: exit code, and why."""
    deadline = time.monotonic() + timeout_s
    while rclpy.ok() and time.monotonic() < deadline:
        rclpy.spin_once(supervisor, timeout_sec=0.1)
        if supervisor.state is not None and supervisor.state.state == TaskState.SUCCEEDED:
            return SUCCEEDED, supervisor.state.message
        if reason := supervisor.reason_to_abort(patience_s):
            return ABORTED, reason
    return OUT_OF_TIME, f"not done within {timeout_s} s"


def main() -> int:
    """Run the supervisor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goal", help="the task in words")
    parser.add_argument("--camera", default="camera", help="whose task state counts")
    parser.add_argument("--namespace", default="/liv", help="of the nodes")
    parser.add_argument("--timeout-s", type=float, default=120.0, help="the task may take so long")
    parser.add_argument("--patience-s", type=float, default=0.0, help="a bad state has to last so long")
    parser.add_argument("--lost-s", type=float, default=5.0, help="without a task state for so long: abort")
    parser.add_argument("--abort-service", default="", help="std_srvs/Trigger to call when the task is aborted")
    arguments = parser.parse_args()
    rclpy.init(args=["--ros-args", "-r", f"__ns:={arguments.namespace}"])
    supervisor = Supervisor(arguments.camera, arguments.lost_s)
    try:
        if refused := supervisor.set_goal(arguments.goal, timeout_s=30.0):
            print(f"refused: {refused}", file=sys.stderr)
            return MISTAKE
        code, why = supervise(supervisor, arguments.timeout_s, arguments.patience_s)
        if code != SUCCEEDED and arguments.abort_service:
            why += "" if supervisor.call(arguments.abort_service) else f"; {arguments.abort_service} FAILED"
        print({SUCCEEDED: "succeeded", ABORTED: "aborted"}.get(code, "out of time") + f": {why}")
        return code
    except KeyboardInterrupt:
        return 130
    finally:
        supervisor.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
