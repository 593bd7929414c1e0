# SPDX-License-Identifier: Apache-2.0
"""The picture that explains LIV: frames along the top, the value of each goal under them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liv_model.score import Curve

_COLOURS = ("#0b7a75", "#c8553d", "#3a5ba0", "#8a6d1d", "#7b3f8c", "#4a4a4a")


def draw_curves(
    curves: list[Curve], thumbnails: tuple[tuple[float, np.ndarray], ...], path: Path, *, title: str
) -> None:
    """Draw value over time for every goal.

    Args:
        curves: at least one, the goal that matters most first.
        thumbnails: (time in seconds, uint8 (h, w, 3)) of some frames.
        path: the PNG to write.
        title: above all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    # goals are people's words: a dollar sign in them is no mathematics
    figure.text(0.07, 0.95, title, fontsize=13, fontweight="bold", color="#222222", va="center", parse_math=False)
    axes = figure.add_axes((0.07, 0.11, 0.9, 0.5))
    end_s = max(float(curve.time_s[-1]) for curve in curves) or 1.0
    axes.set_xlim(0, end_s)
    _draw_values(axes, curves)
    _draw_strip(figure, axes, thumbnails, end_s)
    figure.savefig(path)


def _draw_values(axes, curves: list[Curve]) -> None:
    for index, curve in enumerate(curves):
        colour = _COLOURS[index % len(_COLOURS)]
        style = "-" if index == 0 else "--"
        axes.plot(curve.time_s, curve.value, style, color=colour, linewidth=2.4 if index == 0 else 1.8)
    axes.set_xlabel("time (s)", color="#444444")
    axes.set_ylabel("value S (cosine)", color="#444444")
    axes.grid(True, color="#e6e6e6", linewidth=0.8)
    axes.tick_params(colors="#444444")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    legend = axes.legend(axes.lines, [curve.goal for curve in curves], loc="best", frameon=False, fontsize=11)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw_strip(figure, axes, thumbnails: tuple[tuple[float, np.ndarray], ...], end_s: float) -> None:
    """Frames side by side over the axis, each with a tick where it was taken."""
    box = axes.get_position()
    width = box.width / max(1, len(thumbnails))
    for index, (time_s, picture) in enumerate(thumbnails):
        left = box.x0 + index * width
        strip = figure.add_axes((left + 0.003, 0.68, width - 0.006, 0.23))
        strip.imshow(picture)
        strip.set_axis_off()
        strip.text(
            0.5, -0.04, f"{time_s:.1f} s", transform=strip.transAxes, ha="center", va="top", fontsize=8, color="#666666"
        )
        axes.axvline(min(time_s, end_s), color="#cccccc", linewidth=0.8, linestyle=":", zorder=0)
