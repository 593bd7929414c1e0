# SPDX-License-Identifier: Apache-2.0
"""The live part of the soak: cameras play, goals and bundles change, and everything that is heard is checked."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from liv_ros.srv import LoadBundle

from liv_model.bundle import Bundle
from proofs.faults_of_nodes import other_bundle
from proofs.graph import Graph
from proofs.memory import private_mib
from proofs.rules import Rules

CAMERAS = ("front", "wrist")
RATE_HZ = 30.0
SIZE = (640, 480)
GOAL_EVERY_S, BUNDLE_EVERY_S = 10.0, 30.0
TEXTS = ("open the drawer", "close the drawer", "open the door", "sing me a song")
_LOOK_EVERY_S = 1.0


@dataclass
class Heard:
    """What a soak has measured.

    Attributes:
        rules: the checker.
        published: pictures.
        seconds: how long it lasted.
        goals, swaps: how many were asked for, and taken into use.
        failures: what was refused or ended.
        latency_ms: time since the begin (s) and stamp to receipt of each reward.
        memory_mib: time since the begin (s) and memory, by node.
        interrupted: whether it was ended before its time.
    """

    rules: Rules
    published: int = 0
    seconds: float = 0.0
    goals: int = 0
    swaps: int = 0
    failures: list[str] = field(default_factory=list)
    latency_ms: list[tuple[float, float]] = field(default_factory=list)
    memory_mib: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    interrupted: bool = False


def soak(folder: Path, bundle: str, seconds: float, done: Callable[[int], None]) -> Heard:
    """Run for some seconds; ``done`` is told of each one. Ctrl-C ends it with what was measured so far."""
    bundles = itertools.cycle([str(other_bundle(Bundle.load(bundle), folder / "other").path), bundle])
    with Graph(folder, bundle, CAMERAS, SIZE) as graph:
        heard = Heard(graph.rules)
        nodes = [*graph.start_all(), graph.start("monitor_node")]
        for camera in graph.cameras.values():
            camera.play(RATE_HZ)
        _change_goals(graph, heard)
        _change_bundles(graph, heard, bundles)
        begin_s = time.monotonic()
        graph.spin(_LOOK_EVERY_S)
        _forget(graph)
        try:
            while heard.seconds < seconds:
                graph.spin(_LOOK_EVERY_S)
                graph.require_running()
                heard.seconds = time.monotonic() - begin_s
                for node in nodes:
                    heard.memory_mib.setdefault(node.name, []).append((heard.seconds, private_mib(node.pid)))
                heard.latency_ms += [(heard.seconds, ms) for name in CAMERAS for ms in graph.latency_ms[name]]
                _forget(graph)
                done(1)
        except KeyboardInterrupt:
            heard.interrupted = True
        for camera in graph.cameras.values():
            camera.pause()
        graph.spin(_LOOK_EVERY_S)  # what is on its way
        heard.published = sum(camera.count for camera in graph.cameras.values())
    graph.rules.close()
    return heard


def _forget(graph: Graph) -> None:
    """What this process keeps must not grow either."""
    for name in CAMERAS:
        graph.latency_ms[name].clear()
        del graph.rewards[name][:-100]
    del graph.goals[:-100], graph.states[:-100]


def _change_goals(graph: Graph, heard: Heard) -> None:
    texts = itertools.cycle(TEXTS)

    def change() -> None:
        graph.publish_goal(next(texts))
        heard.goals += 1

    graph.node.create_timer(GOAL_EVERY_S, change)


def _change_bundles(graph: Graph, heard: Heard, bundles: itertools.cycle[str]) -> None:
    client = graph.node.create_client(LoadBundle, "load_bundle")

    def on_answer(future) -> None:
        answer = future.result()
        heard.swaps += answer.success
        if not answer.success:
            heard.failures.append(f"load_bundle: {answer.message}")

    def change() -> None:
        if client.service_is_ready():
            client.call_async(LoadBundle.Request(path=next(bundles))).add_done_callback(on_answer)
        else:
            heard.failures.append("load_bundle: no such service")

    graph.node.create_timer(BUNDLE_EVERY_S, change)
