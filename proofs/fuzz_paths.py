# SPDX-License-Identifier: Apache-2.0
"""Mutated messages through the conversions and goals of the encoder, in this process: a result or a refusal."""

from __future__ import annotations

import faulthandler
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

from liv_ros.msg import Goal as GoalMessage
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder
from liv_model.errors import LivError
from liv_model.goal import Goal, GoalResolver
from liv_model.image import to_square
from liv_model.image_header import coded_size
from liv_ros.image_conversion import to_rgb
from liv_ros.messages import goal_from_message
from proofs.memory import peak_mib, private_mib
from proofs.mutate import KINDS, Message, Mutator

GROWTH_MIB, PEAK_MIB = 16.0, 1024.0
SLOWEST_CPU_MS = 2000.0
HANG_S = 60.0
_CRASHES_KEPT = 10


class Paths:
    """What the encoder does with a message, without DDS."""

    def __init__(self, bundle: Bundle, encoder: Encoder):
        self._image = bundle.image
        self._resolver = GoalResolver(bundle, encoder)

    def take(self, message: Message) -> None:
        """Once over the wire and through; LivError for a message that is refused."""
        message = deserialize_message(serialize_message(message), type(message))
        if isinstance(message, (Image, CompressedImage)):
            to_square(to_rgb(message), self._image)
        elif isinstance(message, GoalMessage):
            self._resolver.resolve(goal_from_message(message))
        else:
            self._resolver.resolve(Goal(message.data))


def fuzz(paths: Paths, count: int, seed: int, done: Callable[[int], None]) -> dict[str, Any]:
    """Take ``count`` messages, all kinds in turn; ``done`` is told how many more are done.

    Ctrl-C ends it with what was found so far. A hang ends the process with the stack of every thread.
    """
    row = {"part": "paths", "seed": seed, "wanted": count, "taken": 0, "refused": 0}
    found: dict[str, Any] = {"crashes": [], "slowest_ms": 0.0, "slowest_cpu_ms": 0.0, "slowest": "", "by_kind": {}}
    counts: Counter[tuple[str, str]] = Counter()
    memory_mib: list[float] = []
    mutator, begin_mib = Mutator(seed), peak_mib()
    try:
        for number, kind in enumerate(islice(_kinds(), count)):
            if number % 100 == 0:
                faulthandler.dump_traceback_later(HANG_S, exit=True)
            if number % max(count // 20, 1) == 0:
                memory_mib.append(private_mib())
            counts[kind, _take(paths, mutator.message(kind), found)] += 1
            done(1)
    except KeyboardInterrupt:
        found["interrupted"] = True
    finally:
        faulthandler.cancel_dump_traceback_later()
    memory_mib.append(private_mib())
    for kind in KINDS:
        row["taken"] += counts[kind, "taken"]
        row["refused"] += counts[kind, "refused"]
        found["by_kind"][kind] = {result: counts[kind, result] for result in ("taken", "refused", "crashed")}
    growth = memory_mib[-1] - memory_mib[min(2, len(memory_mib) - 1)]  # after the first tenth
    peak = peak_mib() - begin_mib
    whole = sum(counts.values()) == count
    limits = growth <= GROWTH_MIB and peak <= PEAK_MIB and found["slowest_cpu_ms"] <= SLOWEST_CPU_MS
    return {
        **row,
        **found,
        "n": sum(counts.values()),
        "memory_mib": [round(mib, 1) for mib in memory_mib],
        "growth_mib": round(growth, 2),
        "peak_mib": round(peak, 1),
        "passed": whole and not found["crashes"] and limits,
    }


def _kinds():
    while True:
        yield from KINDS


def _take(paths: Paths, message: Message, found: dict[str, Any]) -> str:
    begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
    try:
        paths.take(message)
        return "taken"
    except LivError:
        return "refused"
    except Exception as error:  # that is what is looked for
        if len(found["crashes"]) < _CRASHES_KEPT:
            found["crashes"].append(f"{type(message).__name__}: {error!r}"[:500])
        return "crashed"
    finally:
        spent_ms, spent_cpu_ms = (time.perf_counter() - begin_s) * 1e3, (time.process_time() - begin_cpu_s) * 1e3
        found["slowest_ms"] = max(found["slowest_ms"], round(spent_ms, 1))  # of which others may have taken their part
        if spent_cpu_ms > found["slowest_cpu_ms"]:
            found["slowest_cpu_ms"], found["slowest"] = round(spent_cpu_ms, 1), _describe(message)


def _describe(message: Message) -> str:
    """A message in one line."""
    if isinstance(message, Image):
        return f"Image {message.encoding[:20]} {message.width}x{message.height}, {len(message.data)} bytes"
    if isinstance(message, CompressedImage):
        return f"CompressedImage {message.format[:20]} {coded_size(bytes(message.data))}, {len(message.data)} bytes"
    if isinstance(message, GoalMessage):
        return f"Goal {message.text[:40]!r} and {_describe(message.image)}"
    return f"String of {len(message.data)} characters: {message.data[:40]!r}"
