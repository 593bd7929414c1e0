# SPDX-License-Identifier: Apache-2.0
"""Bags of a robot that was told goals, scored by nobody but with the messages that the nodes would send."""

from __future__ import annotations

import cv2
import numpy as np

from liv_model.bag_writer import BagWriter
from liv_model.bags import message_types

START_NS = 1_700_000_000 * 10**9
RATE_HZ = 20.0
VERDICTS = {"success": 1, "failure": 2, "discard": 3}


class Robot:
    """Writes a bag as its clock goes on.

    Args:
        path: of the bag.
        cameras: name to topic; a topic that ends in "compressed" holds JPEG.
        rewards: whether the cameras are scored.
        offset_ns: how much later the clock of the recorder is than that of the cameras.
        goals: how many it has been told before, as ids of goals count.
    """

    def __init__(self, path, cameras=None, *, rewards=True, offset_ns=0, goals=0):
        self.bag = BagWriter(path)
        self.cameras = cameras or {"camera": "/camera/image/compressed"}
        self.rewards, self.offset_ns = rewards, offset_ns
        self.now_ns = START_NS
        self.goal_id, self._goals, self._steps = "", goals, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bag.close()

    def publish(self, topic, msgtype, **fields):
        types = message_types()
        given = types.types[msgtype]
        self.bag.write(topic, msgtype, self.now_ns, bytes(types.serialize_cdr(given(**fields), msgtype)))

    def header(self, stamp_ns=None):
        types, stamp_ns = message_types().types, self.now_ns if stamp_ns is None else stamp_ns
        stamp = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        return types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")

    def goal(self, text, *, activation="a", goal_id=None, topic="/liv/active_goal"):
        if goal_id is None:
            self._goals += 1
            self.now_ns += 10**6
            goal_id = f"goal{self._goals}"
        self.goal_id, self._steps = goal_id, {}
        goal = message_types().types["liv_ros/msg/Goal"]
        self.publish(
            topic,
            "liv_ros/msg/ActiveGoal",
            goal=goal(header=self.header(), id=goal_id, text=text, image=self.image(np.zeros((0, 0, 3), np.uint8))),
            model="test@0",
            activation=activation,
            embedding=np.zeros(8, np.float32),
            familiarity=1.0,
            cameras=[],
            first_sequence=np.zeros(0, np.uint64),
            value_at_start=0.0,
            value_at_goal=1.0,
            stall_s=0.0,
            hold_s=0.0,
            success_progress=0.0,
            nearest=[],
            nearest_familiarity=np.zeros(0, np.float32),
            message="",
        )

    def image(self, rgb, stamp_ns=None):
        return message_types().types["sensor_msgs/msg/Image"](
            header=self.header(stamp_ns),
            height=rgb.shape[0],
            width=rgb.shape[1],
            encoding="rgb8",
            is_bigendian=0,
            step=3 * rgb.shape[1],
            data=np.ascontiguousarray(rgb).ravel(),
        )

    def reset(self):
        self._steps = {}

    def show(self, rgb, *, stamp_ns=None, score=None):
        """One tick: every camera sees this."""
        self.now_ns += round(10**9 / RATE_HZ)
        stamp_ns = self.now_ns - self.offset_ns if stamp_ns is None else stamp_ns
        for topic in self.cameras.values():
            if topic.endswith("compressed"):
                jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].ravel()
                kind = "sensor_msgs/msg/CompressedImage"
                self.publish(topic, kind, header=self.header(stamp_ns), format="jpeg", data=jpeg)
            else:
                self.publish(topic, "sensor_msgs/msg/Image", **vars(self.image(rgb, stamp_ns)))
        if self.rewards and self.goal_id and score is not False:
            self.now_ns += 10**6
            for camera in self.cameras:
                self.score(camera, stamp_ns)

    def score(self, camera, stamp_ns):
        step = self._steps.get(camera, 0)
        self._steps[camera] = step + 1
        self.publish(
            f"/liv/{camera}/reward",
            "liv_ros/msg/Reward",
            header=self.header(stamp_ns),
            camera=camera,
            goal_id=self.goal_id,
            model="test@0",
            step=step,
            is_first=step == 0,
            value=0.5,
            reward=0.0,
            progress=0.5,
        )

    def verdict(self, word, goal_id=None):
        self.publish(
            "/liv/verdict",
            "liv_ros/msg/Verdict",
            header=self.header(),
            goal_id=self.goal_id if goal_id is None else goal_id,
            verdict=VERDICTS.get(word, 0),
        )

    def attempt(self, text, frames, verdict="success"):
        self.goal(text)
        for frame in frames:
            self.show(frame)
        if verdict:
            self.verdict(verdict)
