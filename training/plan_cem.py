# SPDX-License-Identifier: Apache-2.0
"""The cross-entropy method over action sequences: draw, score, keep the best, draw around them again.

Sources: Rubinstein & Kroese 2004; noise that is smooth in time and elites that are kept, as in iCEM (Pinneri et al.,
CoRL 2020, arXiv 2008.06389), because a robot's useful motions are smooth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from liv_model.errors import ConfigError

Score = Callable[[np.ndarray], np.ndarray]
_MEMORY = 0.8  # of the noise, from one action to the next
_MOMENTUM = 0.1
_LEAST_SPREAD = 0.1
_KEPT = 0.3  # of the elites go into the next draw as they are


@dataclass(frozen=True)
class Cem:
    """Settings of the search; the horizon, and 200 sequences in all, are the paper's for Meta-World.

    Attributes:
        sequences: drawn in each iteration.
        horizon: actions of a sequence.
        iterations: how often the distribution is moved.
        elites: the share of the sequences that it is moved to.
        spread: standard deviation of an action before the first iteration, as a share of full speed.
    """

    sequences: int = 100
    horizon: int = 20
    iterations: int = 2
    elites: float = 0.1
    spread: float = 0.7

    def __post_init__(self) -> None:
        for name, least in (("sequences", 2), ("horizon", 1), ("iterations", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"--{name}", expected=f"{least} or more", got=getattr(self, name))
        if not (0 < self.elites <= 1 and self.spread > 0):
            raise ConfigError("elites, spread", expected="in (0, 1], above 0", got=(self.elites, self.spread))


def search(score: Score, mean: np.ndarray, settings: Cem, rng: np.random.Generator) -> np.ndarray:
    """The best sequence found.

    Args:
        score: actions (N, H, A) within [-1, 1] to float (N,), more is better.
        mean: float (H, A), what to draw around first; it is among the first sequences itself.
        settings: of the search.
        rng: of the draws.

    Returns:
        Actions float (H, A) within [-1, 1].

    Raises:
        ConfigError: a score is not a number.
    """
    spread = np.full_like(mean, settings.spread)
    count = max(2, round(settings.elites * settings.sequences))
    kept = mean[None]
    best, best_score = mean, -np.inf
    for _ in range(settings.iterations):
        drawn = mean + spread * smooth(rng, settings.sequences - len(kept), *mean.shape)
        actions = np.clip(np.concatenate([kept, drawn]), -1, 1)  # (N, H, A)
        scores = np.asarray(score(actions), np.float64)  # (N,)
        if scores.shape != (len(actions),) or not np.isfinite(scores).all():
            raise ConfigError("scores", expected=f"{len(actions)} finite numbers", got=scores)
        order = np.argsort(-scores, kind="stable")
        if scores[order[0]] > best_score:
            best, best_score = actions[order[0]], scores[order[0]]
        elites = actions[order[:count]]  # (E, H, A)
        mean = _MOMENTUM * mean + (1 - _MOMENTUM) * elites.mean(axis=0)
        spread = np.maximum(_LEAST_SPREAD, _MOMENTUM * spread + (1 - _MOMENTUM) * elites.std(axis=0))
        kept = elites[: max(1, min(settings.sequences - 1, round(_KEPT * count)))]
    return best


def smooth(rng: np.random.Generator, sequences: int, horizon: int, size: int) -> np.ndarray:
    """Noise of unit variance, correlated from one action to the next: float (N, H, A)."""
    noise = rng.normal(size=(sequences, horizon, size))
    for step in range(1, horizon):
        noise[:, step] = _MEMORY * noise[:, step - 1] + np.sqrt(1 - _MEMORY**2) * noise[:, step]
    return noise
