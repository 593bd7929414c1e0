# SPDX-License-Identifier: Apache-2.0
"""The live graph beside the naive node: one camera, which shows its pictures to one side after the other.

Both sides run all the time, each on an image topic of its own; in a turn a camera process publishes on one of them,
and the other side idles. Rewards of both are received here, in one process.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from liv_ros.msg import Reward
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from bench.options import Options
from bench.pairs import digits, in_turns, ratios
from bench.process_time import cpu_s
from bench.results import Section
from bench.stream import Stream
from liv_model.bundle import Bundle
from liv_model.encoder import open_encoder
from liv_model.errors import LivError
from liv_model.folders import shipped
from liv_model.progress_bar import progress_bar
from liv_ros.demo import GOAL, RECORDING
from liv_ros.messages import STREAM_QOS, stamp_ns
from liv_ros.node_process import NodeProcess
from liv_ros.run import init_rclpy

NAIVE = "naive node"
WARM_UP_S = 1.0
QUIET_S = 0.5
READY_S = 120.0
_PERCENTILES = (50, 95, 99)


@dataclass
class Turn:
    """What came of one turn of one side.

    Attributes:
        published: pictures after the first one that was scored after the warm-up.
        camera_hz: rate that the camera kept.
        latency_ms: stamp to receipt of each reward, in the order received.
        cpu_s: processor time of the side's processes over the turn.
        values: value by the number of the picture.
        encode_p50_ms: of the encoder's latest calls, as it tells; None of a side that does not.
    """

    published: int = 0
    camera_hz: float = 0.0
    latency_ms: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    values: dict[int, float] = field(default_factory=dict)
    encode_p50_ms: float | None = None

    @property
    def p99_ms(self) -> float:
        """Of the latencies."""
        return float(np.percentile(self.latency_ms, 99))

    @property
    def cpu_ms_per_frame(self) -> float:
        """Processor time for each scored picture."""
        return self.cpu_s * 1e3 / len(self.latency_ms)


@dataclass(frozen=True)
class Contender:
    """A side of the comparison: its nodes, and the topics that tie them to the camera and to us."""

    name: str
    namespace: str
    nodes: tuple[tuple[str, str, dict[str, object]], ...]  # package, name, parameters

    @property
    def images(self) -> str:
        """The topic that its camera publishes."""
        return f"{self.namespace}/image"


class Watcher(Node):
    """Receives the rewards of all sides, and how long encoders say that they take."""

    def __init__(self, contenders: list[Contender]):
        super().__init__("bench")
        self.encode_p50_ms: dict[str, float] = {}  # by the name of the encoder node
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.on_reward: Callable[[str, Reward, float], None] = lambda name, reward, latency_ms: None
        for contender in contenders:
            self.create_subscription(
                Reward,
                f"{contender.namespace}/camera/reward",
                lambda reward, name=contender.name: self._receive(name, reward),
                STREAM_QOS,
            )

    def _receive(self, name: str, reward: Reward) -> None:
        latency_ms = (self.get_clock().now().nanoseconds - stamp_ns(reward.header)) / 1e6
        self.on_reward(name, reward, latency_ms)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            for pair in status.values:
                if pair.key == "encode p50 (ms)":
                    self.encode_p50_ms[f"/{status.name}"] = float(pair.value)


def measure(section: Section, bundle: Bundle, precisions: list[str], options: Options) -> None:
    """Rows of ours in each precision beside the naive node, for every stream of the options.

    A precision that does not serve here is skipped with the encoder's own words.
    """
    precisions = [precision for precision in precisions if _serves(section, bundle, precision, options.threads)]
    for transport in dict.fromkeys(stream.transport for stream in options.streams):
        streams = [stream for stream in options.streams if stream.transport == transport]
        with Arena(_contenders(bundle, precisions, transport, options.threads)) as arena:
            for stream in streams:
                _measure_stream(section, arena, stream, bundle, options)


def _serves(section: Section, bundle: Bundle, precision: str, threads: int) -> bool:
    """Open the encoder once here: what has to be built is built before the nodes start."""
    try:
        open_encoder(bundle, "openvino", threads=threads, precision=precision).close()
    except LivError as error:
        section.skip(f"{bundle.name}: ours, {precision}", error)
        return False
    return True


def _measure_stream(section: Section, arena: Arena, stream: Stream, bundle: Bundle, options: Options) -> None:
    measured: dict[str, list[Turn]] = {contender.name: [] for contender in arena.contenders}
    sides = {c.name: lambda c=c: arena.turn(c, stream, options.turn_s) for c in arena.contenders}
    try:
        with progress_bar(f"graph, {bundle.name}, {stream}", options.graph_rounds * len(sides), transient=True) as done:
            for whole in in_turns(sides, options.graph_rounds):
                for name, turn in whole.items():
                    measured[name].append(turn)
                    done(1)
    finally:
        section.rows += rows(measured, {"model": bundle.identity, **vars(stream)})


def rows(measured: dict[str, list[Turn]], what: dict[str, object]) -> list[dict[str, object]]:
    """A row for each side with at least one turn; ``p99_share`` and ``cpu_share`` are pair by pair of the naive's."""
    found = []
    for name, turns in measured.items():
        if not turns or not all(turn.latency_ms for turn in turns):
            continue
        latencies = np.percentile([ms for turn in turns for ms in turn.latency_ms], _PERCENTILES)
        row = {
            **what,
            "side": name,
            "turns": len(turns),
            "n": sum(len(turn.latency_ms) for turn in turns),
            "published": sum(turn.published for turn in turns),
            "camera_hz": digits(float(np.median([turn.camera_hz for turn in turns]))),
            **{f"p{p}_ms": digits(float(ms)) for p, ms in zip(_PERCENTILES, latencies, strict=True)},
            "cpu_ms": digits(sum(turn.cpu_s for turn in turns) * 1e3 / sum(len(turn.latency_ms) for turn in turns)),
        }
        if turns[-1].encode_p50_ms is not None:
            row["encode_p50_ms"] = turns[-1].encode_p50_ms
        peers = measured.get(NAIVE, [])
        if name != NAIVE and peers and all(turn.latency_ms for turn in peers):
            row["p99_share"] = ratios([turn.p99_ms for turn in turns], [turn.p99_ms for turn in peers])
            row["cpu_share"] = ratios([t.cpu_ms_per_frame for t in turns], [t.cpu_ms_per_frame for t in peers])
            row["values_differ_by"] = digits(_difference(turns, peers))
        found.append(row)
    return found


