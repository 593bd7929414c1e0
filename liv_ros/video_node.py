# SPDX-License-Identifier: Apache-2.0
"""video_node: plays a video, a folder of pictures or a bag as if it were a camera."""

from __future__ import annotations

import sys
import threading
import time
from array import array
from collections.abc import Iterator

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from liv_model.errors import ConfigError, LivError
from liv_model.media import Frame, open_media
from liv_model.reward import NANOSECONDS
from liv_ros.camera_input import TRANSPORTS
from liv_ros.messages import image_message
from liv_ros.parameters import parameter
from liv_ros.run import run_node

JPEG_QUALITY = 90
DRAIN_S = 0.5
HELD_UP_S = 0.02


class VideoNode(Node):
    """Publishes the frames of a recording at their own pace, stamped with the present.

    Attributes:
        ended: done when the recording has been played; its exception is the LivError that broke it off.
    """

    def __init__(self) -> None:
        super().__init__("video_node")
        video = parameter(self, "video", "", "video file, folder of frames or bag")
        bag_topic = parameter(self, "bag_topic", "", "camera topic of a bag that has several; empty = its only one")
        topic = parameter(self, "topic", "camera/image_raw", "topic to publish")
        self._transport = parameter(self, "transport", "raw", "what to publish", choices=TRANSPORTS)
        self._frame_id = parameter(self, "frame_id", "camera", "frame_id of every header")
        self._rate_hz = parameter(self, "rate_hz", 0.0, "frames per second; 0 = as recorded", least=0.0, most=1000.0)
        self._loop = parameter(self, "loop", False, "begin again at the end")
        self._size = (
            parameter(self, "width", 0, "resize to this width (pixels); 0 = as recorded", least=0, most=8192),
            parameter(self, "height", 0, "resize to this height (pixels); 0 = as recorded", least=0, most=8192),
        )
        self._wanted = parameter(self, "wait_for_subscribers", 0, "subscribers to wait for", least=0, most=100)
        if not video:
            raise ConfigError("parameter video", expected="a video file, folder of frames or bag", got="nothing")
        self._media = open_media(video, topic=bag_topic or None, rate_hz=self._rate_hz or 10.0)
        message_type = Image if self._transport == "raw" else CompressedImage
        self._publisher = self.create_publisher(message_type, topic, QoSProfile(depth=10))
        self._stop = threading.Event()
        self.ended = Future()
        self._thread = threading.Thread(target=self._play, name="video", daemon=True)
        self._thread.start()

    def _play(self) -> None:
        """Publish every frame when it is due. The next one is read before the wait, so that its stamp is fresh."""
        try:
            while not self._stop.is_set() and self._publisher.get_subscription_count() < self._wanted:
                time.sleep(0.02)
            count = self._play_once()
            while self._loop and not self._stop.is_set():
                count += self._play_once()
            self.get_logger().info(f"played {count} frames of {self._media.path}")
            self._stop.wait(DRAIN_S)  # a publisher that goes at once can take its last message with it
            self.ended.set_result(None)
        except LivError as error:
            self.ended.set_exception(error)

    def _play_once(self) -> int:
        begin_s = time.monotonic()
        count = 0
        for frame in self._timed(self._media.frames()):
            message = self._message(frame)
            wait_s = begin_s + frame.time_ns / NANOSECONDS - time.monotonic()
            if wait_s < -HELD_UP_S:  # go on at the recording's pace: a camera does not catch up in a burst
                begin_s -= wait_s
            if self._stop.wait(max(0.0, wait_s)):
                break
            message.header.stamp = self.get_clock().now().to_msg()
            self._publisher.publish(message)
            count += 1
        return count

    def _timed(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for index, frame in enumerate(frames):
            time_ns = round(index * NANOSECONDS / self._rate_hz) if self._rate_hz else frame.time_ns
            yield Frame(time_ns, frame.rgb, frame.jpeg)

    def _message(self, frame: Frame) -> Image | CompressedImage:
        header = Header(frame_id=self._frame_id)
        resize = all(self._size)
        rgb = cv2.resize(frame.rgb, self._size, interpolation=cv2.INTER_AREA) if resize else frame.rgb
        if self._transport == "raw":
            return image_message(header, rgb)
        jpeg = frame.jpeg if frame.jpeg and not resize else _jpeg(rgb)
        return CompressedImage(header=header, format="jpeg", data=array("B", jpeg))

    def destroy_node(self) -> None:
        """Stop playing."""
        self._stop.set()
        self._thread.join()
        super().destroy_node()


def _jpeg(rgb: np.ndarray) -> bytes:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(VideoNode, argv, ended=lambda node: node.ended)


if __name__ == "__main__":
    sys.exit(main())
