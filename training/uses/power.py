# SPDX-License-Identifier: Apache-2.0
"""How often a study of this size would see a difference: before "not decided" is read as "no difference"."""

from __future__ import annotations

import numpy as np

from training.results.compare import AGREES
from training.uses.findings import verdict


def power(worse: np.ndarray, points: float, *, studies: int = 200, seed: int = 0) -> float:
    """The share of simulated studies of this size whose verdict is ``agrees``.

    Each attempt is independent of the others, with the rate of its task; every task's rate is raised by as much as it
    takes for the mean to rise by ``points``, up to 1.

    Args:
        worse: whether attempts succeeded without the difference, (seeds, scenes, tasks): their rates, task by task.
        points: the difference, per cent of attempts.
        studies: how many are simulated.
        seed: of their draws.

    Returns:
        In [0, 1]; NaN where the tasks have no room for such a difference.
    """
    rates = worse.mean(axis=(0, 1))  # (tasks,)
    if rates.mean() + points / 100 > 1:
        return float("nan")
    raised, rng = _raise(rates, points / 100), np.random.default_rng(seed)
    found = []
    for _ in range(studies):
        better, drawn = (rng.random(worse.shape) < share for share in (raised, rates))
        found.append(verdict(better.astype(float) - drawn, draws=1000) == AGREES)
    return float(np.mean(found))


def _raise(rates: np.ndarray, by: float) -> np.ndarray:
    """Rates raised by one amount each, up to 1, so that their mean rises by ``by``: found by halving."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(rates + middle, 1).mean() < rates.mean() + by else (low, middle)
    return np.minimum(rates + high, 1)