def _difference(these: list[Turn], those: list[Turn]) -> float:
    """The largest difference of the values of one picture: both sides must compute the same thing."""
    pairs = [(a.values, b.values) for a, b in zip(these, those, strict=True)]
    return max((abs(a[number] - b[number]) for a, b in pairs for number in a.keys() & b.keys()), default=0.0)


def _contenders(bundle: Bundle, precisions: list[str], transport: str, threads: int) -> list[Contender]:
    found = [ours(bundle, precision, transport, threads) for precision in precisions]
    naive = {"bundle": str(bundle.path), "goal": GOAL, "topic": "/naive/image", "transport": transport}
    naive["threads"] = threads
    return [*found, Contender(NAIVE, "/naive", (("bench", "naive_node", naive),))]


def ours(bundle: Bundle, precision: str, transport: str, threads: int) -> Contender:
    """encoder_node and reward_node."""
    namespace = f"/ours_{precision}"
    encoder = {
        "bundle": str(bundle.path),
        "goal": GOAL,
        "backend": "openvino",
        "precision": precision,
        "threads": threads,
        "camera.topic": f"{namespace}/image",
        "camera.transport": transport,
    }
    nodes = (("liv_ros", "encoder_node", encoder), ("liv_ros", "reward_node", {}))
    return Contender(f"ours, {precision}", namespace, nodes)


