# SPDX-License-Identifier: Apache-2.0
"""What is measured, and how long: all of it, or a quick look."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.stream import Stream

_SIZES = ((640, 480), (1920, 1080))
_ALL_STREAMS = tuple(
    Stream(width, height, transport, rate_hz)
    for transport, (width, height), rate_hz in product(("raw", "compressed"), _SIZES, (30.0, 60.0))
)


@dataclass(frozen=True)
class Options:
    """How the benchmark is run.

    Attributes:
        bundle: folder of the model; None is the one that ships.
        bundles: folder that keeps the bundles of RN50 and ViT-B-32; None leaves them out.
        threads: of the CPU, for every side alike.
        batches: pictures a call.
        rounds: of the encoders, in which every side has one turn.
        compiled: whether torch.compile is a side; it takes a minute or more for each shape.
        streams: what the camera of the graph shows.
        turn_s: of the graph, without its warm-up.
        graph_rounds: of the graph.
        offline_frames: frames of the recordings that are made for `liv reward`.
        offline_rounds: of each way to read them.
        recorded_s: of what recorder_node records, a round.
        recorded_rounds: of that.
        starts: how often a node and an import are started.
    """

    bundle: str | None = None
    bundles: Path | None = None
    threads: int = 1
    batches: tuple[int, ...] = (1, 4, 16)
    rounds: int = 12
    compiled: bool = True
    streams: tuple[Stream, ...] = _ALL_STREAMS
    turn_s: float = 6.0
    graph_rounds: int = 4
    offline_frames: int = 600
    offline_rounds: int = 7
    recorded_s: float = 20.0
    recorded_rounds: int = 5
    starts: int = 5

    @classmethod
    def quick(cls, **chosen) -> Options:
        """A minute or two: one batch, one stream, few rounds."""
        return cls(
            batches=(1,),
            rounds=5,
            compiled=False,
            streams=_ALL_STREAMS[:1],
            turn_s=4.0,
            graph_rounds=2,
            offline_frames=120,
            offline_rounds=3,
            recorded_s=5.0,
            recorded_rounds=2,
            starts=2,
            **chosen,
        )


def usable_threads() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
