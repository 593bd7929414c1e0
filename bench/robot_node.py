# SPDX-License-Identifier: Apache-2.0
"""All that a robot with LIV publishes, for the benchmark of the recorder: cameras, and their traces, at a rate."""

from __future__ import annotations

import json
import sys
import threading
import time
from array import array

import numpy as np
from liv_ros.msg import ActiveGoal, Embedding, Reward, TaskState
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from bench.camera_node import PICTURES, prepared
from liv_ros.messages import LATCHED_QOS, STREAM_QOS
from liv_ros.parameters import parameter
from liv_ros.run import run_node

TRACES = {"embedding": Embedding, "reward": Reward, "task_state": TaskState}
_DRAIN_S = 2.0


def picture_topic(camera: str) -> str:
    """Of a camera's JPEG pictures."""
    return f"{camera}/image_raw/compressed"


class RobotNode(Node):
    """Publishes ``count`` pictures of every camera, each with its traces, once all topics have a subscriber."""

    def __init__(self) -> None:
        super().__init__("robot_node")
        cameras = parameter(self, "cameras", ["front", "wrist"], "names")
        video = parameter(self, "video", "", "recording whose pictures to show")
        size = (
            parameter(self, "width", 640, "pixels", least=8, most=8192),
            parameter(self, "height", 480, "pixels", least=8, most=8192),
        )
        dim = parameter(self, "dim", 256, "numbers of an embedding", least=1, most=65536)
        self._rate_hz = parameter(self, "rate_hz", 30.0, "pictures per second", least=0.1, most=1000.0)
        self._count = parameter(self, "count", 30, "how many", least=1, most=1_000_000)
        self._pictures = prepared(video, size, "compressed")
        self._vector = array("f", np.full(dim, dim**-0.5, np.float32).tobytes())
        self._goal = self.create_publisher(ActiveGoal, "active_goal", LATCHED_QOS)
        self._outputs = {
            camera: {
                "picture": self.create_publisher(CompressedImage, picture_topic(camera), QoSProfile(depth=10)),
                **{name: self.create_publisher(kind, f"{camera}/{name}", STREAM_QOS) for name, kind in TRACES.items()},
            }
            for camera in cameras
        }
        self._stop = threading.Event()
        self.ended = Future()
        self._thread = threading.Thread(target=self._play, name="robot", daemon=True)
        self._thread.start()

    def _play(self) -> None:
        publishers = [publisher for outputs in self._outputs.values() for publisher in outputs.values()]
        while not self._stop.is_set() and not all(publisher.get_subscription_count() for publisher in publishers):
            time.sleep(0.02)
        self._goal.publish(ActiveGoal())
        begin_s = time.monotonic()
        print(json.dumps({"began": True}), flush=True)
        for number in range(self._count):
            if self._stop.wait(max(0.0, begin_s + number / self._rate_hz - time.monotonic())):
                break
            for camera in self._outputs:
                self._publish(camera, number)
        print(json.dumps({"published": self._count, "seconds": time.monotonic() - begin_s}), flush=True)
        self._stop.wait(_DRAIN_S)  # a publisher that goes at once can take its last messages with it
        self.ended.set_result(None)

    def _publish(self, camera: str, number: int) -> None:
        header = Header(frame_id=camera, stamp=self.get_clock().now().to_msg())
        outputs, picture = self._outputs[camera], self._pictures[number % PICTURES]
        picture.header = header
        outputs["picture"].publish(picture)
        said = {"header": header, "camera": camera}
        outputs["embedding"].publish(Embedding(**said, model="robot@0", sequence=number, data=self._vector))
        outputs["reward"].publish(Reward(**said, model="robot@0", step=number, is_first=not number))
        outputs["task_state"].publish(TaskState(**said))

    def destroy_node(self) -> None:
        """Stop playing."""
        self._stop.set()
        self._thread.join()
        super().destroy_node()


if __name__ == "__main__":
    sys.exit(run_node(RobotNode, ended=lambda node: node.ended))
