# SPDX-License-Identifier: Apache-2.0
"""Means and differences over seeds and tasks, with intervals, and what they say about a claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from liv_model.metrics import Estimate

LOWER_IS_BETTER = ("negative_rate",)
AGREES, DISAGREES, OPEN = "agrees", "disagrees", "open"
DRAWS = 10_000


def estimate(values: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Mean of a table with a 95 % percentile bootstrap over each of its axes (seeds, scenes, tasks), drawn crosswise.

    The interval is of the mean over others of their kind; what the axes are means of is in it through them. Three seeds
    are few: it is rather too narrow than too wide.

    Args:
        values: one axis for everything that is drawn again, such as (seeds, tasks).
        draws: bootstrap samples.
        seed: of those draws.

    Returns:
        With n the number of values.
    """
    rng = np.random.default_rng(seed)
    means = np.broadcast_to(values.astype(np.float64).reshape(1, -1), (draws, values.size))
    for k in values.shape:
        weights = rng.multinomial(k, [1 / k] * k, draws) / k  # (draws, k)
        means = np.einsum("dk,dkr->dr", weights, means.reshape(draws, k, -1))
    means = means[:, 0]
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high), values.size)


@dataclass(frozen=True)
class Comparison:
    """One thing less another, seed by seed and task by task, and what that says.

    Attributes:
        difference: of the means, positive where the first is better.
        by_seed: the same of each seed.
        verdict: ``agrees`` where the first is better beyond doubt: the interval above 0, and every seed too;
            ``disagrees`` where it is worse beyond doubt, likewise; else ``open``.
    """

    difference: Estimate
    by_seed: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """See the class."""
        if self.difference.low > 0 and min(self.by_seed) > 0:
            return AGREES
        if self.difference.high < 0 and max(self.by_seed) < 0:
            return DISAGREES
        return OPEN


def compare(better: np.ndarray, worse: np.ndarray, metric: str) -> Comparison:
    """What is claimed to be better against what is claimed to be worse.

    Args:
        better: (seeds, tasks).
        worse: likewise, the same seeds and tasks.
        metric: its name, as some are better when lower.
    """
    difference = (worse - better) if metric in LOWER_IS_BETTER else (better - worse)
    return Comparison(estimate(difference), tuple(float(x) for x in difference.mean(axis=1)))


def sentence(verdicts: Mapping[str, str], name: Callable[[str], str]) -> str:
    """What comparisons in several metrics say together.

    Args:
        verdicts: metric to verdict, at least one.
        name: of a metric, for people.
    """
    found = {v: [name(m) for m, verdict in verdicts.items() if verdict == v] for v in (AGREES, DISAGREES, OPEN)}
    if not found[AGREES] and not found[DISAGREES]:
        return f"Not decided here: no difference beyond doubt in {_list(found[OPEN])}."
    if len(found[AGREES]) == len(verdicts):
        return f"Agrees with the paper in {_list(found[AGREES])}."
    if len(found[DISAGREES]) == len(verdicts):
        return f"Does not agree with the paper: the other way round in {_list(found[DISAGREES])}."
    if found[AGREES] and found[DISAGREES]:
        start = f"Agrees with the paper in {_list(found[AGREES])}, and is the other way round in "
        start += _list(found[DISAGREES])
    elif found[AGREES]:
        start = f"Agrees with the paper in {_list(found[AGREES])}"
    else:
        start = f"Does not agree with the paper: the other way round in {_list(found[DISAGREES])}"
    return start + (f"; no difference beyond doubt in {_list(found[OPEN])}." if found[OPEN] else ".")


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
