# SPDX-License-Identifier: Apache-2.0
"""Annotations in the manner of EPIC-KITCHENS: rows that name a part of a long video by its first and last frame."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from liv_model.errors import DataError
from training.sources.clip import Clip, VideoClip, numbered_pictures, pictures, video
from training.sources.table import Recording, Row, read_table, recording

COLUMNS = ("participant_id", "video_id", "start_frame", "stop_frame", "narration")
VIDEOS = (".mp4", ".MP4", ".mkv", ".mov", ".avi", ".webm")


def list_epic(table: Path, root: Path, name: str, rate_hz: float) -> list[Recording]:
    """The recordings of an annotation table such as ``EPIC_100_train.csv``.

    ``start_frame`` and ``stop_frame`` count frames from 0 and both belong to the recording, as in the reference
    implementation; the picture file of frame i is the one numbered i + 1, unless the folder has one numbered 0.

    Args:
        table: the annotations.
        root: where ``<participant_id>/rgb_frames/<video_id>/`` and the like, or the videos, are.
        name: of the data set, first part of every ``source``.
        rate_hz: of the pictures, which carry no time; a video tells its own.

    Raises:
        DataError: see :func:`training.sources.table.read_table`.
    """
    rows = read_table(table, COLUMNS, "narration")
    return [
        recording(row, f"{name}/{_place(row)}", row.get("narration"), partial(_clip, row, root, rate_hz))
        for row in rows
    ]


def _place(row: Row) -> str:
    return f"{row.get('video_id')} {row.get('start_frame')}-{row.get('stop_frame')}"


def _clip(row: Row, root: Path, rate_hz: float) -> Clip:
    first, last = row.need("start_frame"), row.need("stop_frame")
    if last <= first:
        raise DataError("stop_frame", expected=f"one after start_frame {first}", got=last)
    found = find_video(root, row.get("participant_id"), row.get("video_id"))
    if found.is_dir():
        base = 0 if 0 in numbered_pictures(found) else 1
        return pictures(found, first + base, last - first + 1, rate_hz)
    whole = video(found)
    if last >= len(whole):
        raise DataError(str(found), expected=f"frames up to {last}", got=f"{len(whole)} frames")
    return VideoClip(found, first, last - first + 1, whole.rate_hz)


def find_video(root: Path, participant: str, video_id: str) -> Path:
    """The folder of pictures, or else the video file, of a recording; DataError where there is neither."""
    if not video_id:
        raise DataError("video_id", expected="the name of a video", got="an empty cell")
    folders = [root / participant / "rgb_frames" / video_id, root / participant / video_id, root / video_id]
    files = [root / participant / "videos", root / participant, root / "videos", root]
    candidates = [*folders, *(folder / f"{video_id}{suffix}" for folder in files for suffix in VIDEOS)]
    for path in candidates:
        if path.is_dir() or path.is_file():
            return path
    raise DataError(
        f"video {video_id}",
        expected=f"frames in {folders[0]} or a file {files[0] / video_id}{VIDEOS[0]}",
        got="neither",
        remedy="see docs/data.md for the places that are tried",
    )
