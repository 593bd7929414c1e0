# SPDX-License-Identifier: Apache-2.0
"""reward_node: embeddings and the active goal in, rewards out. Arithmetic on small vectors; holds no model."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from std_srvs.srv import Trigger

from liv_model.reward import RewardStream
from liv_ros.diagnostics import OK, WARN, Diagnostics
from liv_ros.messages import LATCHED_QOS, STREAM_QOS, calibration_from_message, reward_message, stamp_ns
from liv_ros.msg import ActiveGoal, Embedding, Reward
from liv_ros.parameters import camera_names, parameter
from liv_ros.run import run_node


@dataclass
class Episode:
    """One camera's rewards for one goal: the stream, and from which embedding on it counts."""

    camera: str
    goal: ActiveGoal
    stream: RewardStream
    first_sequence: int

    def accepts(self, embedding: Embedding, vector: np.ndarray) -> bool:
        """Whether an embedding may be scored here: same camera, model and activation, and not from before the goal."""
        return (
            embedding.camera == self.camera
            and embedding.model == self.goal.model
            and embedding.activation == self.goal.activation
            and embedding.sequence >= self.first_sequence
            and len(vector) == len(self.goal.embedding)
            and bool(np.isfinite(vector).all())
        )


class RewardNode(Node):
    """Scores every camera's embeddings against the active goal."""

    def __init__(self) -> None:
        super().__init__("reward_node")
        self._jitter_s = parameter(
            self,
            "stamp_jitter_s",
            0.5,
            "stamps up to this far back (s) are dropped as out of order, larger steps back begin a new episode",
            least=0.0,
            most=60.0,
        )
        self._names = camera_names(self)
        self._goal: ActiveGoal | None = None
        self._episodes: dict[str, Episode] = {}
        self._counts = {"rewards": 0, "embeddings not of the active goal": 0, "stamps out of order": 0}
        self._reported: dict[str, int] = {}
        self._publishers_by_camera = {
            name: self.create_publisher(Reward, f"{name}/reward", STREAM_QOS) for name in self._names
        }
        self.create_subscription(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        for name in self._names:
            self.create_subscription(
                Embedding, f"{name}/embedding", lambda message, name=name: self._on_embedding(name, message), STREAM_QOS
            )
        self.create_service(Trigger, "reset", self._on_reset)
        self._diagnostics = Diagnostics(self, self._health)

    def _on_goal(self, goal: ActiveGoal) -> None:
        """Begin an episode on every camera; an empty id ends the last one."""
        if len(goal.cameras) != len(goal.first_sequence) or not np.isfinite(goal.embedding).all():
            self.get_logger().error("active_goal refused: expected as many first_sequence as cameras, finite numbers")
            return
        self._goal = goal if goal.goal.id else None
        first = dict(zip(goal.cameras, goal.first_sequence, strict=True))
        self._episodes = {
            name: Episode(name, goal, self._stream(goal), first.get(name, 0))
            for name in (self._names if self._goal else ())
        }

    def _stream(self, goal: ActiveGoal) -> RewardStream:
        vector = np.asarray(goal.embedding, np.float32)
        return RewardStream(vector, calibration_from_message(goal), stamp_jitter_s=self._jitter_s)

    def _on_embedding(self, camera: str, embedding: Embedding) -> None:
        episode = self._episodes.get(camera)
        vector = np.asarray(embedding.data, np.float32)
        if episode is None or not episode.accepts(embedding, vector):
            self._counts["embeddings not of the active goal"] += 1
            return
        sample = episode.stream.update(vector, stamp_ns(embedding.header))
        if sample is None:
            self._counts["stamps out of order"] += 1
            return
        self._publishers_by_camera[camera].publish(reward_message(embedding, episode.goal.goal.id, sample))
        self._counts["rewards"] += 1

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        for episode in self._episodes.values():
            episode.stream.reset()
        response.success = bool(self._episodes)
        response.message = "" if self._episodes else "no goal is active; set one first"
        return response

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        values: dict[str, object] = {"goal": self._goal.goal.id if self._goal else "none", **self._counts}
        rise = {name: number - self._reported.get(name, 0) for name, number in self._counts.items()}
        self._reported = dict(self._counts)
        if self._goal is None:
            return WARN, "no goal", values
        if rise["stamps out of order"] and not rise["rewards"]:
            return WARN, "stamps do not advance", values
        return (OK, "scoring", values) if rise["rewards"] else (WARN, "no embeddings to score", values)


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(RewardNode, argv)


if __name__ == "__main__":
    sys.exit(main())
