# SPDX-License-Identifier: Apache-2.0
"""A simulated arm as a robot: publishes its camera and what it feels, and does what it is told, step for step.

Out: ``/camera/image/compressed`` (sensor_msgs/CompressedImage, JPEG), ``/arm/state`` (sensor_msgs/JointState: position
of x, y, z in metres and gripper opening in [0, 1]) with the picture's stamp, ``/arm/done`` (std_msgs/Header of each
picture that shows the task done: the simulator's own word, which no other node reads). In: ``/arm/command``
(sensor_msgs/JointState: velocity of x, y, z and gripper in [-1, 1], with the stamp of the picture it answers).

Stamps go by the simulator's time. It waits for the answer to each picture, at most ``patience_s``; without one the arm
holds still.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Header

from liv_model.errors import DataError
from liv_model.reward import NANOSECONDS
from liv_ros.messages import STREAM_QOS, stamp_ns
from liv_ros.parameters import parameter
from liv_ros.run import run_node
from training.imitate_demos import REPEAT
from training.live_scene import ACTION, LiveScene
from training.scene import CONTROL_STEP_S

AXES = ["x", "y", "z", "gripper"]
JPEG_QUALITY = 95
STEP_NS = round(REPEAT * CONTROL_STEP_S * NANOSECONDS)


class SimulatorNode(Node):
    """Steps a scene each time its picture is answered.

    Attributes:
        ended: done after ``steps`` pictures.
    """

    def __init__(self) -> None:
        super().__init__("simulator_node")
        task = parameter(self, "task", "drawer-close", "unversioned Meta-World name")
        seed = parameter(self, "seed", 100_000, "of the scene", least=0)
        size = parameter(self, "size", 224, "side of the pictures, pixels", least=16, most=1024)
        self._left = parameter(self, "steps", 200, "pictures to publish", least=1)
        self._wanted = parameter(self, "wait_for_subscribers", 1, "to the pictures, before the first", least=0)
        patience_s = parameter(self, "patience_s", 2.0, "to wait for an answer, s", least=0.01)
        self._scene = LiveScene(task, seed, size, supersample=False)
        self._stamp_ns, self._asked_ns = self.get_clock().now().nanoseconds, 0
        self._pictures = self.create_publisher(CompressedImage, "/camera/image/compressed", STREAM_QOS)
        self._feelings = self.create_publisher(JointState, "/arm/state", STREAM_QOS)
        self._done = self.create_publisher(Header, "/arm/done", STREAM_QOS)
        self.create_subscription(JointState, "/arm/command", self._on_command, STREAM_QOS)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._patience = self.create_timer(patience_s, self._hold_still, clock=steady)
        self._waiting = self.create_timer(0.05, self._begin, clock=steady)
        self.ended = Future()

    def _begin(self) -> None:
        listeners = self._pictures.get_subscription_count(), self._feelings.get_subscription_count()
        if listeners[0] >= self._wanted and listeners[1] and self.count_publishers("/arm/command"):
            self._waiting.cancel()
            self._show()

    def _show(self) -> None:
        """Publish what is to be seen and felt now."""
        if not self._left:
            if not self.ended.done():
                self.ended.set_result(None)
            return
        self._left -= 1
        self._stamp_ns += STEP_NS
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod(self._stamp_ns, NANOSECONDS)
        encoded, jpeg = cv2.imencode(".jpg", self._scene.picture()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not encoded:
            raise DataError("JPEG encoder of OpenCV", expected="a picture", got="none")
        if self._scene.succeeded:
            self._done.publish(header)
        self._feelings.publish(JointState(header=header, name=AXES, position=self._scene.felt.tolist()))
        self._pictures.publish(CompressedImage(header=header, format="jpeg", data=jpeg.tobytes()))
        self._asked_ns = self._stamp_ns
        self._patience.reset()

    def _on_command(self, command: JointState) -> None:
        action = np.array(command.velocity, np.float32)
        if not self._asked_ns or stamp_ns(command.header) != self._asked_ns:
            return  # of another picture
        if action.shape != (ACTION,) or not np.isfinite(action).all():
            self.get_logger().error(f"/arm/command: expected {ACTION} finite velocities, got {action}")
            return
        self._step(action)

    def _hold_still(self) -> None:
        if self._asked_ns:
            self.get_logger().warning("no answer to the last picture: holding still")
            self._step(np.zeros(ACTION, np.float32))

    def _step(self, action: np.ndarray) -> None:
        self._asked_ns = 0
        self._scene.act(action, REPEAT)
        self._show()


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(SimulatorNode, argv, ended=lambda node: node.ended)


if __name__ == "__main__":
    sys.exit(main())
