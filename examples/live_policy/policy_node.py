# SPDX-License-Identifier: Apache-2.0
"""A cloned policy as a node: embedding, goal and what the arm feels in, a command out, for every picture.

In: ``<camera>/embedding``, ``active_goal``, ``/arm/state``. Out: ``/arm/command`` (sensor_msgs/JointState: velocity of
x, y, z and gripper in [-1, 1]) with the picture's stamp. It acts only where all three belong together: one model and
activation, from ``first_sequence`` on (rule 2 of docs/semantics.md), and one stamp; and only on the embeddings of the
model that it was cloned on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from liv_ros.msg import ActiveGoal, Embedding
from rclpy.node import Node
from sensor_msgs.msg import JointState

from liv_model.cloned_policy import Policy, inputs_of
from liv_model.errors import ConfigError
from liv_ros.messages import LATCHED_QOS, STREAM_QOS, stamp_ns
from liv_ros.parameters import parameter
from liv_ros.run import run_node

AXES = ["x", "y", "z", "gripper"]
POLICY = Path(__file__).with_name("policy.npz")
KEPT = 10  # states that wait for their embedding
ERROR_EVERY_S = 5.0


class PolicyNode(Node):
    """Answers every picture of one camera that belongs to the active goal."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        self._policy = Policy.load(Path(parameter(self, "policy", str(POLICY), "file of liv imitate --policy")))
        self._camera = parameter(self, "camera", "camera", "whose embeddings it acts on")
        self._goal: ActiveGoal | None = None
        self._felt: dict[int, np.ndarray] = {}
        self._seen: dict[int, np.ndarray] = {}
        self._commands = self.create_publisher(JointState, "/arm/command", STREAM_QOS)
        self.create_subscription(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        self.create_subscription(Embedding, f"{self._camera}/embedding", self._on_embedding, STREAM_QOS)
        self.create_subscription(JointState, "/arm/state", self._on_state, STREAM_QOS)

    def _on_goal(self, goal: ActiveGoal) -> None:
        self._goal = goal if goal.goal.id else None
        self._seen.clear()
        if self._goal is None:
            return
        self.get_logger().info(f"goal {goal.goal.text!r}, model {goal.model}")
        known = self._policy.instructions
        if goal.goal.text not in known:
            self.get_logger().warning(f"not cloned on this goal, but on {', '.join(known)}: it may do anything")

    def _on_embedding(self, embedding: Embedding) -> None:
        if self._goal is None or not self._belongs(embedding):
            return
        if embedding.model != self._policy.model:
            error = ConfigError(
                "policy, which stands still",
                expected=f"embeddings of {self._policy.model}, which it was cloned on",
                got=embedding.model,
                remedy="load that bundle, or clone a policy on this one (liv imitate)",
            )
            self.get_logger().error(str(error), throttle_duration_sec=ERROR_EVERY_S)
            return
        self._keep(self._seen, stamp_ns(embedding.header), np.asarray(embedding.data))

    def _on_state(self, state: JointState) -> None:
        self._keep(self._felt, stamp_ns(state.header), np.asarray(state.position, np.float32))

    def _keep(self, kept: dict[int, np.ndarray], stamp: int, value: np.ndarray) -> None:
        """Remember one half of what a picture takes; act if the other is there."""
        kept[stamp] = value
        while len(kept) > KEPT:
            del kept[min(kept)]
        if self._goal is None or stamp not in self._seen or stamp not in self._felt:
            return
        goal = np.asarray(self._goal.embedding)
        action = self._policy.act(inputs_of(self._seen.pop(stamp), goal, self._felt.pop(stamp)))
        command = JointState(name=AXES, velocity=action.tolist())
        command.header.stamp.sec, command.header.stamp.nanosec = divmod(stamp, 10**9)
        self._commands.publish(command)

    def _belongs(self, embedding: Embedding) -> bool:
        first = dict(zip(self._goal.cameras, self._goal.first_sequence, strict=True)).get(self._camera, 0)
        same = (embedding.model, embedding.activation) == (self._goal.model, self._goal.activation)
        return same and embedding.sequence >= first


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(PolicyNode, argv)


if __name__ == "__main__":
    sys.exit(main())
