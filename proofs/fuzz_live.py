# SPDX-License-Identifier: Apache-2.0
"""Mutated messages to live nodes over DDS: they stay up, refuse, and reward the next good picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from liv_ros.msg import Goal
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from liv_model.errors import LivError
from proofs.graph import NAMESPACE, Graph
from proofs.memory import private_mib
from proofs.mutate import KINDS, Mutator

GROWTH_MIB = 16.0
_ROUNDS = 20
_COMPRESSED = f"{NAMESPACE}/spoilt/compressed"


def fuzz_live(
    folder: Path, bundle: str, count: int, seed: int, done: Callable[[int], None], within_s: float = 10.0
) -> dict[str, Any]:
    """Publish ``count`` messages, all kinds in turn, and after each twentieth of them ask for a goal and a reward.

    Args:
        folder: for logs and state.
        bundle: model bundle, "" = the shipped one.
        count: how many.
        seed: of the mutations.
        done: is told how many more are done.
        within_s: how soon a reward must come.
    """
    row: dict[str, Any] = {"part": "live nodes", "seed": seed, "wanted": count, "n": 0, "crashes": []}
    reward_s: list[float] = []
    memory_mib: list[dict[str, float]] = []
    with Graph(folder, bundle, others_ask=True) as graph:
        spoilt = {"cameras": ["camera", "spoilt"], "spoilt.topic": _COMPRESSED, "spoilt.transport": "compressed"}
        processes = graph.start_all(**spoilt)
        publishers = _publishers(graph)
        mutator = Mutator(seed)
        try:
            for _ in range(_ROUNDS):
                for _ in range(count // _ROUNDS // len(KINDS)):
                    for kind in KINDS:
                        publishers[kind](mutator.message(kind))
                    graph.spin(0.002)
                    row["n"] += len(KINDS)
                    done(len(KINDS))
                reward_s.append(_answers(graph, within_s))
                memory_mib.append({process.name: private_mib(process.pid) for process in processes})
        except KeyboardInterrupt:
            row["interrupted"] = True
        except LivError as error:
            row["crashes"].append(str(error))
        row["refused"] = _refused(graph)
        violations = [f"rule {violation.rule}: {violation.what}" for violation in graph.rules.close()]
    first = memory_mib[min(2, len(memory_mib) - 1)] if memory_mib else {}
    growth = {name: round(memory_mib[-1][name] - first[name], 2) for name in first}
    whole = len(reward_s) == _ROUNDS
    return {
        **row,
        "violations": violations,
        "reward_after_s": round(max(reward_s, default=float("nan")), 3),
        "growth_mib": max(growth.values(), default=0.0),
        "growth_mib_by_node": growth,
        "passed": whole and not row["crashes"] and not violations and max(growth.values()) <= GROWTH_MIB,
    }


def _publishers(graph: Graph) -> dict[str, Callable[[Any], None]]:
    make = graph.node.create_publisher
    publishers = {
        "Image": [graph.cameras["camera"].publisher, make(Image, "goal/image", 10)],
        "CompressedImage": [make(CompressedImage, _COMPRESSED, QoSProfile(depth=10))],
        "Goal": [make(Goal, "goal", 10)],
        "String": [make(String, "goal/text", 10)],
    }
    for publisher in (publisher for kind in publishers.values() for publisher in kind):
        graph.wait(publisher.get_subscription_count, f"a subscriber of {publisher.topic}")
    turn = {kind: 0 for kind in publishers}

    def publish(kind: str, message: Any) -> None:
        turn[kind] += 1
        if isinstance(message, Image):
            message.header.frame_id = f"spoilt {turn[kind]}"
            message.header.stamp = graph.node.get_clock().now().to_msg()
            graph.rules.picture("camera", message.header)
        publishers[kind][turn[kind] % len(publishers[kind])].publish(message)

    return {kind: lambda message, kind=kind: publish(kind, message) for kind in publishers}


def _answers(graph: Graph, within_s: float) -> float:
    """Ask for a goal, and say how long the first reward for it took."""
    graph.require_running()
    graph.ask("open the drawer")
    return graph.wait_for_rewards(within_s)


def _refused(graph: Graph) -> int:
    """Frames and goals that the encoder says it refused."""
    told = graph.health.get("encoder_node", {})
    return sum(int(value) for key, value in told.items() if "refused" in key and str(value).isdigit())
