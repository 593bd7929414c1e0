# SPDX-License-Identifier: Apache-2.0
"""Random changes of pictures, the same for all five frames of a sample, so that values stay comparable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from liv_model.errors import ConfigError

_TRIES = 10


@dataclass(frozen=True)
class AugmentConfig:
    """How strongly pictures are changed; the defaults are the released settings.

    Attributes:
        scale: least and greatest share of the area that a random resized crop keeps; [1, 1] crops nothing.
        ratio: least and greatest width over height of the crop.
        colour: greatest relative change of brightness and contrast, in [0, 1); 0 changes nothing.
    """

    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    colour: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings out of their range."""
        if not 0.0 < self.scale[0] <= self.scale[1] <= 1.0:
            raise ConfigError("augmentation.scale", expected="0 < least <= greatest <= 1", got=self.scale)
        if not 0.0 < self.ratio[0] <= self.ratio[1]:
            raise ConfigError("augmentation.ratio", expected="0 < least <= greatest", got=self.ratio)
        if not 0.0 <= self.colour < 1.0:
            raise ConfigError("augmentation.colour", expected="a number in [0, 1)", got=self.colour)


def draw_crop(height: int, width: int, config: AugmentConfig, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height, width of a crop: area and log aspect ratio uniform, as torchvision's RandomResizedCrop."""
    if config.scale[0] >= 1.0:
        return 0, 0, height, width
    for _ in range(_TRIES):
        area = height * width * rng.uniform(*config.scale)
        ratio = math.exp(rng.uniform(math.log(config.ratio[0]), math.log(config.ratio[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    return 0, 0, height, width


def augment(
    frames: Sequence[np.ndarray], config: AugmentConfig, rng: np.random.Generator, out: np.ndarray | None = None
) -> np.ndarray:
    """One crop and one change of colour for all frames.

    Args:
        frames: N pictures of one size, uint8 (H, W, 3), RGB; or such an array (N, H, W, 3).
        config: how strongly.
        rng: where it is drawn from.
        out: uint8 (N, H, W, 3) to write to, each of its pictures contiguous; a new one where none is given.

    Returns:
        uint8 (N, H, W, 3): ``out``.
    """
    height, width = frames[0].shape[:2]
    if out is None:
        out = np.empty((len(frames), height, width, 3), np.uint8)
    top, left, h, w = draw_crop(height, width, config, rng)
    table = _colour_table(config, rng)
    for frame, picture in zip(frames, out, strict=True):
        if (h, w) == (height, width):
            picture[:] = frame
        else:
            cut = frame[top : top + h, left : left + w]
            cv2.resize(cut, (width, height), dst=picture, interpolation=cv2.INTER_LINEAR)
        if table is not None:
            cv2.LUT(picture, table, dst=picture)  # six times as fast as indexing with NumPy
    return out


def _colour_table(config: AugmentConfig, rng: np.random.Generator) -> np.ndarray | None:
    """What each of the 256 levels becomes, uint8 (256,); None where nothing changes."""
    if not config.colour:
        return None
    gain, offset = rng.uniform(-config.colour, config.colour, 2)
    table = np.clip((np.arange(256) - 128.0) * (1 + gain) + 128.0 * (1 + offset), 0, 255)
    return table.round().astype(np.uint8)
