# SPDX-License-Identifier: Apache-2.0
"""Faults of cameras and of goals."""

from __future__ import annotations

import random
from collections.abc import Callable

from liv_ros.msg import ActiveGoal, TaskState
from rclpy.qos import ReliabilityPolicy
from std_msgs.msg import String

from liv_ros.messages import LATCHED_QOS, stamp_ns
from proofs.fault import RATE_HZ, Fault, Site, firsts, require
from proofs.graph import Graph

MakeGraph = Callable[..., Graph]
_SECOND = 10**9


def camera_vanishes(site: Site, make: MakeGraph) -> str:
    """Its publisher goes, and another one comes."""
    with make() as graph:
        graph.start_all()
        graph.start("monitor_node", blind_s=1.0)
        camera, rewards = graph.cameras["camera"], graph.rewards["camera"]
        camera.play(RATE_HZ)
        graph.spin(site.seconds)
        begun = firsts(rewards)
        camera.vanish()
        blind = TaskState.BLIND
        graph.wait(lambda: graph.states and graph.states[-1].state == blind, "the task state blind")
        graph.wait(lambda: "no frames" in graph.health["encoder_node"]["message"], "the camera missed on /diagnostics")
        camera.appear()
        graph.wait(camera.publisher.get_subscription_count, "the encoder, subscribed again")
        again_s = graph.wait_for_rewards()
        graph.wait(lambda: graph.states[-1].state != blind, "a task state that sees")
        require(firsts(rewards) == begun, "the episode goes on", f"{firsts(rewards) - begun} more episodes")
    return f"blind and missed while it is away; a reward {again_s:.2f} s after it is back, in the same episode"


def stamps_jump(site: Site, make: MakeGraph) -> str:
    """Stamps jitter by more than a period, then jump back and forth."""
    chance = random.Random(0)
    jump_ns = 0
    with make() as graph:
        graph.start_all()
        camera, rewards = graph.cameras["camera"], graph.rewards["camera"]
        camera.shift_ns = lambda: jump_ns + chance.randrange(-_SECOND // 20, _SECOND // 20)
        camera.play(RATE_HZ)
        graph.spin(site.seconds)
        begun = firsts(rewards)
        key = "stamps out of order"
        dropped = graph.wait(lambda: _count(graph, key), "out of order on /diagnostics")
        require(begun == 1, "one episode in spite of the jitter", begun)
        for jump_s in (-10, -5, -1000):
            jump_ns = jump_s * _SECOND
            before = len(rewards)
            graph.wait(lambda before=before: len(rewards) > before + 5, f"rewards {jump_s} s off")
        require(firsts(rewards) == begun + 2, "an episode begins with each step back", firsts(rewards) - begun)
    return f"{dropped} stamps out of order dropped and counted; 2 new episodes for 2 steps back, none for one forward"


def _count(graph: Graph, key: str) -> int:
    """The sum of the counts of reward_node that end so."""
    told = graph.health.get("reward_node", {})
    return sum(int(value) for name, value in told.items() if name.endswith(key) and str(value).isdigit())


def goals_storm(site: Site, make: MakeGraph) -> str:
    """A goal every 50 ms."""
    texts = ("open the drawer", "close the drawer", "open the door")
    with make() as graph:
        graph.start_all()
        graph.cameras["camera"].play(RATE_HZ)
        asked = [graph.goals[-1].goal.id]
        timer = graph.node.create_timer(0.05, lambda: asked.append(graph.publish_goal(texts[len(asked) % 3])))
        graph.spin(5 * site.seconds)
        graph.node.destroy_timer(timer)
        graph.wait(lambda: graph.goals[-1].goal.id == asked[-1], "the last goal")
        graph.wait(lambda: graph.rewards["camera"][-1].goal_id == asked[-1], "a reward for the last goal")
        scored = {reward.goal_id for reward in graph.rewards["camera"]}
        heard = {goal.goal.id for goal in graph.goals}
    return f"{len(asked)} goals, {len(heard)} of them heard, {len(scored)} earned rewards, the last one too"


def reliabilities(site: Site, make: MakeGraph) -> str:
    """Publishers of both kinds, to an encoder that asks for best effort, as by default."""
    found = []
    for reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT):
        with make(reliability=reliability) as graph:
            graph.start_all(**{"camera.reliability": "best_effort"})
            graph.cameras["camera"].play(RATE_HZ)
            before = len(graph.rewards["camera"])
            graph.spin(site.seconds)
            rate_hz = (len(graph.rewards["camera"]) - before) / site.seconds
            require(rate_hz > RATE_HZ / 6, f"rewards of a {reliability.name.lower()} publisher", f"{rate_hz:.1f} Hz")
            found.append(f"{reliability.name.lower().replace('_', ' ')} {rate_hz:.0f} Hz")
    with make(reliability=ReliabilityPolicy.BEST_EFFORT) as graph:
        encoder = graph.start("encoder_node", **{"camera.reliability": "reliable"})
        graph.wait(lambda: "incompatible QoS" in encoder.output, "a warning of the QoS that cannot match", 60.0)
    return f"{' and '.join(found)} of {RATE_HZ:.0f}; a publisher that cannot match is warned of"


def late_and_volatile(site: Site, make: MakeGraph) -> str:
    """A goal of a volatile publisher, and who subscribes after it was accepted."""
    with make(others_ask=True) as graph:
        graph.start_all()
        text = graph.node.create_publisher(String, "goal/text", 10)  # volatile, as `ros2 topic pub` is
        graph.wait(text.get_subscription_count, "the encoder on goal/text")
        text.publish(String(data="close the drawer"))
        graph.wait(lambda: graph.goals[-1].goal.text == "close the drawer", "the goal")
        late: list[ActiveGoal] = []
        graph.node.create_subscription(ActiveGoal, "active_goal", late.append, LATCHED_QOS)
        graph.wait(lambda: late, "the goal, at a late subscriber")
        require(late[0].goal.id == graph.goals[-1].goal.id, "the late subscriber has the same goal", late[0].goal.id)
        graph.wait_for_rewards()
        reward = graph.rewards["camera"][-1]
        require(stamp_ns(reward.header) and reward.goal_id == late[0].goal.id, "rewards for it", reward.goal_id)
    return "accepted, heard by a late subscriber, and rewarded"


FAULTS = (
    Fault("the camera vanishes and returns", "1, 4: the episode goes on; it is told meanwhile", camera_vanishes),
    Fault("stamps jitter and jump", "4: out of order is dropped, a step back begins an episode", stamps_jump),
    Fault("a goal every 50 ms", "2: no reward mixes two; the last one counts", goals_storm),
    Fault("reliable and best-effort publishers", "3: both are seen", reliabilities),
    Fault("a volatile goal, a late subscriber", "the goal is latched", late_and_volatile),
)
