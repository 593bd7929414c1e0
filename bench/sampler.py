# SPDX-License-Identifier: Apache-2.0
"""How long a training sample takes to read: our packed store beside pictures opened at random, in turns.

The other side does what the data loader of the reference implementation does: five JPEG files of a video opened at
random, as float in [0, 1], one random resized crop for all five (``doaug: rctraj``, its default). It decodes with
torchvision where that is installed, as the reference, and with OpenCV elsewhere, and is spared the look-up in its
table. Both sides get one thread, and find their files in the system's cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from training.augment import AugmentConfig, draw_crop
from training.episodes import Episode, EpisodeStore, EpisodeWriter
from training.sampler import Sampler, SamplerConfig, sample_subclip

SIDE, BATCH, ROUNDS = 224, 32, 30
CAMERA = (256, 456)  # height, width of the pictures that EPIC-KITCHENS hands out
VIDEOS, LENGTH = 24, 40
PACKED, PACKED_FLOAT = "packed store", "packed store, made float here"
_QUALITY = 90

try:
    from torchvision.io import read_image as _decode

    DECODER = "torchvision"
except (ImportError, OSError):
    DECODER = "OpenCV"

    def _decode(path: str) -> torch.Tensor:
        """Uint8 (3, H, W)."""
        return torch.from_numpy(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB).transpose(2, 0, 1).copy())


@dataclass(frozen=True)
class Data:
    """The same videos three times: a store, JPEG files as a camera gives them, and JPEG files of the model's size."""

    store: EpisodeStore
    camera: Path
    square: Path
    jpeg_kb: float


def measure(folder: Path, rounds: int = ROUNDS) -> dict[str, dict]:
    """Milliseconds per five-frame sample of each side, and how many times as fast the store is.

    Args:
        folder: an empty one, for the data.
        rounds: batches of each side; medians are of these.
    """
    data = make_data(folder)
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        spent = _in_turns(_sides(data), rounds)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    rows = {name: _row(times) for name, times in spent.items()}
    for name in [name for name in spent if name.startswith("JPEG")]:
        for ours in (PACKED, PACKED_FLOAT):
            rows[name][f"times {ours}"] = round(float(np.median(np.divide(spent[name], spent[ours]))), 1)
    rows["data"] = {
        "samples of each": rounds * BATCH,
        "JPEG decoder": DECODER,
        f"mean JPEG of {CAMERA[1]}x{CAMERA[0]}, kB": round(data.jpeg_kb, 1),
    }
    return rows


def _sides(data: Data) -> dict[str, Callable[[int], object]]:
    plain = Sampler(data.store, (), SamplerConfig(), AugmentConfig(), seed=0)
    coloured = Sampler(data.store, (), SamplerConfig(), AugmentConfig(colour=0.2), seed=0)
    camera, square = JpegLoader(data.camera), JpegLoader(data.square)
    return {
        PACKED: lambda step: plain.batch(step, BATCH),
        PACKED_FLOAT: lambda step: _to_float(plain.batch(step, BATCH).images),
        "packed store, colour too": lambda step: coloured.batch(step, BATCH),
        f"JPEG files of {CAMERA[1]}x{CAMERA[0]}": lambda step: camera.batch(step, BATCH),
        f"JPEG files of {SIDE}x{SIDE}": lambda step: square.batch(step, BATCH),
    }


def _to_float(images: np.ndarray) -> torch.Tensor:
    """What the other side hands on, float32 (B, 5, 3, 224, 224) in [0, 1]; training leaves that to the network."""
    return torch.from_numpy(images).to(torch.float32).mul_(1 / 255).permute(1, 0, 4, 2, 3)


def _in_turns(sides: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds per sample of each round; the sides take turns in who begins."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for step in range(-2, rounds):
        for name in names[step % len(names) :] + names[: step % len(names)]:
            begin = time.perf_counter()
            sides[name](abs(step))
            if step >= 0:  # the first two warm up
                spent[name].append((time.perf_counter() - begin) * 1e3 / BATCH)
    return spent


def _row(times: list[float]) -> dict:
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    return {"n": len(times), "ms a sample": round(middle, 3), "quartiles": f"{low:.3f} to {high:.3f}"}


class JpegLoader:
    """Opens pictures at random, as ``LIVBuffer`` of the reference implementation does (see above)."""

    def __init__(self, folder: Path):
        self._videos = [(video, len(list(video.iterdir()))) for video in sorted(folder.iterdir())]
        self._config = AugmentConfig()

    def batch(self, step: int, size: int) -> torch.Tensor:
        """Samples as its ``DataLoader`` hands them on: float32 (B, 5, 3, 224, 224) in [0, 1]."""
        rng = np.random.default_rng(step)
        return torch.stack([self._sample(rng) for _ in range(size)])

    def _sample(self, rng: np.random.Generator) -> torch.Tensor:
        video, length = self._videos[rng.integers(len(self._videos))]
        frames = torch.stack([_decode(str(video / f"{i}.jpg")) for i in sample_subclip(length, rng)]) / 255.0
        top, left, height, width = draw_crop(*frames.shape[2:], self._config, rng)
        cut = frames[:, :, top : top + height, left : left + width]
        return torch.nn.functional.interpolate(cut, (SIDE, SIDE), mode="bilinear", align_corners=False)


def make_data(folder: Path) -> Data:
    """Videos of a textured scene that a camera pans over."""
    rng = np.random.default_rng(0)
    sizes = []
    with EpisodeWriter(folder / "store", SIDE, SIDE) as writer:
        for number in range(VIDEOS):
            pictures = scene(rng, LENGTH)
            squares = [cv2.resize(p[:, 100:356], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in pictures]
            sizes += _write(folder / "camera" / f"video{number}", pictures)
            _write(folder / "square" / f"video{number}", squares)
            writer.append(Episode(np.stack(squares), np.arange(LENGTH) / 30, f"do thing {number}", f"thing-{number}"))
    return Data(EpisodeStore(folder / "store"), folder / "camera", folder / "square", float(np.mean(sizes)) / 1e3)


def scene(rng: np.random.Generator, length: int) -> list[np.ndarray]:
    """Pictures of the camera's size: detail at four scales and the sensor's noise, moving two pixels a frame."""
    height, width = CAMERA[0], CAMERA[1] + 2 * length
    wide = np.full((height, width, 3), 128.0)
    for cell, strength in ((64, 60), (24, 30), (8, 15), (3, 8)):
        grid = rng.normal(0, strength, (height // cell + 2, width // cell + 2, 3))
        wide += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    wide += rng.normal(0, 2, wide.shape)
    wide = wide.clip(0, 255).astype(np.uint8)
    return [wide[:, 2 * i : 2 * i + CAMERA[1]] for i in range(length)]


def _write(folder: Path, pictures: list[np.ndarray]) -> list[int]:
    """Write the pictures as 0.jpg, 1.jpg, ...; returns their sizes in bytes."""
    folder.mkdir(parents=True)
    sizes = []
    for number, picture in enumerate(pictures):
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        sizes.append((folder / f"{number}.jpg").write_bytes(data))
    return sizes
