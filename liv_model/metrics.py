# SPDX-License-Identifier: Apache-2.0
"""How good a reward is: pure functions of value curves, NumPy only.

A curve is the values of one episode, float (T,). Curves are resampled to 20 points first, so that frame rates
compare. Numbers are taken per task, then averaged over tasks, and always stand with n and an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POINTS = 20
FINAL = 3


@dataclass(frozen=True)
class Estimate:
    """A mean with the 95 % bootstrap interval around it and the number of episodes behind it."""

    mean: float
    low: float
    high: float
    n: int


def resample(curve: np.ndarray, points: int = POINTS) -> np.ndarray:
    """A curve of any length >= 1 as ``points`` values, linear between frames, ends kept: float64 (points,)."""
    curve = np.asarray(curve, np.float64)
    return np.interp(np.linspace(0, len(curve) - 1, points), np.arange(len(curve)), curve)


def ranks(x: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of their ranks: float64, shape of ``x`` (1-D)."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)  # rank of the last of each group of equals
    return (last - (counts - 1) / 2.0)[inverse]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation in [-1, 1]: Pearson's of the ranks, ties shared (Spearman, 1904); 0 if one is constant."""
    a, b = ranks(np.asarray(a)), ranks(np.asarray(b))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0


def voc(curve: np.ndarray) -> float:
    """Value-order correlation in [-1, 1]: Spearman of value and time (GVL, Ma et al., arXiv 2411.04549).

    For successes. Blind to failure, so never a verdict alone. A constant curve, or one with a value that is not
    finite, scores 0.
    """
    curve = np.asarray(curve, np.float64)
    if not len(curve) or not np.isfinite(curve).all():
        return 0.0
    return spearman(resample(curve), np.arange(POINTS))


def final_value(curve: np.ndarray) -> float:
    """Mean of the last 3 of the 20 points; NaN if a value is not finite."""
    curve = np.asarray(curve, np.float64)
    if not len(curve) or not np.isfinite(curve).all():
        return float("nan")
    return float(resample(curve)[-FINAL:].mean())


def negative_rate(curve: np.ndarray) -> float:
    """NR in [0, 1]: share of the 19 steps with a falling value. 1 if a value is not finite."""
    curve = np.asarray(curve, np.float64)
    if not len(curve) or not np.isfinite(curve).all():
        return 1.0
    return float((np.diff(resample(curve)) < 0).mean())


def success_auc(successes: Sequence[np.ndarray], failures: Sequence[np.ndarray]) -> float:
    """ROC-AUC in [0, 1] of the final value, successes against failures of the same task (Hanley & McNeil, 1982).

    The share of (success, failure) pairs that the final value orders rightly, ties counting one half; a pair with
    a curve that is not finite counts 0. NaN without a success or without a failure.
    """
    if not len(successes) or not len(failures):
        return float("nan")
    good = np.array([final_value(c) for c in successes])[:, None]  # (S, 1)
    bad = np.array([final_value(c) for c in failures])[None, :]  # (1, F)
    return float(((good > bad) + 0.5 * (good == bad)).mean())  # NaN compares false both times


