# SPDX-License-Identifier: Apache-2.0
"""``liv reward`` without its start: decoding alone, encoding alone and both, in turns; and re-scoring of embeddings."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from bench.options import Options
from bench.pairs import in_turns, ratios, spread
from bench.results import Section
from liv_model.bundle import Bundle
from liv_model.calibration import Calibration
from liv_model.encoder import Encoder, open_encoder
from liv_model.folders import shipped
from liv_model.media import Frame, Media, open_media
from liv_model.progress_bar import progress_bar
from liv_model.score import encode_frames, score

DECODE, ENCODE, BOTH = "decode", "encode", "both"
RECORDING = "examples/door_open"
RECORDINGS = ((640, 480, "mp4"), (640, 480, "jpeg"), (1920, 1080, "mp4"))
PICTURES = 48  # different ones; a recording shows them again and again
TURN_S = 2.0
SCORED_FRAMES, SCORED_GOALS = 10_000, 100
_RATE_HZ = 30.0
_JPEG_QUALITY = 90


def measure(section: Section, bundle: Bundle, folder: Path, options: Options) -> None:
    """Rows of one model over every kind of recording; made in ``folder`` where they are not there yet."""
    encoder = open_encoder(bundle, "openvino", threads=options.threads)
    try:
        for width, height, kind in RECORDINGS:
            media = make_recording(folder, width, height, kind, options.offline_frames)
            what = {"model": bundle.identity, "recording": f"{width}x{height} {kind}"}
            _measure_recording(section, media, encoder, bundle, what, options.offline_rounds)
    finally:
        encoder.close()


def _measure_recording(
    section: Section, media: Media, encoder: Encoder, bundle: Bundle, what: dict[str, object], rounds: int
) -> None:
    pictures = list(itertools.islice(media.frames(), PICTURES))
    count = _turn_frames(pictures, encoder, bundle, media.frame_count)
    what = {**what, "frames": count}
    ways: dict[str, Callable[[], object]] = {
        DECODE: lambda: [None for _ in itertools.islice(media.frames(), count)],
        ENCODE: lambda: encode_frames(itertools.islice(itertools.cycle(pictures), count), encoder, bundle.image),
        BOTH: lambda: encode_frames(itertools.islice(media.frames(), count), encoder, bundle.image),
    }
    fps: dict[str, list[float]] = {name: [] for name in ways}
    sides = {name: lambda way=way: count / _seconds(way) for name, way in ways.items()}
    title = f"offline, {bundle.name}, {what['recording']}"
    try:
        with progress_bar(title, rounds, transient=True) as done:
            for whole in in_turns(sides, rounds):
                for name, figure in whole.items():
                    fps[name].append(figure)
                done(1)
    finally:
        if fps[BOTH]:
            section.rows.append({**what, **row(fps)})


def _turn_frames(pictures: list[Frame], encoder: Encoder, bundle: Bundle, most: int) -> int:
    """How many frames a turn of encoding alone takes ``TURN_S`` for, and no more than there are."""
    fps = len(pictures) / _seconds(lambda: encode_frames(pictures, encoder, bundle.image))
    return min(most, max(1, round(fps * TURN_S)))


def row(fps: dict[str, list[float]]) -> dict[str, object]:
    """Frames/s of each way, and per round what both at once reach of the slower one alone."""
    slower = [min(pair) for pair in zip(fps[DECODE], fps[ENCODE], strict=True)]
    return {**{f"{name}_fps": spread(figures) for name, figures in fps.items()}, "share": ratios(fps[BOTH], slower)}


def measure_scoring(section: Section, dims: list[int], rounds: int) -> None:
    """Rows of (embedding, goal) pairs per second: values, rewards and progress from embeddings that are in memory."""
    random = np.random.default_rng(0)
    time_ns = np.arange(SCORED_FRAMES) * round(1e9 / _RATE_HZ)
    for dim in dims:
        embeddings, goals = _unit(random, SCORED_FRAMES, dim), _unit(random, SCORED_GOALS, dim)
        named = {f"goal {i}": (goal, Calibration(0.1, 0.9)) for i, goal in enumerate(goals)}
        pairs = SCORED_FRAMES * SCORED_GOALS
        rates = [pairs / 1e6 / _seconds(lambda e=embeddings, n=named: score(n, time_ns, e)) for _ in range(rounds)]
        found = {"dim": dim, "frames": SCORED_FRAMES, "goals": SCORED_GOALS, "million_pairs_per_s": spread(rates)}
        section.rows.append(found)


def make_recording(folder: Path, width: int, height: int, kind: str, count: int) -> Media:
    """The shipped recording, drawn to a size, as a video file (MPEG-4) or a folder of JPEG files."""
    path = folder / (f"{width}x{height}" + (".mp4" if kind == "mp4" else ""))
    if not path.exists():
        source = itertools.islice(open_media(shipped(RECORDING)).frames(), PICTURES)
        pictures = [cv2.cvtColor(cv2.resize(f.rgb, (width, height)), cv2.COLOR_RGB2BGR) for f in source]
        shown = itertools.islice(itertools.cycle(pictures), count)
        if kind == "mp4":
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), _RATE_HZ, (width, height))
            for picture in shown:
                writer.write(picture)
            writer.release()
        else:
            path.mkdir()
            for number, picture in enumerate(shown):
                cv2.imwrite(str(path / f"{number}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return open_media(path, rate_hz=_RATE_HZ)


def _unit(random: np.random.Generator, count: int, dim: int) -> np.ndarray:
    rows = random.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
