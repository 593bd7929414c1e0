# SPDX-License-Identifier: Apache-2.0
"""What a fault proof is, and what the proofs of faults share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liv_ros.msg import Reward

from liv_model.errors import LivError
from proofs.graph import Graph

RATE_HZ = 30.0


class BrokenError(LivError):
    """What must hold did not."""


class NotHereError(LivError):
    """A fault that cannot be made here."""


@dataclass(frozen=True)
class Site:
    """Where a fault is proven.

    Attributes:
        folder: for logs and state.
        bundle: model bundle.
        seconds: how long each of its phases lasts.
    """

    folder: Path
    bundle: str
    seconds: float


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: what happens.
        holds: what must hold.
        prove: makes it happen to nodes of the site's, has the graph's consumer check the rules, and says what was
            found; raises BrokenError, or NotHereError.
    """

    name: str
    holds: str
    prove: Callable[[Site, Callable[..., Graph]], str]

    @property
    def row(self) -> dict[str, Any]:
        """Of the table, with nothing found yet."""
        return {"fault": self.name, "holds": self.holds, "found": "", "crashes": [], "violations": []}


def require(holds: object, what: str, got: object) -> None:
    """BrokenError unless something holds."""
    if not holds:
        raise BrokenError(what, got=got)


def firsts(rewards: list[Reward]) -> int:
    """How many episodes begin in some rewards."""
    return sum(reward.is_first for reward in rewards)
