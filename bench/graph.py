# SPDX-License-Identifier: Apache-2.0
"""The live graph: camera (video_node), encoder and reward nodes in processes of their own, rewards received here."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rclpy
from liv_ros.msg import Embedding
from rclpy.executors import SingleThreadedExecutor

from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_model.folders import shipped
from liv_model.timings import percentiles
from liv_ros.demo import RECORDING
from liv_ros.demo_graph import CAMERA, NAMESPACE, Watcher
from liv_ros.messages import STREAM_QOS
from liv_ros.node_process import NodeProcess
from liv_ros.run import init_rclpy

WIDTH, HEIGHT, RATE_HZ = 640, 480, 30
STARTS = 5
_READY_S = 60.0
_IMAGES = "/camera/image_raw"


def measure(bundle: Bundle, seconds: float) -> tuple[dict, dict]:
    """Latency of the running graph, and how long a starting encoder takes to its first embedding."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        init_rclpy([])
        stack.callback(rclpy.try_shutdown)
        watcher = Watcher()
        executor = SingleThreadedExecutor()
        executor.add_node(watcher)
        graph = _Graph(stack, folder, watcher, executor, bundle)
        graph.start("reward_node")
        graph.start(
            "video_node",
            video=str(shipped(RECORDING)),
            topic=_IMAGES,
            loop=True,
            rate_hz=float(RATE_HZ),
            width=WIDTH,
            height=HEIGHT,
        )
        starts = [graph.first_embedding_s() for _ in range(STARTS)]
        return graph.latency(seconds), {
            "n": STARTS,
            "median_s": round(float(np.median(starts)), 2),
            "worst_s": round(max(starts), 2),
        }


class _Graph:
    """What the two measurements share."""

    def __init__(self, stack: ExitStack, folder: Path, watcher: Watcher, executor, bundle: Bundle):
        self._stack, self._folder, self._watcher, self._executor = stack, folder, watcher, executor
        self._bundle = bundle
        self._embeddings: list[Embedding] = []
        watcher.create_subscription(Embedding, f"{CAMERA}/embedding", self._embeddings.append, STREAM_QOS)

    def start(self, name: str, **parameters: object) -> NodeProcess:
        process = NodeProcess(name, parameters, self._folder / f"{name}.log", namespace=NAMESPACE)
        self._stack.callback(process.stop)
        return process

    def start_encoder(self) -> NodeProcess:
        return self.start(
            "encoder_node", bundle=str(self._bundle.path), goal="open the door", state_folder=str(self._folder)
        )

    def first_embedding_s(self) -> float:
        """Start an encoder while the camera runs, wait for its first embedding, stop it."""
        before, begin = len(self._embeddings), time.monotonic()
        encoder = self.start_encoder()
        self._wait(lambda: len(self._embeddings) > before, encoder)
        spent = time.monotonic() - begin
        encoder.stop()
        return spent

    def latency(self, seconds: float) -> dict:
        """Stamp to receipt of the reward over some seconds of a graph that is warm."""
        encoder = self.start_encoder()
        self._wait(lambda: len(self._watcher.rewards) > RATE_HZ, encoder)
        before = self._encoder_counts(encoder)
        del self._watcher.rewards[:]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)
        rewards = list(self._watcher.rewards)
        after = self._encoder_counts(encoder)
        change = {name: after[name] - before[name] for name in after}
        latency = percentiles((reward.latency_ms for reward in rewards), 50, 95, 99)
        return {
            "n": len(rewards),
            "rewards_hz": round(len(rewards) / seconds, 1),
            **{f"stamp_to_reward_{name}_ms": value for name, value in latency.items()},
            **{f"encode_{name}_ms": value for name, value in self._watcher.encode_ms.items()},
            "p99_above_encode_p50_ms": round(latency["p99"] - self._watcher.encode_ms["p50"], 3),
            "dropped_by_us": change["replaced"] + change["refused"],
            "lost_in_transport": change["lost"],
        }

    def _encoder_counts(self, encoder: NodeProcess) -> dict[str, int]:
        """What the encoder says on /diagnostics from now on became of its frames."""
        self._watcher.encoder_health = {}
        self._wait(lambda: self._watcher.encoder_health, encoder)
        health = self._watcher.encoder_health
        names = {"replaced": "replaced", "refused": "refused", "lost": "lost in transport"}
        return {name: int(health[f"{CAMERA}: frames {key}"]) for name, key in names.items()}

    def _wait(self, condition, encoder: NodeProcess) -> None:
        deadline = time.monotonic() + _READY_S
        while not condition():
            encoder.require_running()
            self._executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > deadline:
                raise LivError("the graph", expected=f"to answer within {_READY_S:.0f} s", got=encoder.output[-300:])
