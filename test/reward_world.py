# SPDX-License-Identifier: Apache-2.0
"""Encoder, reward node and consumer without DDS: the worker and the rewards are the real ones, and every topic is a
queue that a test hands on when it likes."""

from __future__ import annotations

import threading
from array import array
from collections import defaultdict, deque
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np

from liv_model.calibration import Calibration
from liv_model.errors import ImageError
from liv_model.worker import EncoderWorker, PendingFrame
from proofs.rules import Rules

CAMERAS = ("left", "right")
WITHIN_S = 20.0


class DoubleEncoder:
    """Embeds a frame of one number; can be held up in the midst of a batch."""

    def __init__(self, model: str, dim: int):
        self.model, self.dim = model, dim
        self.is_open = threading.Event()
        self.is_open.set()
        self.entered = threading.Event()

    def encode_images(self, frames):
        self.entered.set()
        assert self.is_open.wait(WITHIN_S)
        return np.stack([unit(int(number), self.dim) for number in frames[:, 0]])

    def close(self):
        pass


def unit(seed: int, dim: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _bad():
    raise ImageError("image", expected="a picture", got="noise")


class World:
    """Everything between a camera and a consumer.

    Attributes:
        rules: what the consumer checks.
        to_reward, to_consumer: messages on their way, by topic.
    """

    def __init__(self, *, may_miss: bool, smoothing_s: float = 0.0, rewards: type | None = None):
        from liv_ros.camera_rewards import CameraRewards

        self.rules = Rules(may_miss=may_miss, smoothed=smoothing_s > 0)
        self._smoothing_s = smoothing_s
        self.to_reward, self.to_consumer = defaultdict(deque), defaultdict(deque)
        self._make_rewards = rewards or CameraRewards
        self._numbers = iter(range(10**9))
        self._now_ns = dict.fromkeys(CAMERAS, 10**12)
        self._active = None
        self._accepted = None
        self._asked = {}
        self.model = DoubleEncoder("m@0", 3)
        self._begin_encoder()
        self.begin_reward_node()

    # what happens ----------------------------------------------------------------------------------------------------

    def frame(self, camera, advance_ns, good):
        self._now_ns[camera] += advance_ns
        number = next(self._numbers)
        header = self._header(self._now_ns[camera], f"{camera} {number}")
        self.rules.picture(camera, header, good=good)
        self._worker.offer(camera, PendingFrame((lambda: np.array([number])) if good else _bad, header))
        self._settle()

    def goal(self):
        goal_id = f"goal {len(self._asked)}"
        self._asked[goal_id] = next(self._numbers)
        self.rules.ask(goal_id)

        def job():
            self._accepted = goal_id
            self._publish_goal()

        self._worker.submit(job)
        self._settle()

    def reset(self):
        self.rules.reset()
        for rewards in self._rewards.values():
            rewards.reset()

    def swap(self, dim):
        """Another model between two frames, as encoder_node takes one into use."""
        model = DoubleEncoder(f"m@{next(self._numbers)}", dim)
        held = self.model

        def job():
            self.model = model
            self._activation = f"activation {next(self._numbers)}"
            self._worker.begin_anew(model)
            if self._accepted is not None:
                self._publish_goal()

        self._worker.submit(job)
        if held.is_open.is_set():
            self._settle()

    def hold(self, camera):
        """A slow device: a frame is in it, and what comes waits, until :meth:`let_go`."""
        if not self.model.is_open.is_set():
            return
        self.model.entered.clear()
        self.model.is_open.clear()
        self._held = self.model
        self.frame(camera, 10**7, True)
        assert self.model.entered.wait(WITHIN_S)

    def let_go(self):
        if self._held is not None:
            self._held.is_open.set()
            self._held = None
        self._settle()

    def respawn_encoder(self):
        """Killed: what waited in it is gone; it comes back with the goal that was active last."""
        self.let_go()
        self._worker.close()
        self._begin_encoder()
        if self._accepted is not None:
            self._worker.submit(self._publish_goal)
        self._settle()

    def begin_reward_node(self):
        """It begins, or is killed and begins anew: what was on its way is gone, and the latched goal comes."""
        self.rules.reset()
        self._rewards, self._deliver = {}, {}
        for camera in CAMERAS:
            node = MagicMock()
            node.declare_parameter.side_effect = lambda name, *_: SimpleNamespace(value=self._smoothing_s)
            self._rewards[camera] = self._make_rewards(node, camera, 0.5)
            node.create_publisher.return_value.publish.side_effect = self.to_consumer[f"{camera}/reward"].append
            self._deliver[f"{camera}/embedding"] = node.create_subscription.call_args.args[2]
        self.to_reward.clear()
        if self._active is not None:
            self.to_reward["active_goal"].append(self._active)

    def hand_on(self, topic, count):
        """Messages of a topic reach the reward node, and those to the consumer the consumer."""
        for _ in range(min(count, len(self.to_reward[topic]))):
            message = self.to_reward[topic].popleft()
            self._take_up(message) if topic == "active_goal" else self._deliver[topic](message)
        hear = {"goal": self.rules.goal, "embedding": self.rules.embedding, "reward": self.rules.reward}
        for _ in range(min(count, len(self.to_consumer[topic]))):
            hear[topic.split("/")[-1].removeprefix("active_")](self.to_consumer[topic].popleft())

    def lose(self, topic, at_consumer):
        queue = (self.to_consumer if at_consumer else self.to_reward)[topic]
        if queue:
            queue.popleft()

    def close(self):
        """All that is on its way arrives; returns the violations."""
        self.let_go()
        self._worker.close()
        for topic in TOPICS:  # goals first: what was accepted last counts
            self.hand_on(topic, 10**6)
        return self.rules.close()

    def stop(self):
        """Leave no thread behind."""
        if self._held is not None:
            self._held.is_open.set()
        self._worker.close()

    # ------------------------------------------------------------------------------------------------------------------

    def _begin_encoder(self):
        self._held = None
        self._activation = f"activation {next(self._numbers)}"
        self._worker = EncoderWorker(self.model, self._on_embedding, lambda camera, error: None)

    def _settle(self):
        """Wait for the device to have done all that it was given, unless it is held up."""
        if self._held is None:
            self._worker.submit(lambda: None).result(WITHIN_S)

    def _header(self, stamp_ns, frame_id):
        from std_msgs.msg import Header

        header = Header(frame_id=frame_id)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
        return header

    def _publish(self, topic, message):
        self.to_reward[topic].append(message)
        self.to_consumer[topic].append(message)

    def _publish_goal(self):
        from liv_ros.msg import ActiveGoal

        first = self._worker.first_sequence()
        vector = unit(self._asked[self._accepted], self.model.dim)
        active = ActiveGoal(
            model=self.model.model,
            activation=self._activation,
            embedding=array("f", vector),
            cameras=list(first),
            first_sequence=array("Q", first.values()),
            value_at_start=-1.0,
            value_at_goal=1.0,
        )
        active.goal.id = self._accepted
        self._active = active
        self._publish("active_goal", active)

    def _take_up(self, active):
        for rewards in self._rewards.values():
            rewards.begin(active, Calibration(active.value_at_start, active.value_at_goal))

    def _on_embedding(self, camera, header, sequence, vector):
        from liv_ros.messages import embedding_message

        message = embedding_message(header, camera, self.model.model, self._activation, sequence, vector)
        self._publish(f"{camera}/embedding", message)


TOPICS = ("active_goal", *(f"{camera}/embedding" for camera in CAMERAS), *(f"{camera}/reward" for camera in CAMERAS))
