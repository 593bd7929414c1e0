# SPDX-License-Identifier: Apache-2.0
"""Where to draw the line between goals a model knows and goals it does not: pure functions of text cosines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liv_model.value import values


@dataclass(frozen=True)
class FamiliarityFit:
    """A threshold on the text cosine, and how well it parts the texts it was fitted on.

    Attributes:
        threshold: texts at or above it count as known.
        accepted: share of the known texts at or above it.
        refused: share of the unrelated texts below it.
        known: number of known texts.
        unrelated: number of unrelated texts.
    """

    threshold: float
    accepted: float
    refused: float
    known: int
    unrelated: int


def familiarity(texts: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Cosine of each text (N, D) to the nearest known text (K, D), unit-norm rows: float64 (N,)."""
    return values(texts, known).max(axis=1)


def fit_threshold(known: np.ndarray, unrelated: np.ndarray) -> FamiliarityFit:
    """The threshold that is right about most texts, both kinds weighing the same (Youden, 1950).

    Candidates lie midway between neighbouring cosines; of equally good ones, the one in the widest gap.

    Args:
        known: familiarity of texts that mean a known task, (N,), N >= 1.
        unrelated: familiarity of texts that mean no known task, (M,), M >= 1.
    """
    levels = np.unique(np.concatenate([known, unrelated]))  # sorted
    edges = np.concatenate([[-1.0], levels, [1.0]])
    middles, gaps = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    accepted = (known[None, :] >= middles[:, None]).mean(axis=1)
    refused = (unrelated[None, :] < middles[:, None]).mean(axis=1)
    quality = accepted + refused
    best = max(range(len(middles)), key=lambda i: (round(quality[i], 9), gaps[i]))
    return FamiliarityFit(float(middles[best]), float(accepted[best]), float(refused[best]), len(known), len(unrelated))
