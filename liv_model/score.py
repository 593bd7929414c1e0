# SPDX-License-Identifier: Apache-2.0
"""Scoring a whole recording: embeddings once, then any number of goals."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liv_model.calibration import Calibration
from liv_model.encoder import Encoder
from liv_model.image import Preprocessing, to_square
from liv_model.media import Frame
from liv_model.read_ahead import read_ahead
from liv_model.reward import NANOSECONDS, is_out_of_order
from liv_model.thumbnails import ThumbnailStrip
from liv_model.value import values


@dataclass(frozen=True)
class EncodedRecording:
    """What is left of a recording once it is encoded: enough to score any goal.

    Attributes:
        time_ns: int64 (T,), since the first frame, as recorded.
        embeddings: float32 (T, D), rows of unit norm.
        encode_ms: float (T,), wall time of each ``encode_images`` call.
        thumbnails: uint8 (h, w, 3) of a few frames, evenly spread, with their times in seconds.
    """

    time_ns: np.ndarray
    embeddings: np.ndarray
    encode_ms: np.ndarray
    thumbnails: tuple[tuple[float, np.ndarray], ...]


@dataclass(frozen=True)
class Curve:
    """A recording scored for one goal; float64 (T,) each, over the frames whose stamps are in order."""

    goal: str
    frame: np.ndarray
    time_s: np.ndarray
    value: np.ndarray
    reward: np.ndarray
    progress: np.ndarray


def encode_frames(
    frames: Iterable[Frame],
    encoder: Encoder,
    preprocessing: Preprocessing,
    done: Callable[[int], None] = lambda count: None,
) -> EncodedRecording:
    """Encode frame by frame, as a robot would, while the next frames are read.

    Memory holds embeddings, a few thumbnails and the few frames that were read ahead, never the video.

    Args:
        frames: as :meth:`liv_model.media.Media.frames` gives them; got on a thread of their own.
        encoder: used on this thread.
        preprocessing: of the encoder's bundle.
        done: told how many more frames are encoded.
    """
    times, rows, spent = [], [], []
    strip = ThumbnailStrip()
    with closing(read_ahead(frames)) as coming:
        for frame in coming:
            square = to_square(frame.rgb, preprocessing)
            begin = time.perf_counter()
            rows.append(encoder.encode_images(square[None])[0])
            spent.append((time.perf_counter() - begin) * 1e3)
            times.append(frame.time_ns)
            strip.add(frame.time_ns / NANOSECONDS, frame.rgb)
            done(1)
    return EncodedRecording(np.asarray(times, np.int64), np.stack(rows), np.asarray(spent), strip.pictures)


def score(
    goals: Mapping[str, tuple[np.ndarray, Calibration]],
    time_ns: np.ndarray,
    embeddings: np.ndarray,
    *,
    stamp_jitter_s: float = 0.5,
) -> list[Curve]:
    """Score embeddings for any number of goals: what a RewardStream for each of them gives, all at once.

    Args:
        goals: by name, float (D,) of unit norm and how values for it read as progress.
        time_ns: int (T,), T >= 1.
        embeddings: float (T, D), rows of unit norm.
        stamp_jitter_s: see :class:`liv_model.reward.RewardStream`.

    Returns:
        One curve for each goal, in their order.
    """
    time_ns = np.asarray(time_ns, np.int64)
    frame, starts = _episodes(time_ns, round(stamp_jitter_s * NANOSECONDS))
    time_s = (time_ns[frame] - time_ns[0]) / NANOSECONDS
    table = values(np.stack([vector for vector, _ in goals.values()]), np.asarray(embeddings)[frame])  # (G, T')
    return [
        Curve(name, frame, time_s, value, _rewards(value, starts), _progress(value, starts, calibration))
        for (name, (_, calibration)), value in zip(goals.items(), table, strict=True)
    ]


def _episodes(time_ns: np.ndarray, jitter_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Which stamps are in order, int64 (T',), and which of those begin an episode, int64 (E,) into the first."""
    if (np.diff(time_ns) > 0).all():
        return np.arange(len(time_ns)), np.zeros(1, np.int64)
    kept, starts = [0], [0]
    for index, stamp in enumerate(time_ns[1:].tolist(), 1):
        last = int(time_ns[kept[-1]])
        if is_out_of_order(last, stamp, jitter_ns):
            continue
        if stamp < last:
            starts.append(len(kept))
        kept.append(index)
    return np.asarray(kept, np.int64), np.asarray(starts, np.int64)


def _rewards(value: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Differences of float64 (T,), 0 where an episode begins."""
    reward = np.diff(value, prepend=value[0])
    reward[starts] = 0.0
    return reward


def _progress(value: np.ndarray, starts: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Progress of float64 (T,), episode by episode."""
    episodes = np.split(value, starts[1:])
    return np.concatenate([calibration.begun_at(float(part[0])).progress_curve(part) for part in episodes])


def write_csv(curves: list[Curve], path: Path) -> None:
    """Write one row per frame and goal: goal, frame, time_s, value, reward, progress (empty when not calibrated)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["goal", "frame", "time_s", "value", "reward", "progress"])
        for curve in curves:
            columns = zip(curve.frame, curve.time_s, curve.value, curve.reward, curve.progress, strict=True)
            for frame, time_s, value, reward, progress in columns:
                shown = "" if math.isnan(progress) else f"{progress:.6f}"
                writer.writerow([curve.goal, frame, f"{time_s:.6f}", f"{value:.9f}", f"{reward:.9f}", shown])
