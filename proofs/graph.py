# SPDX-License-Identifier: Apache-2.0
"""A live graph for the proofs: nodes in processes of their own, over real DDS, and a consumer that checks the rules."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from liv_ros import msg
from liv_ros.messages import LATCHED_QOS, image_message, stamp_ns
from liv_ros.node_process import NodeProcess
from proofs.consumer import Consumer
from proofs.rules import Rules

NAMESPACE = "/proof"
READY_S = 120.0
_PICTURES = 12


class Camera:
    """A camera of a proof; its pictures are noise, and each has a frame_id of its own.

    Attributes:
        name: of the camera, as the encoder knows it.
        publisher: of its images.
        shift_ns: is added to the stamps.
        count: pictures that were shown.
    """

    def __init__(self, graph: Graph, name: str, size: tuple[int, int], reliability: ReliabilityPolicy):
        self.name = name
        self._graph = graph
        self.count = 0
        self.shift_ns: Callable[[], int] = lambda: 0
        noise = np.random.default_rng(hash(name) % 1000)
        pictures = noise.integers(0, 256, (_PICTURES, size[1], size[0], 3), np.uint8)
        self._messages = [image_message(Header(), picture) for picture in pictures]
        self._reliability = reliability
        self._timer = None
        self.appear()

    @property
    def topic(self) -> str:
        """Of its images."""
        return f"{NAMESPACE}/{self.name}/image_raw"

    def appear(self) -> None:
        """Have a publisher."""
        qos = QoSProfile(depth=10, reliability=self._reliability)
        self.publisher = self._graph.node.create_publisher(Image, self.topic, qos)

    def vanish(self) -> None:
        """Stop, and have no publisher any more."""
        self.pause()
        self._graph.node.destroy_publisher(self.publisher)

    def show(self) -> Header:
        """Publish the next picture; returns its header."""
        message = self._messages[self.count % _PICTURES]
        message.header = header = Header(frame_id=f"{self.name} {self.count}")
        now_ns = self._graph.node.get_clock().now().nanoseconds + self.shift_ns()
        header.stamp.sec, header.stamp.nanosec = divmod(now_ns, 10**9)
        self.count += 1
        self._graph.rules.picture(self.name, header)
        self.publisher.publish(message)
        return header

    def play(self, rate_hz: float) -> None:
        """Publish at a rate for as long as the graph is spun."""
        self.pause()
        self._timer = self._graph.node.create_timer(1 / rate_hz, self.show)

    def pause(self) -> None:
        """Publish no more."""
        if self._timer is not None:
            self._graph.node.destroy_timer(self._timer)
            self._timer = None


class Graph:
    """Nodes under test, and a consumer of all they say. A context manager.

    Args:
        folder: for logs and state.
        bundle: model bundle, "" = the shipped one.
        cameras: their names.
        size: of their pictures, width and height.
        reliability: of the cameras' publishers.
        others_ask: goals may come from elsewhere too.

    Attributes:
        rules: the checker; has heard all that the consumer heard.
        rewards: that were heard, by camera.
        goals: that were heard.
        states: task states that were heard.
        health: what the nodes tell on /diagnostics, by the node's name.
        latency_ms: of each reward, stamp to receipt, by camera.
    """

    def __init__(
        self,
        folder: Path,
        bundle: str = "",
        cameras: Sequence[str] = ("camera",),
        size: tuple[int, int] = (64, 48),
        reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE,
        others_ask: bool = False,
    ):
        self._folder, self._bundle, self._names = folder, bundle, list(cameras)
        self._size, self._reliability, self._others_ask = size, reliability, others_ask
        self._stack, self._consumer = ExitStack(), Consumer("consumer", NAMESPACE, folder)
        self._processes: list[NodeProcess] = []
        self._started = 0
        self.rules = Rules(may_miss=True)
        self.rewards: dict[str, list[msg.Reward]] = defaultdict(list)
        self.goals: list[msg.ActiveGoal] = []
        self.states: list[msg.TaskState] = []
        self.health: dict[str, dict[str, Any]] = {}
        self.latency_ms: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> Graph:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(self._consumer)
        self.node = self._consumer.node
        self._listen()
        self.cameras = {name: Camera(self, name, self._size, self._reliability) for name in self._names}
        self.goal_publisher = self.node.create_publisher(msg.Goal, "goal", 10)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.stop()
        self._stack.close()

    def _listen(self) -> None:
        def listen(message_type: type, topic: str, hear: Callable, qos: QoSProfile | int = 500) -> None:
            self.node.create_subscription(message_type, topic, hear, qos)

        listen(msg.ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        listen(DiagnosticArray, "/diagnostics", self._on_health, 10)
        for name in self._names:
            listen(msg.Embedding, f"{name}/embedding", self.rules.embedding)
            listen(msg.Reward, f"{name}/reward", self._on_reward)
            listen(msg.TaskState, f"{name}/task_state", self._on_state)

    def _on_goal(self, goal: msg.ActiveGoal) -> None:
        self.goals.append(goal)
        self.rules.goal(goal)

    def _on_state(self, state: msg.TaskState) -> None:
        self.states.append(state)
        self.rules.task_state(state)

    def _on_reward(self, reward: msg.Reward) -> None:
        latency_ns = self.node.get_clock().now().nanoseconds - stamp_ns(reward.header)
        self.latency_ms[reward.camera].append(latency_ns / 1e6)
        self.rewards[reward.camera].append(reward)
        self.rules.reward(reward)

    def _on_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.health[status.name.rpartition("/")[2]] = {"level": status.level, "message": status.message, **values}

    # nodes -----------------------------------------------------------------------------------------------------------

    def start(self, name: str, **parameters: object) -> NodeProcess:
        """Start a node."""
        given: dict[str, object] = {"cameras": self._names}
        if name == "encoder_node":
            given |= {"bundle": self._bundle, "state_folder": str(self._folder / "state")}
            for camera in self._names:
                given |= {f"{camera}.topic": self.cameras[camera].topic}
                given |= {f"{camera}.reliability": self._reliability.name.lower()}
        log = self._folder / f"{self._started}_{name}.log"
        self._started += 1
        process = NodeProcess(name, {**given, **parameters}, log, namespace=NAMESPACE)
        self._processes.append(process)
        return process

    def start_all(self, **encoder: object) -> tuple[NodeProcess, NodeProcess]:
        """Start encoder and reward node, and wait until a first reward for a first goal has come."""
        reward_node = self.start("reward_node")
        encoder_node = self.start("encoder_node", **encoder)
        self.wait(lambda: self.goal_publisher.get_subscription_count(), "the encoder", READY_S)
        self.ask("open the drawer")
        self.wait_for_rewards()
        return encoder_node, reward_node

    def require_running(self) -> None:
        """Raise the last words of a node that has ended and was not killed here."""
        for process in self._processes:
            process.require_running()

    def kill(self, process: NodeProcess) -> None:
        """End a node as a crash would."""
        process.kill()
        self._processes.remove(process)

    # events ----------------------------------------------------------------------------------------------------------

    def spin(self, seconds: float) -> None:
        """Hear what comes for some seconds."""
        self._consumer.spin(seconds)

    def wait(self, condition: Callable[[], Any], what: str, within_s: float = 30.0) -> Any:
        """Hear what comes until a condition gives something true, and return it; LivError if it does not."""
        return self._consumer.wait(condition, what, within_s)

    def ask(self, text: str) -> str:
        """Publish a goal in words under a new id, and wait until it is active; returns the id."""
        goal_id = self.publish_goal(text)
        self.wait(lambda: any(goal.goal.id == goal_id for goal in self.goals), f"goal {text!r}")
        return goal_id

    def publish_goal(self, text: str) -> str:
        """Publish a goal in words under a new id; returns the id."""
        goal_id = f"{time.monotonic_ns():x}"
        if not self._others_ask:
            self.rules.ask(goal_id)
        self.goal_publisher.publish(msg.Goal(id=goal_id, text=text))
        return goal_id

    def wait_for_rewards(self, within_s: float = 30.0) -> float:
        """Show pictures until each camera has a reward of one of them; returns how long it took, seconds."""
        begin_s = time.monotonic()
        for name, camera in self.cameras.items():
            shown: set[int] = set()

            def rewarded(name: str = name, camera: Camera = camera, shown: set[int] = shown) -> bool:
                shown.add(stamp_ns(camera.show()))
                return any(stamp_ns(reward.header) in shown for reward in self.rewards[name][-20:])

            self.wait(rewarded, f"a reward of {name}", within_s)
        return time.monotonic() - begin_s