class Arena:
    """All sides, running; a context manager."""

    def __init__(self, contenders: list[Contender]):
        self.contenders = contenders
        self._processes: dict[str, list[NodeProcess]] = {}
        self._count = 0

    def __enter__(self) -> Arena:
        self._stack = ExitStack()
        try:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="liv_bench_")))
            init_rclpy([])
            self._stack.callback(rclpy.try_shutdown)
            self._watcher = Watcher(self.contenders)
            self._executor = SingleThreadedExecutor()
            self._executor.add_node(self._watcher)
            for contender in self.contenders:
                self._processes[contender.name] = [self._start(contender, *node) for node in contender.nodes]
            for contender in self.contenders:
                self._wait_until_ready(contender)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()

    def process(self, contender: Contender, name: str) -> NodeProcess:
        """One of the nodes of a side."""
        return next(process for process in self._processes[contender.name] if process.name == name)

    def turn(self, contender: Contender, stream: Stream, seconds: float) -> Turn:
        """Show one side the camera for some seconds, after a warm-up that does not count."""
        processes = self._processes[contender.name]
        pids = [process.pid for process in processes]
        warm_up, count = (round(s * stream.rate_hz) for s in (WARM_UP_S, WARM_UP_S + seconds))
        turn, begin_cpu_s = Turn(), None

        def receive(name: str, reward: Reward, latency_ms: float) -> None:
            nonlocal begin_cpu_s
            number = int(reward.header.frame_id)
            if name != contender.name or number < warm_up:
                return
            if begin_cpu_s is None:  # what the side did until here does not count, nor does this picture
                begin_cpu_s, turn.published = cpu_s(pids), count - number - 1
                return
            turn.latency_ms.append(latency_ms)
            turn.values[number] = reward.value

        self._watcher.on_reward = receive
        camera = self._camera(contender, stream, count)
        self._watch(camera, processes)
        turn.cpu_s = cpu_s(pids) - (begin_cpu_s or 0.0)
        kept = json.loads(camera.last_line)
        turn.camera_hz = kept["published"] / kept["seconds"]
        turn.encode_p50_ms = self._watcher.encode_p50_ms.get(f"{contender.namespace}/encoder_node")
        return turn

    def _watch(self, camera: NodeProcess, processes: list[NodeProcess]) -> None:
        end = None
        while end is None or time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)
            if end is None and not camera.is_running:
                if camera.wait(0):
                    raise LivError("bench camera", got=camera.last_line)
                end = time.monotonic() + QUIET_S
        for process in processes:
            process.require_running()

    def _camera(self, contender: Contender, stream: Stream, count: int) -> NodeProcess:
        shown = {"video": str(shipped(RECORDING)), "topic": contender.images, "count": count, **vars(stream)}
        return self._start(contender, "bench", "camera_node", shown)

    def _start(self, contender: Contender, package: str, name: str, parameters: dict[str, object]) -> NodeProcess:
        if name == "encoder_node":
            state = self._folder / contender.namespace.strip("/")
            parameters = {**parameters, "state_folder": str(state)}
        self._count += 1
        log = self._folder / f"{self._count}_{name}.log"
        process = NodeProcess(name, parameters, log, namespace=contender.namespace, package=package)
        self._stack.callback(process.stop)
        return process

    def _wait_until_ready(self, contender: Contender) -> None:
        """Until a few pictures have been scored."""
        received = []
        self._watcher.on_reward = lambda name, reward, latency_ms: received.append(name)
        camera = self._camera(contender, Stream(64, 48, _transport(contender), 10.0), round(READY_S * 10))
        deadline = time.monotonic() + READY_S
        while received.count(contender.name) < 3:
            self._executor.spin_once(timeout_sec=0.05)
            for process in (*self._processes[contender.name], camera):
                process.require_running()
            if time.monotonic() > deadline:
                raise LivError(contender.name, expected=f"rewards within {READY_S:.0f} s", got="none")
        camera.stop()


def _transport(contender: Contender) -> str:
    parameters = contender.nodes[0][2]
    return str(parameters.get("transport") or parameters["camera.transport"])