def top1(scores: np.ndarray, truth: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """Goal discrimination: whether the right instruction scores highest, alone.

    Args:
        scores: float (N, G), final value of N trajectories under G instructions.
        truth: int (N,), column of the right instruction.
        among: bool (N, G), the instructions that compete, the right one included; None for all.

    Returns:
        float64 (N,), 1 where the right one beats every other, else 0 (ties and NaN are 0).
    """
    scores = np.asarray(scores, np.float64)
    right = np.take_along_axis(scores, truth[:, None], axis=1)  # (N, 1)
    rivals = np.arange(scores.shape[1]) != truth[:, None]  # (N, G)
    if among is not None:
        rivals &= among
    return ((right > scores) | ~rivals).all(axis=1).astype(np.float64)


def confusions(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How often the episodes of each instruction (row) are taken for each other one (column), shares (G, G).

    An episode is taken for the other instruction that scores highest, where that is not lower than its own. The
    diagonal is 0: a row's sum is the share of its episodes that :func:`top1` counts 0, those with a value that is
    not finite aside, which are taken for nothing. Rows without episodes are 0.

    Args:
        scores: as in :func:`top1`, G >= 2.
        truth: likewise.
    """
    scores = np.asarray(scores, np.float64)
    right = np.take_along_axis(scores, truth[:, None], axis=1)[:, 0]  # (N,)
    others = np.where(np.arange(scores.shape[1]) == truth[:, None], -np.inf, scores)  # (N, G)
    wrong = np.isfinite(scores).all(axis=1) & (others.max(axis=1) >= right)
    counts = np.zeros((scores.shape[1], scores.shape[1]))
    np.add.at(counts, (truth[wrong], others[wrong].argmax(axis=1)), 1.0)
    return counts / np.maximum(np.bincount(truth, minlength=len(counts)), 1)[:, None]


def diagonal_margin(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Normalised diagonal margin: (right - mean of the others) / (highest - lowest), per trajectory.

    Args:
        scores: as in :func:`top1`, G >= 2.
        truth: likewise.

    Returns:
        float64 (N,) in [-1, 1]; 0 for a row that is constant or not finite. 1: the right one is all that stands out.
    """
    scores = np.asarray(scores, np.float64)
    right = np.take_along_axis(scores, truth[:, None], axis=1)[:, 0]  # (N,)
    others = (scores.sum(axis=1) - right) / (scores.shape[1] - 1)  # (N,)
    span = scores.max(axis=1) - scores.min(axis=1)  # (N,)
    usable = np.isfinite(span) & (span > 0)
    return np.where(usable, (right - others) / np.where(usable, span, 1.0), 0.0)


def antonym_contrast(right: np.ndarray, opposite: np.ndarray) -> float:
    """VOC under the right instruction minus VOC under its opposite, in [-2, 2].

    Both curves are of the same episode. A model blind to language scores 0.
    """
    return voc(right) - voc(opposite)


def estimate(groups: Sequence[np.ndarray], *, draws: int = 1000, seed: int = 0, across_tasks: bool = False) -> Estimate:
    """Mean over tasks of the mean over episodes, with a percentile bootstrap (Efron, 1979).

    Args:
        groups: one float array per task, empty ones are left out: a number per episode (N,), or (N, K) where each
            episode meets each of K others (failures, wordings). Then episodes and others are drawn again, each on
            their own: the N * K numbers are not independent, and counting them so would flatter the interval.
        draws: bootstrap samples; episodes are drawn again within each task.
        seed: of those draws.
        across_tasks: draw the tasks again as well. The interval then is of the mean over other tasks of this kind,
            not over these; one task alone says nothing about that (NaN).

    Returns:
        Mean and its 2.5 and 97.5 percentiles, and n, the number of episodes; NaN with n = 0 when there is nothing.
        Where all numbers are alike the interval has no width: the bootstrap knows only what it has seen.
    """
    groups = [np.asarray(g, np.float64) for g in groups if len(g)]
    if not groups:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    means = np.stack([_drawn_means(g, draws, rng) for g in groups], axis=1)  # (draws, tasks)
    if across_tasks:
        tasks = rng.integers(len(groups), size=means.shape)
        means = means[rng.integers(draws, size=means.shape), tasks]  # a task drawn twice has its episodes drawn twice
    low, high = np.percentile(means.mean(axis=1), [2.5, 97.5])
    if across_tasks and len(groups) < 2:
        low = high = float("nan")
    mean = np.mean([g.mean() for g in groups])
    return Estimate(float(mean), float(low), float(high), sum(map(len, groups)))


def _drawn_means(group: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means of ``draws`` bootstrap samples of (N,) or (N, K): float64 (draws,)."""
    rows = group[rng.integers(len(group), size=(draws, len(group)))].mean(axis=1)  # (draws,) or (draws, K)
    if rows.ndim == 1:
        return rows
    columns = rng.integers(rows.shape[1], size=rows.shape)
    return np.take_along_axis(rows, columns, axis=1).mean(axis=1)
