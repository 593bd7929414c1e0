# SPDX-License-Identifier: Apache-2.0
"""Random changes of pictures, the same for all five frames of a sample, so that values stay comparable."""

from __future__ import annotations

import math
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


def augment(frames: np.ndarray, config: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """One crop and one change of colour for all frames.

    Args:
        frames: uint8 (N, H, W, 3), RGB.
        config: how strongly.
        rng: where it is drawn from.

    Returns:
        uint8 (N, H, W, 3).
    """
    height, width = frames.shape[1:3]
    top, left, h, w = draw_crop(height, width, config, rng)
    if (h, w) != (height, width):
        cut = frames[:, top : top + h, left : left + w]
        frames = np.stack([cv2.resize(f, (width, height), interpolation=cv2.INTER_LINEAR) for f in cut])
    if config.colour:
        gain, offset = rng.uniform(-config.colour, config.colour, 2)
        table = np.clip((np.arange(256) - 128.0) * (1 + gain) + 128.0 * (1 + offset), 0, 255)
        frames = table.round().astype(np.uint8)[frames]
    return frames
