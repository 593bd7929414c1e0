# SPDX-License-Identifier: Apache-2.0
"""Scoring a whole recording: embeddings once, then any number of goals."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liv_model.calibration import Calibration
from liv_model.encoder import Encoder
from liv_model.image import Preprocessing, to_square
from liv_model.media import Frame
from liv_model.reward import NANOSECONDS, RewardStream
from liv_model.thumbnails import ThumbnailStrip


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


def encode_frames(frames: Iterable[Frame], encoder: Encoder, preprocessing: Preprocessing) -> EncodedRecording:
    """Encode frame by frame, as a robot would; memory holds embeddings and a few thumbnails, never the video."""
    times, rows, spent = [], [], []
    strip = ThumbnailStrip()
    for frame in frames:
        square = to_square(frame.rgb, preprocessing)
        begin = time.perf_counter()
        rows.append(encoder.encode_images(square[None])[0])
        spent.append((time.perf_counter() - begin) * 1e3)
        times.append(frame.time_ns)
        strip.add(frame.time_ns / NANOSECONDS, frame.rgb)
    return EncodedRecording(np.asarray(times, np.int64), np.stack(rows), np.asarray(spent), strip.pictures)


def score(
    name: str,
    time_ns: np.ndarray,
    embeddings: np.ndarray,
    goal: np.ndarray,
    calibration: Calibration,
    *,
    stamp_jitter_s: float = 0.5,
) -> Curve:
    """Score embeddings for one goal by the same stream that runs on the robot.

    Args:
        name: of the goal, for people.
        time_ns: int (T,).
        embeddings: float (T, D), rows of unit norm.
        goal: float (D,), unit norm.
        calibration: of the goal.
        stamp_jitter_s: see :class:`liv_model.reward.RewardStream`.
    """
    stream = RewardStream(goal, calibration, stamp_jitter_s=stamp_jitter_s)
    samples = [stream.update(row, int(stamp)) for row, stamp in zip(embeddings, time_ns, strict=True)]
    kept = [(index, sample) for index, sample in enumerate(samples) if sample is not None]
    index = np.asarray([index for index, _ in kept], np.int64)
    return Curve(
        goal=name,
        frame=index,
        time_s=(np.asarray(time_ns, np.int64)[index] - int(time_ns[0])) / NANOSECONDS,
        value=np.asarray([sample.value for _, sample in kept]),
        reward=np.asarray([sample.reward for _, sample in kept]),
        progress=np.asarray([sample.progress for _, sample in kept]),
    )


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
