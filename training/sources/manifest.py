# SPDX-License-Identifier: Apache-2.0
"""The layout of the reference implementation of LIV: a folder of numbered pictures per video, and ``manifest.csv``."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PureWindowsPath

from liv_model.errors import DataError
from training.sources.clip import PictureClip, all_pictures, numbered_pictures, pictures
from training.sources.table import Recording, Row, read_table, recording

TABLE = "manifest.csv"
COLUMNS = ("directory", "num_frames", "text")


def list_manifest(folder: Path, name: str, rate_hz: float) -> list[Recording]:
    """The recordings of a folder with ``manifest.csv`` (or of such a file).

    Args:
        folder: the data set, or its table.
        name: of the data set, first part of every ``source``.
        rate_hz: of the pictures, which carry no time.

    Raises:
        DataError: see :func:`training.sources.table.read_table`.
    """
    table = folder / TABLE if folder.is_dir() else folder
    rows = read_table(table, COLUMNS, "text")
    root = table.parent
    return [
        recording(row, f"{name}/{_tail(row, root)}", row.get("text"), partial(_clip, row, root, rate_hz))
        for row in rows
    ]


def _clip(row: Row, root: Path, rate_hz: float) -> PictureClip:
    directory, count = _directory(row, root), row.integer("num_frames")
    if count is None:
        return all_pictures(directory, rate_hz)
    return pictures(directory, min(numbered_pictures(directory)), count, rate_hz)


def _directory(row: Row, root: Path) -> Path:
    """The folder of a row. A manifest holds absolute paths of the machine it was made on: try it from here too."""
    given = row.get("directory")
    if not given:
        raise DataError("directory", expected="a folder", got="an empty cell")
    parts = [part for part in PureWindowsPath(given).parts if part not in ("/", "\\")]
    tails = [root.joinpath(*parts[n:]) for n in range(len(parts))]
    return next((path for path in (root / given, *tails) if path.is_dir()), root / given)


def _tail(row: Row, root: Path) -> str:
    """The folder of a row as seen from the data set, if it is in it."""
    given = row.get("directory")
    try:
        return _directory(row, root).resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, DataError):
        return given.strip("/")
