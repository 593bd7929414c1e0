# SPDX-License-Identifier: Apache-2.0
"""The values of unseen successes before and after, for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.metrics import POINTS, resample
from proofs.circle_plan import NEW_TASKS

_RIGHT, _WRONG, _INK = "#0b7a75", "#c8553d", "#444444"


def draw(lives: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a row for each task: before on the left, after on the right.

    Args:
        lives: of each seed, ``before`` and ``after``: attempts as plain types.
        path: the PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.4), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(NEW_TASKS), 2, sharex=True, sharey=True)
    for row, task in zip(grid, NEW_TASKS, strict=True):
        for axes, when in zip(row, ("before", "after"), strict=True):
            attempts = [a for live in lives for a in live[when] if (a["task"], a["outcome"]) == (task, "success")]
            _panel(axes, attempts, f"{task}, {when}")
    for axes in grid[-1]:
        axes.set_xlabel("share of the attempt", color=_INK)
    for row in grid:
        row[0].set_ylabel("value S (cosine)", color=_INK)
    figure.savefig(path)


def _panel(axes: Any, attempts: Sequence[dict[str, Any]], title: str) -> None:
    axes.set_title(f"{title} (n = {len(attempts)})", fontsize=10, loc="left", color=_INK)
    own = attempts[0]["text"]
    share = np.linspace(0, 1, POINTS)
    for text in sorted(attempts[0]["scores"], key=lambda text: text != own):
        curves = np.stack([resample(np.array(a["scores"][text])) for a in attempts])  # (N, points)
        low, middle, high = np.percentile(curves, [25, 50, 75], axis=0)
        colour, style = (_RIGHT, "-") if text == own else (_WRONG, "--")
        axes.fill_between(share, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(share, middle, style, color=colour, linewidth=2, label=text)
    axes.grid(True, color="#e6e6e6", linewidth=0.8)
    axes.tick_params(colors=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="best")
