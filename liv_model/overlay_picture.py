# SPDX-License-Identifier: Apache-2.0
"""The overlay: a camera's picture with the goal above it, and state, progress and the value curve below."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from liv_model.task_state import TaskState

HEAD, FOOT = 34, 132  # pixels above and below the picture
_LEFT, _RIGHT = 52, 14
_DARK, _GRID, _DIM, _LIGHT = (24, 27, 31), (58, 64, 72), (150, 158, 168), (236, 239, 242)
_CURVE, _BAR = (86, 204, 190), (86, 204, 190)
_COLOURS = {
    TaskState.IDLE: (96, 104, 114),
    TaskState.PROGRESSING: (38, 132, 96),
    TaskState.STALLED: (196, 128, 20),
    TaskState.REGRESSING: (200, 84, 44),
    TaskState.SUCCEEDED: (44, 110, 200),
    TaskState.BLIND: (150, 40, 52),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LEAST_SPAN = 0.1  # of the value axis: less would show noise large


@dataclass(frozen=True)
class OverlayNews:
    """What stands around the picture.

    Attributes:
        goal: in words, or what it is.
        state: None where no monitor tells one.
        message: the state in words and why.
        progress: in [0, 1]; NaN where it is not known.
        time_s: (T,) times of the values, seconds, oldest first.
        value: (T,) values; NaN breaks the curve (an episode begins).
    """

    goal: str = ""
    state: TaskState | None = None
    message: str = ""
    progress: float = math.nan
    time_s: Sequence[float] = ()
    value: Sequence[float] = ()


def draw_overlay(rgb: np.ndarray, news: OverlayNews, *, width: int = 640, seconds: float = 20.0) -> np.ndarray:
    """Draw.

    Args:
        rgb: uint8 (H, W, 3), the camera's picture.
        news: what stands around it.
        width: of the result, pixels, at least 160; its height follows.
        seconds: how much of the curve is shown.

    Returns:
        uint8 (h, width, 3), RGB.
    """
    height = max(1, round(rgb.shape[0] * width / rgb.shape[1]))
    canvas = np.full((HEAD + height + FOOT, width, 3), _DARK, np.uint8)
    shrinks = width < rgb.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    canvas[HEAD : HEAD + height] = cv2.resize(rgb, (width, height), interpolation=way)
    _draw_head(canvas, news)
    _draw_progress(canvas, news, HEAD + height)
    _draw_curve(canvas, news, HEAD + height + 36, seconds)
    return canvas


def _draw_head(canvas: np.ndarray, news: OverlayNews) -> None:
    """The goal on the left, the state on the right."""
    width, free = canvas.shape[1], canvas.shape[1] - 20
    if news.state is not None:
        name = news.state.name.lower()
        (size, _), _ = cv2.getTextSize(name, _FONT, 0.55, 1)
        cv2.rectangle(canvas, (width - size - 24, 5), (width - 6, HEAD - 6), _COLOURS[news.state], cv2.FILLED)
        _write(canvas, name, (width - size - 15, 22), 0.55, _LIGHT)
        free -= size + 28
    _write(canvas, _fitting(news.goal or "no goal", 0.6, free), (10, 23), 0.6, _LIGHT)


def _draw_progress(canvas: np.ndarray, news: OverlayNews, top: int) -> None:
    """A bar with its number; the message beside it."""
    width = canvas.shape[1]
    left, right = _LEFT + 6, _LEFT + (width - _LEFT - _RIGHT) // 3
    cv2.rectangle(canvas, (left, top + 10), (right, top + 24), _GRID, cv2.FILLED)
    known = math.isfinite(news.progress)
    if known:
        end = left + round((right - left) * min(1.0, max(0.0, news.progress)))
        cv2.rectangle(canvas, (left, top + 10), (end, top + 24), _BAR, cv2.FILLED)
    _write(canvas, f"{100 * news.progress:3.0f} %" if known else "--", (8, top + 22), 0.45, _LIGHT)
    _write(canvas, _fitting(news.message, 0.45, width - right - 24), (right + 12, top + 22), 0.45, _DIM)


def _draw_curve(canvas: np.ndarray, news: OverlayNews, top: int, seconds: float) -> None:
    """Values of the last seconds, now on the right."""
    left, right, bottom = _LEFT, canvas.shape[1] - _RIGHT, canvas.shape[0] - 10
    time_s, value = np.asarray(news.time_s, np.float64), np.asarray(news.value, np.float64)
    recent = time_s >= (time_s[-1] if len(time_s) else 0.0) - seconds
    time_s, value = time_s[recent], value[recent]
    low, high = _limits(value)
    cv2.rectangle(canvas, (left, top), (right, bottom), _GRID, 1)
    for level in (low, high):
        y = bottom if level == low else top + 8
        _write(canvas, f"{level:.2f}", (8, y), 0.4, _DIM)
    _write(canvas, f"value, last {seconds:g} s", (left + 6, top + 14), 0.38, _DIM)
    if not len(time_s):
        return
    x = right - (time_s[-1] - time_s) / seconds * (right - left)
    y = bottom - (value - low) / (high - low) * (bottom - top)
    for piece in _pieces(value):
        points = np.stack([x[piece], y[piece]], axis=1).round().astype(np.int32)
        cv2.polylines(canvas, [points[:, None]], False, _CURVE, 2, cv2.LINE_AA)
    if math.isfinite(value[-1]):
        cv2.circle(canvas, (round(x[-1]), round(y[-1])), 4, _LIGHT, cv2.FILLED, cv2.LINE_AA)


def _limits(value: np.ndarray) -> tuple[float, float]:
    """Ends of the value axis, around what is shown."""
    finite = value[np.isfinite(value)]
    if not len(finite):
        return 0.0, 1.0
    middle, half = (finite.max() + finite.min()) / 2, max(finite.max() - finite.min(), _LEAST_SPAN) * 0.55
    return float(middle - half), float(middle + half)


def _pieces(value: np.ndarray) -> list[np.ndarray]:
    """Indices of the runs of finite values."""
    finite = np.flatnonzero(np.isfinite(value))
    return [run for run in np.split(finite, np.flatnonzero(np.diff(finite) > 1) + 1) if len(run)]


def _fitting(text: str, scale: float, room: int) -> str:
    """The text, cut to so many pixels."""
    text = _plain(text)
    if _wide(text, scale) <= room:
        return text
    while text and _wide(text + "...", scale) > room:
        text = text[:-1]
    return text + "..." if text else ""


def _wide(text: str, scale: float) -> int:
    return cv2.getTextSize(text, _FONT, scale, 1)[0][0]


def _plain(text: str) -> str:
    """What OpenCV's font has: accents are left out, other letters are question marks."""
    decomposed = unicodedata.normalize("NFKD", text[:200])
    kept = "".join(c for c in decomposed if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" else "?" for c in kept)


def _write(canvas: np.ndarray, text: str, at: tuple[int, int], scale: float, colour: tuple[int, int, int]) -> None:
    cv2.putText(canvas, text, at, _FONT, scale, colour, 1, cv2.LINE_AA)
