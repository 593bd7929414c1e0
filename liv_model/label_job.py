# SPDX-License-Identifier: Apache-2.0
"""What is asked of a labelling, what is asked of one bag, and what became of it; all plain, to be sent to workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from liv_model.goal import Goal, ResolvedGoal
from liv_model.label_sources import Wish

MOST_NAMED = 10


@dataclass(frozen=True)
class Setup:
    """What is the same for every bag.

    Attributes:
        bundle: folder of the model; None is the one that ships.
        goal: for the whole of every bag; None = the goals that the bags hold.
        goal_name: in ids and tables, where the goal has no text.
        resolved: what the model makes of ``goal``, where that is known already.
        wish: what to label from.
        smoothing_s: as reward_node's parameter.
        backend, device, precision, threads: see :func:`liv_model.encoder.open_encoder`.
    """

    bundle: str | None = None
    goal: Goal | None = None
    goal_name: str = "goal"
    resolved: ResolvedGoal | None = None
    wish: Wish = field(default_factory=Wish)
    smoothing_s: float = 0.0
    backend: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class BagJob:
    """One bag to label.

    Attributes:
        bag: to read.
        output: bag to write, or None.
        table: Parquet file to write, or None.
        overwrite: whether an output that exists is replaced.
    """

    bag: Path
    output: Path | None = None
    table: Path | None = None
    overwrite: bool = False


@dataclass
class Labelled:
    """What became of a bag; everything plain, so that it can be sent and printed.

    Attributes:
        bag: that was read.
        output: that was written, or "".
        source: ``embeddings`` or ``images``.
        model: ``name@digest``.
        frames: messages of the cameras' topics.
        rewards: how many by camera.
        goals: in words, or ids, in their order.
        dropped: frames without a reward, by cause.
        broken: how many pictures do not decode.
        remarks: what a person should know.
        seconds: it took.
    """

    bag: str
    output: str
    source: str = ""
    model: str = ""
    frames: int = 0
    rewards: dict[str, int] = field(default_factory=dict)
    goals: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    broken: int = 0
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def remark(self, words: str) -> None:
        """Keep a remark, if there are not too many yet."""
        if len(self.remarks) < MOST_NAMED and words not in self.remarks:
            self.remarks.append(words)
