# SPDX-License-Identifier: Apache-2.0
"""The value S(o; g) = cos(phi(o), psi(g)) of Ma et al., ICML 2023 (arXiv 2306.00958), section 4."""

from __future__ import annotations

import numpy as np


def values(embeddings: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Score T embeddings against G goals.

    Args:
        embeddings: (T, D), rows of unit norm.
        goals: (G, D), rows of unit norm.

    Returns:
        float64 (T, G) in [-1, 1].
    """
    cosines = np.asarray(embeddings, np.float64) @ np.asarray(goals, np.float64).T  # (T, G)
    return np.clip(cosines, -1.0, 1.0)
