# SPDX-License-Identifier: Apache-2.0
"""The policy of the live example acts on what it was cloned on, and on nothing else."""

import ast
from array import array
from pathlib import Path

import numpy as np
import pytest

from liv_model.cloned_policy import Policy

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros

NODE = Path(__file__).parents[2] / "examples" / "live_policy" / "policy_node.py"
MINE, OTHER = "mine@1", "other@2"
GOAL, DIM = "close the drawer", 3


def push(dim):
    """A policy that commands 0.5 of each axis, whatever it sees."""
    inputs = 2 * dim + 4
    layer = (np.zeros((4, inputs), np.float32), np.full(4, np.arctanh(0.5), np.float32))
    return Policy(np.zeros(inputs, np.float32), np.ones(inputs, np.float32), (layer,), MINE, (GOAL,))


class Feed:
    """A double of encoder_node and the arm: goals, and pictures with what the arm feels."""

    def __init__(self, probe):
        from sensor_msgs.msg import JointState

        from liv_ros import messages, msg

        self.probe, self.msg, self.joints = probe, msg, JointState
        publish, latched = probe.node.create_publisher, messages.LATCHED_QOS
        self.goals = publish(msg.ActiveGoal, "active_goal", latched)
        self.embeddings = publish(msg.Embedding, "camera/embedding", 10)
        self.states = publish(JointState, "/arm/state", 10)
        self.commands, self.stamp = [], 0
        probe.node.create_subscription(JointState, "/arm/command", self.commands.append, 10)
        for publisher in (self.goals, self.embeddings, self.states):
            probe.connected(publisher)
        probe.wait(lambda: probe.node.count_publishers("/arm/command"), "the policy")

    def set_goal(self, process, text=GOAL, model=MINE, dim=DIM):
        heard = process.output.count("goal ")
        goal = self.msg.ActiveGoal(model=model, activation="a", embedding=array("f", [1.0] * dim))
        goal.goal.id, goal.goal.text = "goal-1", text
        self.goals.publish(goal)
        self.probe.wait(lambda: process.output.count("goal ") > heard, "the goal")

    def show(self, model=MINE, dim=DIM):
        """One picture; its stamp, s."""
        self.stamp += 1
        embedding = self.msg.Embedding(camera="camera", model=model, activation="a", data=array("f", [1.0] * dim))
        state = self.joints(position=[0.0] * 4)
        embedding.header.stamp.sec = state.header.stamp.sec = self.stamp
        self.states.publish(state)
        self.embeddings.publish(embedding)
        return self.stamp

    def is_answered(self, stamp):
        self.probe.wait(lambda: any(c.header.stamp.sec == stamp for c in self.commands), f"a command for {stamp}")
        return self.commands[-1].velocity.tolist() == pytest.approx([0.5] * 4, abs=1e-3)  # half precision


@pytest.fixture
def policy_node(tmp_path):
    from liv_ros.node_process import NodeProcess

    push(DIM).save(tmp_path / "policy.npz")
    parameters = {"policy": str(tmp_path / "policy.npz")}
    package = "examples.live_policy"
    process = NodeProcess("policy_node", parameters, tmp_path / "log", namespace="/liv", package=package)
    yield process
    assert process.stop() == 0 and "Traceback" not in process.output, process.output


def test_it_stands_still_on_the_embeddings_of_another_model_and_goes_on_when_its_own_is_back(probe, policy_node):
    feed = Feed(probe)
    feed.set_goal(policy_node)
    assert feed.is_answered(feed.show())
    for dim in (DIM, DIM + 2):  # another bundle was loaded
        feed.set_goal(policy_node, model=OTHER, dim=dim)
        refused = [feed.show(model=OTHER, dim=dim) for _ in range(3)]
    feed.set_goal(policy_node)
    assert feed.is_answered(feed.show())
    assert not {c.header.stamp.sec for c in feed.commands} & set(refused)
    told = [line for line in policy_node.output.splitlines() if f"got {OTHER}" in line]
    assert len(told) == 1  # of six pictures
    assert f"expected embeddings of {MINE}, which it was cloned on" in told[0] and "liv imitate" in told[0]


def test_it_warns_of_an_instruction_that_it_was_not_cloned_on(probe, policy_node):
    feed = Feed(probe)
    feed.set_goal(policy_node)
    assert "[WARN]" not in policy_node.output
    feed.set_goal(policy_node, text="open the drawer")
    probe.wait(lambda: "[WARN]" in policy_node.output, "a warning")
    assert f"not cloned on this goal, but on {GOAL}" in policy_node.output
    assert feed.is_answered(feed.show())


def test_a_robot_that_acts_needs_nothing_of_training():
    names = [n.module for n in ast.walk(ast.parse(NODE.read_text())) if isinstance(n, ast.ImportFrom)]
    assert "liv_model.cloned_policy" in names and not any(name.startswith("training") for name in names)
