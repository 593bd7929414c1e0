# SPDX-License-Identifier: Apache-2.0
"""How long things took, in few numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


def percentiles(milliseconds: Iterable[float], *which: int) -> dict[str, float]:
    """Percentiles by name, such as ``{"p50": 1.9, "p99": 2.6}``; NaN when there is nothing."""
    spent = np.fromiter(milliseconds, np.float64)
    if not len(spent):
        return {f"p{p}": math.nan for p in which}
    return {f"p{p}": round(float(np.percentile(spent, p)), 3) for p in which}
