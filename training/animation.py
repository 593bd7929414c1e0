# SPDX-License-Identifier: Apache-2.0
"""An episode as a moving picture: the frame on the left, the curve of its value growing on the right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from training.exhibits import Exhibit

FORMATS = ("webp", "gif")
_SIDE = 240  # pixels of the frame, and height of the whole
_CHART = (440, _SIDE)
_MOST = 48  # frames kept, evenly spread
_COLOURS = 96  # of a GIF
_LAST_MS = 1500  # the end stays, before it begins again


def animate(exhibit: Exhibit, path: Path) -> None:
    """Write the animation of an episode.

    It plays at the speed of the recording: at most 48 of its frames, the last one held.

    Args:
        exhibit: the episode and its curves.
        path: the file to write; its ending is one of ``FORMATS``.
    """
    episode = exhibit.episode
    kept = np.unique(np.linspace(0, len(episode) - 1, min(len(episode), _MOST)).round().astype(int))
    empty, full, columns = _charts(exhibit)
    pictures = [_picture(episode.frames[i], empty, full, columns[i]) for i in kept]
    steps_ms = np.diff(episode.time_s[kept]) * 1000
    durations = [*(max(20, round(ms)) for ms in steps_ms), _LAST_MS]
    if path.suffix == ".gif":  # few colours and no noise between them: a third of the size
        pictures = [p.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE) for p in pictures]
    options = {"quality": 80, "method": 3} if path.suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)


def _picture(rgb: np.ndarray, empty: np.ndarray, full: np.ndarray, column: int) -> Image.Image:
    """One frame of it: the curve is uncovered up to a column of the chart."""
    height, width = rgb.shape[:2]
    scale = _SIDE / max(height, width)
    frame = Image.fromarray(np.ascontiguousarray(rgb)).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC
    )
    chart = empty.copy()
    chart[:, : column + 1] = full[:, : column + 1]
    picture = Image.new("RGB", (_SIDE + _CHART[0], _SIDE), "white")
    picture.paste(frame, ((_SIDE - frame.width) // 2, (_SIDE - frame.height) // 2))
    picture.paste(Image.fromarray(chart), (_SIDE, 0))
    return picture


def _charts(exhibit: Exhibit) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The chart without and with its curves, uint8 (H, W, 3), and the column of each frame's time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = _CHART
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.155, 0.2, 0.815, 0.56))
    time_s = exhibit.episode.time_s
    axes.set_xlim(0, max(float(time_s[-1]), 1e-6))
    lines = axes.plot(time_s, exhibit.value, color="#0b7a75", linewidth=2.4, label=exhibit.text)
    if exhibit.opposite:
        lines += axes.plot(time_s, exhibit.opposite_value, "--", color="#c8553d", linewidth=1.8, label=exhibit.opposite)
    axes.set_ylabel("value", color="#444444", fontsize=9)
    axes.set_xlabel("time (s)", color="#444444", fontsize=9)
    axes.tick_params(colors="#444444", labelsize=8)
    axes.grid(True, color="#e6e6e6", linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    legend = figure.legend(lines, [line.get_label() for line in lines], loc="upper left", frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)  # people's words: a dollar sign in them is no mathematics
    full = _drawn(canvas)
    columns = [round(axes.transData.transform((t, 0))[0]) for t in time_s]
    for line in lines:
        line.set_visible(False)
    return _drawn(canvas), full, columns


def _drawn(canvas) -> np.ndarray:
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
