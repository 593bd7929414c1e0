# SPDX-License-Identifier: Apache-2.0
"""A few small pictures of a recording, evenly spread, for the strip above its curve."""

from __future__ import annotations

import numpy as np

COUNT = 6
_HEIGHT = 120
_KEPT = 8 * COUNT


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """A small copy of uint8 (H, W, 3)."""
    import cv2

    width = max(1, round(rgb.shape[1] * _HEIGHT / rgb.shape[0]))
    return cv2.resize(rgb, (width, _HEIGHT), interpolation=cv2.INTER_AREA)


def evenly(items: list, count: int = COUNT) -> list:
    """At most ``count`` of the items, evenly spread, first and last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, count)]


class ThumbnailStrip:
    """Collects thumbnails of a recording of any length in bounded memory."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, np.ndarray]] = []
        self._every = 1
        self._seen = 0

    def add(self, time_s: float, rgb: np.ndarray) -> None:
        """Show the next frame; whenever too many are kept, every second one goes."""
        if self._seen % self._every == 0:
            self._kept.append((time_s, thumbnail(rgb)))
            if len(self._kept) > _KEPT:
                self._kept = self._kept[::2]
                self._every *= 2
        self._seen += 1

    @property
    def pictures(self) -> tuple[tuple[float, np.ndarray], ...]:
        """(time in seconds, uint8 (h, w, 3)) of at most ``COUNT`` frames."""
        return tuple(evenly(self._kept))
