# SPDX-License-Identifier: Apache-2.0
"""The demo's ROS graph: four nodes in processes of their own, and one here that watches the rewards come in."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_model.media import Media
from liv_ros.demo_console import Console
from liv_ros.messages import LATCHED_QOS, STREAM_QOS, stamp_ns
from liv_ros.msg import ActiveGoal, Reward
from liv_ros.node_process import NodeProcess
from liv_ros.run import init_rclpy

CAMERA = "camera"
NAMESPACE = "/liv"
IMAGES = "/camera/image/compressed"
RECORDED = (IMAGES, f"{NAMESPACE}/active_goal", f"{NAMESPACE}/{CAMERA}/embedding", f"{NAMESPACE}/{CAMERA}/reward")
READY_WITHIN_S = 60.0
QUIET_S = 1.0


@dataclass(frozen=True)
class ReceivedReward:
    """A reward as it came in.

    Attributes:
        message: the Reward.
        latency_ms: from the image's stamp to its receipt here.
    """

    message: Reward
    latency_ms: float


class Watcher(Node):
    """Receives the active goal, the rewards, and how long the encoder says it takes."""

    def __init__(self) -> None:
        super().__init__("demo", namespace=NAMESPACE)
        self.goal: ActiveGoal | None = None
        self.rewards: list[ReceivedReward] = []
        self.encoder_health: dict[str, str] = {}
        self.create_subscription(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        self.create_subscription(Reward, f"{CAMERA}/reward", self._on_reward, STREAM_QOS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_goal(self, goal: ActiveGoal) -> None:
        self.goal = goal

    def _on_reward(self, reward: Reward) -> None:
        now_ns = self.get_clock().now().nanoseconds
        self.rewards.append(ReceivedReward(reward, (now_ns - stamp_ns(reward.header)) / 1e6))

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        values = {pair.key: pair.value for status in array.status for pair in status.values}
        if "encode p50 (ms)" in values:
            self.encoder_health = values

    @property
    def encode_ms(self) -> dict[str, float]:
        """p50 and p99 of the encoder's latest calls, as it tells on /diagnostics."""
        return {name: float(self.encoder_health[f"encode {name} (ms)"]) for name in ("p50", "p99")}


@dataclass(frozen=True)
class LiveRun:
    """What was seen of a recording that was played through the graph.

    Attributes:
        rewards: as they were received.
        encode_ms: p50 and p99 of the encoder's own time, as it told on /diagnostics.
        backend: what ran the model, as it told there.
        precision: of its engine, likewise.
    """

    rewards: list[ReceivedReward]
    encode_ms: dict[str, float]
    backend: str
    precision: str


def play(
    media: Media, goal: str, bundle: Bundle, output: Path, *, backend: str = "auto", precision: str = "auto"
) -> LiveRun:
    """Play a recording through the graph, show the rewards as they come, and record a bag into ``output/bag``.

    Args:
        media: the recording.
        goal: in words.
        bundle: the model.
        output: a folder that is there.
        backend: of encoder_node.
        precision: likewise.
    """
    with ExitStack() as stack:
        init_rclpy([])
        stack.callback(rclpy.try_shutdown)
        watcher = Watcher()
        executor = SingleThreadedExecutor()
        executor.add_node(watcher)
        console = stack.enter_context(Console(goal, media))

        def start(name: str, **parameters: object) -> NodeProcess:
            process = NodeProcess(name, parameters, output / "log" / f"{name}.log", namespace=NAMESPACE)
            stack.callback(process.stop)
            return process

        encoder = start(
            "encoder_node",
            bundle=str(bundle.path),
            goal=goal,
            backend=backend,
            precision=precision,
            state_folder=str(output / "log"),
            **{"camera.topic": IMAGES, "camera.transport": "compressed"},
        )
        nodes = [encoder, start("reward_node")]
        nodes.append(start("recorder_node", output=str(output / "bag"), topics=list(RECORDED)))
        _wait_until_ready(watcher, executor, nodes)
        video = start("video_node", topic=IMAGES, transport="compressed", wait_for_subscribers=2, **_source(media))
        _watch(watcher, executor, console, [*nodes, video], video)
        health = watcher.encoder_health
        return LiveRun(watcher.rewards, watcher.encode_ms, health["backend"], health["precision"])


def _source(media: Media) -> dict[str, str]:
    return {"video": str(media.path), **({"bag_topic": media.topic} if media.topic else {})}


def _wait_until_ready(watcher: Watcher, executor: SingleThreadedExecutor, nodes: list[NodeProcess]) -> None:
    """Wait for the goal and for the reward and embedding topics to be connected from end to end."""
    deadline, told = time.monotonic() + READY_WITHIN_S, ""
    rewards, embeddings = f"{NAMESPACE}/{CAMERA}/reward", f"{NAMESPACE}/{CAMERA}/embedding"
    while True:
        executor.spin_once(timeout_sec=0.05)
        for node in nodes:
            node.require_running()
        # reward: recorder and this node listen; embedding: recorder and reward_node
        connected = watcher.count_subscribers(rewards) >= 2 and watcher.count_subscribers(embeddings) >= 2
        if watcher.goal is not None and connected and watcher.count_publishers(rewards):
            return
        if (last := nodes[0].last_line) != told:  # the encoder may build an engine first, and tells how far it is
            deadline, told = time.monotonic() + READY_WITHIN_S, last
        if time.monotonic() > deadline:
            raise LivError(
                "the graph", expected=f"ready within {READY_WITHIN_S:.0f} s", got="not", remedy="see the logs"
            )


def _watch(watcher, executor, console: Console, nodes: list[NodeProcess], video: NodeProcess) -> None:
    """Show rewards as they come, until the video has ended and nothing more comes."""
    shown, last = 0, time.monotonic()
    while video.is_running or time.monotonic() - last < QUIET_S:
        executor.spin_once(timeout_sec=0.05)
        for node in nodes:
            if node is not video:
                node.require_running()
        if len(watcher.rewards) > shown:
            shown, last = len(watcher.rewards), time.monotonic()
            console.show(shown, watcher.rewards[-1].message, watcher.rewards[-1].latency_ms)
    if video.wait(READY_WITHIN_S):
        raise LivError("video_node", got=video.last_line, remedy=f"see {video.log}")
    if not watcher.rewards:
        raise LivError("the demo", expected="rewards", got="none", remedy="see the logs beside the bag")
    watcher.encoder_health = {}
    while not watcher.encoder_health:  # the next report of the encoder covers all frames
        executor.spin_once(timeout_sec=0.05)
        nodes[0].require_running()
