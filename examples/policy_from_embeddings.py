#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A policy node that acts on embeddings: what the camera sees and what is wanted, as two vectors.

It reads <camera>/embedding and active_goal, checks that both are of one model and activation, and publishes a
geometry_msgs/Twist for every fresh embedding, and zeros when none comes. The policy itself here is a stand-in (a fixed
random matrix): put yours in `Policy.act`. Run it with the nodes running (ros2 launch liv_ros reward.launch.py):

    python3 examples/policy_from_embeddings.py
    python3 examples/policy_from_embeddings.py --camera wrist --topic /arm/cmd_vel --stale-s 0.2
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import rclpy
from geometry_msgs.msg import Twist
from liv_ros.msg import ActiveGoal, Embedding
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time

LARGEST = 0.1  # m/s: a stand-in should not hurt anybody


class Policy:
    """A stand-in: the same linear map for every model of one size."""

    def __init__(self, dim: int):
        self._weights = np.random.default_rng(0).normal(0, 1 / np.sqrt(2 * dim), (3, 2 * dim))

    def act(self, seen: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Velocity (3,), m/s, for two unit vectors (D,)."""
        return LARGEST * np.tanh(self._weights @ np.concatenate([seen, wanted]))


class PolicyNode(Node):
    """Acts on every embedding of one camera that belongs to the active goal."""

    def __init__(self, camera: str, topic: str, stale_s: float):
        super().__init__("policy")
        self._stale = Duration(seconds=stale_s)
        self._goal: ActiveGoal | None = None
        self._policy: Policy | None = None
        self._camera = camera
        self._moved = False
        self._commands = self.create_publisher(Twist, topic, 1)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(ActiveGoal, "active_goal", self._on_goal, latched)
        # depth 1: a policy wants the newest picture, never a queue of old ones
        self.create_subscription(Embedding, f"{camera}/embedding", self._on_embedding, 1)
        self._watchdog = self.create_timer(stale_s, self._stop)

    def _on_goal(self, goal: ActiveGoal) -> None:
        self._goal = goal if goal.goal.id else None
        if self._goal is None:
            self._stop()
            return
        self._policy = Policy(len(goal.embedding))
        self.get_logger().info(f"goal {goal.goal.text or 'picture'!r}, model {goal.model}")

    def _on_embedding(self, embedding: Embedding) -> None:
        if self._goal is None or not self._belongs(embedding):
            return
        if self.get_clock().now() - Time.from_msg(embedding.header.stamp) > self._stale:
            self.get_logger().warning("picture too old to act on", throttle_duration_sec=2.0)
            self._stop()
            return
        command = Twist()
        velocity = self._policy.act(np.asarray(embedding.data), np.asarray(self._goal.embedding))
        command.linear.x, command.linear.y, command.linear.z = velocity.tolist()
        self._commands.publish(command)
        self._moved = True
        self._watchdog.reset()

    def _stop(self) -> None:
        """Stand still: no goal, or nothing fresh to act on for ``stale_s``."""
        if self._moved:
            self.get_logger().warning("standing still: nothing to act on")
        self._commands.publish(Twist())
        self._moved = False

    def _belongs(self, embedding: Embedding) -> bool:
        """Rule 2 of docs/semantics.md: never two models or activations at once, nothing from before the goal."""
        first = dict(zip(self._goal.cameras, self._goal.first_sequence, strict=True)).get(self._camera, 0)
        same = (embedding.model, embedding.activation) == (self._goal.model, self._goal.activation)
        return same and embedding.sequence >= first


def main() -> int:
    """Run the policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camera", default="camera", help="whose embeddings it acts on")
    parser.add_argument("--namespace", default="/liv", help="of the nodes")
    parser.add_argument("--topic", default="cmd_vel", help="where to publish geometry_msgs/Twist")
    parser.add_argument("--stale-s", type=float, default=0.5, help="stand still on a picture older than this")
    arguments = parser.parse_args()
    rclpy.init(args=["--ros-args", "-r", f"__ns:={arguments.namespace}"])
    node = PolicyNode(arguments.camera, arguments.topic, arguments.stale_s)
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
