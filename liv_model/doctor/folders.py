# SPDX-License-Identifier: Apache-2.0
"""The folders that are written to."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from liv_model.doctor.finding import OK, WARN, Finding
from liv_model.folders import cache_folder, state_folder

ROOM = 2 << 30  # bytes that engines of a few large models take


def check_cache() -> Finding:
    """Whether engines can be kept: built once, not at every start."""
    folder = cache_folder()
    if problem := _problem(folder):
        return Finding(
            "cache folder", WARN, f"{folder}: {problem}", "make it writable, or name another: XDG_CACHE_HOME"
        )
    free = shutil.disk_usage(_existing(folder)).free
    got = f"{folder}, {free / 1e9:.1f} GB free"
    if free < ROOM:
        return Finding("cache folder", WARN, got, "make room: engines of large models take up to a GB each")
    return Finding("cache folder", OK, got)


def check_state() -> Finding:
    """Whether the last goal can be kept, so that it survives the encoder."""
    folder = state_folder()
    if problem := _problem(folder):
        remedy = "make it writable, or name another: XDG_STATE_HOME, or encoder_node's parameter state_folder"
        return Finding("state folder", WARN, f"{folder}: {problem}; the goal will not survive a restart", remedy)
    return Finding("state folder", OK, str(folder))


def _problem(folder: Path) -> str:
    """Why a file cannot be written here; "" if one can. Leaves nothing behind that was not there."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())
