# SPDX-License-Identifier: Apache-2.0
"""Videos with captions: a table of files, each with a text, and from when to when it holds."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from liv_model.errors import DataError
from training.sources.clip import Clip, PictureClip, VideoClip, all_pictures, video
from training.sources.table import Recording, Row, read_table, recording

COLUMNS = ("path", "text")
_SLACK_S = 0.5  # how far a caption may reach beyond the end of its video


def list_captions(table: Path, root: Path, name: str, rate_hz: float) -> list[Recording]:
    """The recordings of a table of captions.

    Args:
        table: with the columns ``path`` and ``text``, and optionally ``start_s`` and ``stop_s`` (seconds from the
            beginning of the file), ``outcome`` or ``success``, and ``task``.
        root: what the paths are relative to.
        name: of the data set, first part of every ``source``.
        rate_hz: of folders of pictures, which carry no time; a video tells its own.

    Raises:
        DataError: see :func:`training.sources.table.read_table`.
    """
    rows = read_table(table, COLUMNS, "text")
    return [
        recording(row, f"{name}/{_place(row)}", row.get("text"), partial(_clip, row, root, rate_hz)) for row in rows
    ]


def _place(row: Row) -> str:
    start, stop = row.get("start_s"), row.get("stop_s")
    return row.get("path") + (f" {start or 0}-{stop or 'end'} s" if start or stop else "")


def _clip(row: Row, root: Path, rate_hz: float) -> Clip:
    if not row.get("path"):
        raise DataError("path", expected="a video", got="an empty cell")
    path = root / row.get("path")
    whole: Clip = all_pictures(path, rate_hz) if path.is_dir() else video(path)
    start_s, stop_s = row.real("start_s"), row.real("stop_s")
    if start_s is None and stop_s is None:
        return whole
    first, count = _span(start_s or 0.0, stop_s, len(whole), whole.rate_hz)
    if isinstance(whole, PictureClip):
        return PictureClip(whole.files[first : first + count], rate_hz)
    return VideoClip(path, first, count, whole.rate_hz, whole=stop_s is None)


def _span(start_s: float, stop_s: float | None, count: int, rate_hz: float) -> tuple[int, int]:
    """First frame and number of frames shown from ``start_s`` to ``stop_s``, both seconds; None: to the end."""
    if stop_s is not None and stop_s <= start_s:
        raise DataError("stop_s", expected=f"more than start_s {start_s:g}", got=f"{stop_s:g}")
    if max(start_s, stop_s or 0.0) > count / rate_hz + _SLACK_S:
        raise DataError("start_s, stop_s", expected=f"within {count / rate_hz:.2f} s", got=f"{start_s:g}, {stop_s}")
    first = min(math.ceil(start_s * rate_hz - 1e-6), count)
    last = count - 1 if stop_s is None else min(count - 1, math.floor(stop_s * rate_hz + 1e-6))
    return first, max(0, last - first + 1)
