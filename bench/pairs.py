# SPDX-License-Identifier: Apache-2.0
"""Figures of sides that took turns: medians with their spread, and ratios pair by pair.

A machine drifts (heat, neighbours, caches). Two sides that are measured one right after the other drift together, so
the ratio within a pair says more than the ratio of two averages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

Measured = TypeVar("Measured")
_DIGITS = 4


def in_turns(sides: Mapping[str, Callable[[], Measured]], rounds: int) -> Iterator[dict[str, Measured]]:
    """Call every side once a round, each round beginning with another one, so that no side is always the first.

    Args:
        sides: by name, what makes one measurement.
        rounds: how many rounds.

    Yields:
        After each round its measurements by side, in the order of ``sides``.
    """
    names = list(sides)
    for number in range(rounds):
        first = number % len(names)
        measured = {name: sides[name]() for name in names[first:] + names[:first]}
        yield {name: measured[name] for name in names}


def spread(figures: Sequence[float]) -> dict[str, float]:
    """``n``, ``median``, ``p10`` and ``p90`` of one or more figures, to four digits."""
    low, middle, high = np.percentile(np.asarray(figures, np.float64), (10, 50, 90))
    return {"n": len(figures), "median": digits(middle), "p10": digits(low), "p90": digits(high)}


def ratios(these: Sequence[float], to_those: Sequence[float]) -> dict[str, float]:
    """The spread of ``these[i] / to_those[i]`` over the pairs."""
    return spread([this / that for this, that in zip(these, to_those, strict=True)])


def digits(number: float) -> float:
    """A figure to four digits."""
    return float(f"{number:.{_DIGITS}g}")
