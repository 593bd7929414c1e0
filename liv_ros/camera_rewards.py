# SPDX-License-Identifier: Apache-2.0
"""One camera of reward_node: its embeddings in, its rewards out, and what became of each."""

from __future__ import annotations

import time

import numpy as np
from rclpy.node import Node

from liv_model.admission import CAUSES, NO_GOAL, OUT_OF_ORDER, Admission
from liv_model.calibration import Calibration, ShownValue
from liv_model.errors import ConfigError
from liv_model.rates import LatencyMeter, RateMeter
from liv_model.reward import RewardStream
from liv_ros.messages import STREAM_QOS, reward_message, stamp_ns
from liv_ros.msg import ActiveGoal, Embedding, Reward
from liv_ros.parameters import parameter

SEEN_WITHIN_S = 2.0


class CameraRewards:
    """Scores the embeddings of one camera against the active goal.

    Args:
        node: reward_node; ``<camera>.smoothing_s`` becomes its parameter.
        camera: its name.
        stamp_jitter_s: see :class:`liv_model.reward.RewardStream`.

    Attributes:
        camera: its name.
        goal: what is scored against, or None.
    """

    def __init__(self, node: Node, camera: str, stamp_jitter_s: float):
        self.camera = camera
        self.goal: ActiveGoal | None = None
        self._node = node
        self._counts = {"embeddings received": 0, "embeddings lost in transport": 0, "rewards": 0}
        self._counts.update({f"dropped, {cause}": 0 for cause in CAUSES})
        self._reported = dict(self._counts)
        self._arrivals, self._scored, self._latency = RateMeter(), RateMeter(), LatencyMeter()
        self._jitter_s = stamp_jitter_s
        self._stream: RewardStream | None = None
        self._scale = Calibration()
        self._admission: Admission | None = None
        self._last: tuple[str, int] | None = None  # activation and sequence
        self._scored_s: float | None = None  # when, by the steady clock, since the goal began
        self._smoothing_s = parameter(
            node,
            f"{camera}.smoothing_s",
            0.0,
            "time constant (s) of an exponential moving average of this camera's values; 0 = none",
            least=0.0,
            most=60.0,
            on_change=self._smooth,
        )
        self._publisher = node.create_publisher(Reward, f"{camera}/reward", STREAM_QOS)
        node.create_subscription(Embedding, f"{camera}/embedding", self._on_embedding, STREAM_QOS)

    def begin(self, goal: ActiveGoal, calibration: Calibration) -> None:
        """Begin an episode of a goal with its first embedding."""
        vector = np.asarray(goal.embedding, np.float32)
        options = {"stamp_jitter_s": self._jitter_s, "smoothing_s": self._smoothing_s}
        self.goal, self._stream, self._scale = goal, RewardStream(vector, calibration, **options), calibration
        first = dict(zip(goal.cameras, goal.first_sequence, strict=True)).get(self.camera, 0)
        self._admission = Admission(self.camera, goal.model, goal.activation, first, len(vector))
        self._scored_s = None

    def end(self) -> None:
        """Score nothing until another goal begins."""
        self.goal = self._stream = self._admission = self._scored_s = None
        self._scale = Calibration()

    def reset(self) -> None:
        """Begin a new episode of the goal with the next embedding."""
        if self._stream is not None:
            self._stream.reset()

    def recalibrate(self, calibration: Calibration) -> None:
        """Read progress on another scale from now on."""
        if self._stream is not None:
            self._stream.recalibrate(calibration)
            self._scale = calibration

    def shown(self) -> ShownValue:
        """What the camera sees of the goal now; ConfigError if there is no goal, or no picture of the present."""
        if self._stream is None:
            raise ConfigError("calibrate", expected="an active goal", got="none", remedy="set one first")
        seen = self._stream.shown()
        age_s = None if self._scored_s is None else time.monotonic() - self._scored_s
        if seen is None or age_s is None or age_s > SEEN_WITHIN_S:
            raise ConfigError(
                f"calibrate {self.camera}",
                expected=f"a picture scored within the last {SEEN_WITHIN_S:g} s",
                got="none since the goal was set" if age_s is None else f"none for {age_s:.1f} s",
                remedy="see /diagnostics",
            )
        return seen

    def health(self) -> tuple[list[str], dict[str, object]]:
        """What went wrong since the last call, in words, and the values for /diagnostics."""
        rise = {name: number - self._reported[name] for name, number in self._counts.items()}
        self._reported = dict(self._counts)
        values = {
            "embeddings (Hz)": round(self._arrivals.per_s(), 1),
            "rewards (Hz)": round(self._scored.per_s(), 1),
            **self._latency.told(),
            "progress 0 at value": f"{self._scale.start:.4f}",
            "progress 1 at value": f"{self._scale.goal:.4f}",
            **self._counts,
        }
        problems = [f"{self.camera}: {problem}" for problem in self._problems(rise)]
        return problems, {f"{self.camera}: {name}": value for name, value in values.items()}

    def _problems(self, rise: dict[str, int]) -> list[str]:
        problems = []
        if rise["embeddings lost in transport"]:
            problems.append("embeddings lost on the way here")
        if self.goal is None or rise["rewards"]:
            return problems
        if not rise["embeddings received"]:
            return [*problems, "no embeddings"]
        cause = max(CAUSES, key=lambda cause: rise[f"dropped, {cause}"])
        return [*problems, f"no embedding scored: {cause}"]

    def _smooth(self, smoothing_s: float) -> None:
        self._smoothing_s = smoothing_s
        if self._stream is not None:
            self._stream.smoothing_s = smoothing_s

    def _on_embedding(self, embedding: Embedding) -> None:
        self._counts["embeddings received"] += 1
        self._arrivals.add()
        self._count_lost(embedding)
        vector = np.asarray(embedding.data, np.float32)
        cause = self._admission.refusal(embedding, vector) if self._admission else NO_GOAL
        if cause is not None:
            self._counts[f"dropped, {cause}"] += 1
            return
        stamp = stamp_ns(embedding.header)
        sample = self._stream.update(vector, stamp)
        if sample is None:
            self._counts[f"dropped, {OUT_OF_ORDER}"] += 1
            return
        self._publisher.publish(reward_message(embedding, self.goal.goal.id, sample))
        self._counts["rewards"] += 1
        self._scored.add()
        self._latency.add(stamp, self._node.get_clock().now().nanoseconds)
        self._scored_s = time.monotonic()

    def _count_lost(self, embedding: Embedding) -> None:
        """Count what is missing in the sequence of one activation."""
        last, self._last = self._last, (embedding.activation, embedding.sequence)
        if last is not None and last[0] == embedding.activation:
            self._counts["embeddings lost in transport"] += max(0, embedding.sequence - last[1] - 1)
