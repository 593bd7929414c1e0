# SPDX-License-Identifier: Apache-2.0
"""overlay_node: each camera's picture with goal, value curve, progress and state, for RViz, rqt and Foxglove.

Pictures are received and drawn only while somebody subscribes.
"""

from __future__ import annotations

import sys
from array import array

import cv2
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage

from liv_model.errors import ImageError
from liv_model.overlay_picture import draw_overlay
from liv_ros.camera_input import CameraInput, CameraMessage
from liv_ros.camera_news import CameraNews
from liv_ros.diagnostics import OK, WARN, Diagnostics
from liv_ros.messages import LATCHED_QOS, STREAM_QOS
from liv_ros.msg import ActiveGoal, Reward, TaskState
from liv_ros.parameters import camera_names, parameter
from liv_ros.run import run_node

LOOK_EVERY_S = 0.2
WARN_EVERY_S = 10.0
# Reliable, so that every kind of viewer matches; the last alone, so that a slow one sees what is, not what was.
PICTURE_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)


class OverlayNode(Node):
    """Draws what the other nodes tell around what the cameras see."""

    def __init__(self) -> None:
        super().__init__("overlay_node")
        self._width = parameter(self, "width", 640, "of the overlay, pixels; its height follows", least=160, most=3840)
        self._seconds = parameter(self, "curve_s", 20.0, "how much of the curve is shown (s)", least=1.0, most=3600.0)
        self._quality = parameter(self, "jpeg_quality", 80, "of the overlay", least=1, most=100)
        self._counts = {"drawn": 0, "pictures refused": 0}
        self._goal = ""
        self._inputs: dict[str, CameraInput] = {}
        self._outputs: dict[str, Publisher] = {}
        self._news: dict[str, CameraNews] = {}
        self._watched: set[str] = set()
        for name in camera_names(self):
            self._inputs[name] = CameraInput(self, name, self._on_picture)
            self._outputs[name] = self.create_publisher(CompressedImage, f"{name}/overlay", PICTURE_QOS)
            self._news[name] = news = CameraNews(self._seconds)
            self.create_subscription(Reward, f"{name}/reward", news.on_reward, STREAM_QOS)
            self.create_subscription(TaskState, f"{name}/task_state", news.on_task_state, STREAM_QOS)
        self.create_subscription(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        self.create_timer(LOOK_EVERY_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._diagnostics = Diagnostics(self, self._health)

    def _on_goal(self, goal: ActiveGoal) -> None:
        self._goal = goal.goal.text or ("(a picture)" if goal.goal.id else "")
        for news in self._news.values():
            news.begin(goal.goal.id)

    def _look(self) -> None:
        """Subscribe cameras that are looked at, and let go of the others."""
        for name, camera in self._inputs.items():
            is_watched = self._outputs[name].get_subscription_count() > 0
            if is_watched and name not in self._watched:
                camera.open()
                self._watched.add(name)
            elif not is_watched and name in self._watched:
                camera.close()
                self._watched.discard(name)

    def _on_picture(self, camera: CameraInput, message: CameraMessage) -> None:
        try:
            rgb = camera.view()  # of its region of interest, as the model sees it
        except ImageError as error:
            self._counts["pictures refused"] += 1
            self.get_logger().warning(f"{camera.name}: not drawn: {error}", throttle_duration_sec=WARN_EVERY_S)
            return
        news = self._news[camera.name].told(self._goal)
        drawn = draw_overlay(rgb, news, width=self._width, seconds=self._seconds)
        _, data = cv2.imencode(
            ".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, self._quality]
        )
        picture = CompressedImage(header=message.header, format="jpeg", data=array("B", data.tobytes()))
        self._outputs[camera.name].publish(picture)
        self._counts["drawn"] += 1

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        values = {"watched": ", ".join(sorted(self._watched)) or "none", **self._counts}
        if self._counts["pictures refused"] and not self._counts["drawn"]:
            return WARN, "pictures of no kind that can be drawn", values
        return OK, "drawing" if self._watched else "nobody watches", values


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(OverlayNode, argv)


if __name__ == "__main__":
    sys.exit(main())
