# SPDX-License-Identifier: Apache-2.0
"""Small charts as SVG text. Colours are CSS variables of the page, so that they follow its light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 560, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 74, 10, 34
_MOST_NUMBERED = 16  # a matrix of more columns has no numbers in its cells


def curve_chart(
    time_s: np.ndarray,
    curves: Sequence[tuple[str, np.ndarray]],
    *,
    limits: tuple[float, float],
    levels: Sequence[tuple[str, float]] = (),
    marks_s: Sequence[float] = (),
    title: str,
) -> str:
    """Values over time.

    Args:
        time_s: (T,) seconds.
        curves: (CSS class, values (T,)).
        limits: of the value axis.
        levels: (label, value) of horizontal lines.
        marks_s: times with a thin vertical line, where frames are shown.
        title: what it is, for those who do not see it.
    """
    low, high = limits
    end_s = max(float(time_s[-1]), 1e-6)

    def x(t: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * t / end_s

    def y(v: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - v) / (high - low)

    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>']
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in nice_ticks(low, high, 5):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y(tick) + 4:.1f}" text-anchor="end">{_label(tick)}</text>')
    for tick in nice_ticks(0.0, end_s, 6):
        parts.append(f'<text x="{x(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{_label(tick)}</text>')
    parts.append(f'<text x="{right}" y="{bottom + 30}" text-anchor="end">time (s)</text>')
    parts += [f'<line class="mark" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{TOP}" y2="{bottom}"/>' for t in marks_s]
    for label, value in levels:
        if low <= value <= high:
            parts.append(f'<line class="level" x1="{LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
            parts.append(f'<text x="{right + 6}" y="{y(value) + 4:.1f}">{escape(label)}</text>')
    for style, values in curves:
        parts.append(_line(style, [(x(t), y(v)) for t, v in zip(time_s, values, strict=True) if np.isfinite(v)]))
    return "".join([*parts, "</svg>"])


def _line(style: str, points: list[tuple[float, float]]) -> str:
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    end = f'<circle class="{style}" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="3.5"/>' if points else ""
    return f'<polyline class="{style}" points="{path}"/>{end}'


def heat_map(matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, title: str) -> str:
    """A matrix as coloured cells: one colour for positive numbers, another for negative, stronger for larger.

    Args:
        matrix: (R, C), finite.
        rows: R labels.
        columns: C labels.
        title: what it is, for those who do not see it.
    """
    numbered = len(columns) <= _MOST_NUMBERED
    cell = 44 if numbered else 14
    height = cell * 2 // 3 if numbered else cell
    left = 16 + 7.2 * max(map(len, rows))
    top = 14 + 4.3 * max(map(len, columns))
    overhang = 4.9 * len(columns[-1])  # the last label leans out to the right
    width, bottom = left + cell * len(columns) + overhang, top + height * len(rows) + 4
    scale = max(float(np.abs(matrix).max()), 1e-9)
    parts = [
        f'<svg class="heat" viewBox="0 0 {width:.0f} {bottom:.0f}" style="max-width:{width:.0f}px" role="img">'
        f"<title>{escape(title)}</title>"
    ]
    for c, label in enumerate(columns):
        px = left + (c + 0.55) * cell
        parts.append(f'<text transform="translate({px:.1f} {top - 6:.1f}) rotate(-42)">{escape(label)}</text>')
    for r, label in enumerate(rows):
        py = top + r * height
        parts.append(f'<text x="{left - 8:.1f}" y="{py + height / 2 + 4:.1f}" text-anchor="end">{escape(label)}</text>')
        for c, value in enumerate(matrix[r]):
            parts.append(_cell(left + c * cell, py, cell, height, float(value), scale, numbered))
            if r == c:
                parts.append(
                    f'<rect class="right" x="{left + c * cell + 1:.1f}" y="{py + 1:.1f}" '
                    f'width="{cell - 2}" height="{height - 2}"/>'
                )
    return "".join([*parts, "</svg>"])


def _cell(px: float, py: float, width: int, height: int, value: float, scale: float, numbered: bool) -> str:
    strength = abs(value) / scale
    sign = "high" if value >= 0 else "low"
    shape = f'<rect class="{sign}" x="{px:.1f}" y="{py:.1f}" width="{width}" height="{height}" '
    shape += f'fill-opacity="{strength:.2f}"><title>{_signed(value, 3)}</title></rect>'
    if not numbered:
        return shape
    contrast = ' class="strong"' if strength > 0.6 else ""
    middle = px + width / 2, py + height / 2 + 4
    return (
        shape + f'<text{contrast} x="{middle[0]:.1f}" y="{middle[1]:.1f}" text-anchor="middle">{_signed(value)}</text>'
    )


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` + 1 round numbers from ``low`` to ``high``."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _label(tick: float) -> str:
    return f"{tick + 0.0:.6g}".replace("-", "\N{MINUS SIGN}")


def _signed(value: float, digits: int = 2) -> str:
    """With a fixed number of digits; what rounds to zero has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")
