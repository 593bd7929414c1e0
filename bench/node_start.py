# SPDX-License-Identifier: Apache-2.0
"""How long a starting encoder node takes to its first embedding, while the camera runs."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import rclpy
from liv_ros.msg import Embedding
from rclpy.executors import SingleThreadedExecutor

from bench.pairs import spread
from bench.results import Section
from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_model.folders import shipped
from liv_ros.demo import GOAL, RECORDING
from liv_ros.messages import STREAM_QOS
from liv_ros.node_process import NodeProcess
from liv_ros.run import init_rclpy

NAMESPACE = "/start"
_IMAGES = f"{NAMESPACE}/image"
_READY_S = 120.0


def measure(section: Section, bundle: Bundle, starts: int) -> None:
    """The row of so many starts, after one that fills the caches."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liv_bench_")))
        init_rclpy([])
        stack.callback(rclpy.try_shutdown)
        node = rclpy.create_node("bench_start")
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        embeddings: list[Embedding] = []
        node.create_subscription(Embedding, f"{NAMESPACE}/camera/embedding", embeddings.append, STREAM_QOS)
        shown = {"video": str(shipped(RECORDING)), "topic": _IMAGES, "count": 1_000_000}
        camera = NodeProcess("camera_node", shown, folder / "camera.log", namespace=NAMESPACE, package="bench")
        stack.callback(camera.stop)

        def start() -> float:
            known, begin = len(embeddings), time.monotonic()
            parameters = {
                "bundle": str(bundle.path),
                "goal": GOAL,
                "state_folder": str(folder),
                "camera.topic": _IMAGES,
            }
            encoder = NodeProcess("encoder_node", parameters, folder / "encoder.log", namespace=NAMESPACE)
            try:
                while len(embeddings) == known:
                    camera.require_running()
                    encoder.require_running()
                    executor.spin_once(timeout_sec=0.05)
                    if time.monotonic() - begin > _READY_S:
                        raise LivError("encoder_node", expected=f"an embedding within {_READY_S:.0f} s", got="none")
                return time.monotonic() - begin
            finally:
                encoder.stop()

        start()
        spent = [start() for _ in range(starts)]
        section.rows.append({"what": "start of encoder_node to its first embedding, warm cache", "s": spread(spent)})
