# SPDX-License-Identifier: Apache-2.0
"""recorder_node beside a robot of two JPEG cameras with all their traces: its share of a core, and what it lost."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.options import Options
from bench.pairs import digits, spread
from bench.process_time import cpu_s
from bench.results import Section
from bench.robot_node import TRACES, picture_topic
from liv_model.bags import open_bag_as_bytes
from liv_model.errors import LivError
from liv_model.folders import shipped
from liv_model.progress_bar import progress_bar
from liv_ros.demo import RECORDING
from liv_ros.node_process import NodeProcess

NAMESPACE = "/robot"
CAMERAS = ("front", "wrist")
RATE_HZ, SIZE, DIM = 30.0, (640, 480), 256
_READY_S = 60.0
_LOOK_EVERY_S = 0.02


def measure(section: Section, options: Options) -> None:
    """One row; each round records another bag."""
    count = round(options.recorded_s * RATE_HZ)
    shares, lost, sizes = [], 0, []
    with (
        tempfile.TemporaryDirectory(prefix="liv_bench_") as name,
        progress_bar("recording", options.recorded_rounds, transient=True) as done,
    ):
        for number in range(options.recorded_rounds):
            share, found = _turn(Path(name), number, count)
            shares.append(100 * share)
            lost += sum(count - found[topic] for topic in _topics())
            sizes.append(sum(file.stat().st_size for file in (Path(name) / f"bag{number}").iterdir()))
            done(1)
    section.rows.append(
        {
            "cameras": f"{len(CAMERAS)} of {SIZE[0]}x{SIZE[1]} JPEG, {RATE_HZ:g} Hz",
            "topics": len(_topics()),
            "messages": len(_topics()) * count * options.recorded_rounds,
            "lost": lost,
            "percent_of_core": spread(shares),
            "mb_per_minute": digits(sum(sizes) / 1e6 / (options.recorded_rounds * options.recorded_s / 60)),
        }
    )


def _topics() -> Sequence[str]:
    """All but the goal, which is published once."""
    names = [name for camera in CAMERAS for name in (picture_topic(camera), *(f"{camera}/{trace}" for trace in TRACES))]
    return [f"{NAMESPACE}/{name}" for name in names]


def _turn(folder: Path, number: int, count: int) -> tuple[float, Counter[str]]:
    """The recorder's share of a core while the robot is at it, and how many messages of each topic are in the bag."""
    bag = folder / f"bag{number}"
    recorded = {"output": str(bag), "topics": [*_topics(), f"{NAMESPACE}/active_goal"], "keep_free_mb": 100}
    shown = {"video": str(shipped(RECORDING)), "count": count, "rate_hz": RATE_HZ, "dim": DIM, "cameras": list(CAMERAS)}
    shown |= {"width": SIZE[0], "height": SIZE[1]}
    recorder = NodeProcess("recorder_node", recorded, folder / f"recorder{number}.log", namespace=NAMESPACE)
    robot = NodeProcess("robot_node", shown, folder / f"robot{number}.log", namespace=NAMESPACE, package="bench")
    try:
        _wait_for(robot, recorder, '"began"')
        began_s, began_cpu_s = time.monotonic(), cpu_s([recorder.pid])
        _wait_for(robot, recorder, '"published"')
        share = (cpu_s([recorder.pid]) - began_cpu_s) / (time.monotonic() - began_s)
        robot.wait(_READY_S)  # its last messages arrive
    finally:
        robot.stop()
        recorder.stop()
    with open_bag_as_bytes(bag) as reader:
        return share, Counter(connection.topic for connection, _, _ in reader.messages())


def _wait_for(robot: NodeProcess, recorder: NodeProcess, word: str) -> None:
    end_s = time.monotonic() + _READY_S + 600
    while word not in robot.output:
        robot.require_running()
        recorder.require_running()
        if time.monotonic() > end_s:
            raise LivError("bench robot", expected=f"to print {word}", got=robot.last_line)
        time.sleep(_LOOK_EVERY_S)
