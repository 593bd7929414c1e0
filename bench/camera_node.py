# SPDX-License-Identifier: Apache-2.0
"""A camera for the benchmark: a number of prepared pictures at a rate, then it says how it kept it and ends.

Pictures are made before the first is due, so that a turn measures who reads them and not who draws them. Each carries
its number in ``frame_id`` and the time of its publishing as its stamp.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from array import array

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from liv_model.media import open_media
from liv_ros.camera_input import TRANSPORTS
from liv_ros.messages import image_message
from liv_ros.parameters import parameter
from liv_ros.run import run_node

PICTURES = 12
JPEG_QUALITY = 90
_DRAIN_S = 0.5


def prepared(video: str, size: tuple[int, int], transport: str) -> list[Image | CompressedImage]:
    """The first pictures of a recording in a size (width, height), as messages."""
    pictures = itertools.islice(open_media(video).frames(), PICTURES)
    return [_message(cv2.resize(picture.rgb, size), transport) for picture in pictures]


def _message(rgb: np.ndarray, transport: str) -> Image | CompressedImage:
    if transport == "raw":
        return image_message(Header(), rgb)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return CompressedImage(format="jpeg", data=array("B", jpeg.tobytes()))


class CameraNode(Node):
    """Publishes ``count`` pictures at ``rate_hz``, once somebody listens."""

    def __init__(self) -> None:
        super().__init__("camera_node")
        video = parameter(self, "video", "", "recording whose pictures to show")
        topic = parameter(self, "topic", "/camera/image", "topic to publish")
        transport = parameter(self, "transport", "raw", "what to publish", choices=TRANSPORTS)
        self._rate_hz = parameter(self, "rate_hz", 30.0, "pictures per second", least=0.1, most=1000.0)
        self._count = parameter(self, "count", 30, "how many", least=1, most=1_000_000)
        size = (
            parameter(self, "width", 640, "pixels", least=8, most=8192),
            parameter(self, "height", 480, "pixels", least=8, most=8192),
        )
        self._messages = prepared(video, size, transport)
        message_type = Image if transport == "raw" else CompressedImage
        self._publisher = self.create_publisher(message_type, topic, QoSProfile(depth=10))
        self._stop = threading.Event()
        self.ended = Future()
        self._thread = threading.Thread(target=self._play, name="camera", daemon=True)
        self._thread.start()

    def _play(self) -> None:
        while not self._stop.is_set() and not self._publisher.get_subscription_count():
            time.sleep(0.02)
        begin_s = due_s = time.monotonic()
        for number in range(self._count):
            if self._stop.wait(max(0.0, due_s - time.monotonic())):
                break
            message = self._messages[number % len(self._messages)]
            message.header.frame_id = str(number)
            message.header.stamp = self.get_clock().now().to_msg()
            self._publisher.publish(message)
            due_s = max(due_s + 1 / self._rate_hz, time.monotonic())  # held up, it does not catch up in a burst
        print(json.dumps({"published": self._count, "seconds": time.monotonic() - begin_s}), flush=True)
        self._stop.wait(_DRAIN_S)  # a publisher that goes at once can take its last message with it
        self.ended.set_result(None)

    def destroy_node(self) -> None:
        """Stop playing."""
        self._stop.set()
        self._thread.join()
        super().destroy_node()


if __name__ == "__main__":
    sys.exit(run_node(CameraNode, ended=lambda node: node.ended))
