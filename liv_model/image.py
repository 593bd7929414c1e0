# SPDX-License-Identifier: Apache-2.0
"""From any picture to the square that the vision tower reads: one function for training and runtime."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from liv_model.errors import ConfigError, ImageError
from liv_model.image_header import coded_size, is_cut_png

INTERPOLATIONS = ("area", "bilinear", "bicubic")
LARGEST_SIDE = 16384
LARGEST_CODED = 64_000_000  # pixels; a few damaged bytes of a header can ask for gigabytes
LARGEST_ASPECT = 20  # a thinner picture would be enlarged to far more pixels than it has


class Region(NamedTuple):
    """A region of interest in pixels of the camera image: left edge, top edge, width, height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Preprocessing:
    """How a bundle wants its pictures (``image:`` in ``liv.yaml``).

    Attributes:
        size: side S of the square in pixels.
        interpolation: ``area``, ``bilinear`` or ``bicubic``.
        antialias: whether shrinking averages over the pixels it merges. ``area`` always does.
    """

    size: int
    interpolation: str = "area"
    antialias: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or not 8 <= self.size <= 1024:
            raise ConfigError("image.size", expected="pixels in 8..1024", got=self.size)
        if self.interpolation not in INTERPOLATIONS:
            raise ConfigError("image.interpolation", expected=" | ".join(INTERPOLATIONS), got=self.interpolation)
        if self.interpolation == "area" and not self.antialias:
            raise ConfigError("image.antialias", expected="true with interpolation 'area'", got=self.antialias)


def require_rgb(rgb: np.ndarray, what: str = "image") -> np.ndarray:
    """Return ``rgb`` if it is a non-empty uint8 (H, W, 3) array, else raise ImageError."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        got = f"{rgb.dtype} {rgb.shape}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise ImageError(what, expected="uint8 (H, W, 3)", got=got)
    if not (1 <= rgb.shape[0] <= LARGEST_SIDE and 1 <= rgb.shape[1] <= LARGEST_SIDE):
        raise ImageError(what, expected=f"sides of 1..{LARGEST_SIDE} pixels", got=f"{rgb.shape[1]}x{rgb.shape[0]}")
    return rgb


def to_square(rgb: np.ndarray, preprocessing: Preprocessing, roi: Region | None = None) -> np.ndarray:
    """Bring a picture to the square the model reads: region of interest, shorter side resize, centre crop.

    Sizes and offsets are those of torchvision's ``Resize`` and ``CenterCrop``, so that models trained with
    them see the same pixels.

    Args:
        rgb: uint8 (H, W, 3), RGB, any size.
        preprocessing: the bundle's.
        roi: part of the picture to look at; must lie inside it.

    Returns:
        uint8 (S, S, 3), RGB, contiguous.

    Raises:
        ImageError: ``rgb`` is no such array or thinner than 20 to 1, or ``roi`` is not inside it.
    """
    require_rgb(rgb)
    if roi is not None:
        rgb = cut(rgb, roi)
    size = preprocessing.size
    height, width = rgb.shape[:2]
    if max(height, width) > LARGEST_ASPECT * min(height, width):
        raise ImageError("image", expected=f"sides of at most {LARGEST_ASPECT} to 1", got=f"{width}x{height}")
    if width <= height:
        resized = (size, max(size, int(size * height / width)))
    else:
        resized = (max(size, int(size * width / height)), size)
    if resized != (width, height):
        rgb = _resize(rgb, resized, preprocessing)
    left, top = round((resized[0] - size) / 2.0), round((resized[1] - size) / 2.0)
    return np.ascontiguousarray(rgb[top : top + size, left : left + size])


def read_image(path: str | Path) -> np.ndarray:
    """Read a PNG or JPEG file as uint8 (H, W, 3) RGB; ImageError if it cannot be."""
    path = Path(path)
    if not path.is_file():
        raise ImageError(str(path), expected="an image file", got="no such file")
    return decode_image(path.read_bytes(), str(path))


def decode_image(data: bytes, what: str = "compressed image") -> np.ndarray:
    """Decode JPEG or PNG bytes to uint8 (H, W, 3) RGB; ImageError when they are cut, too large or do not decode."""
    import cv2

    if is_cut_jpeg(data):
        raise ImageError(what, expected="a whole JPEG", got=f"{len(data)} bytes without an end marker")
    if is_cut_png(data):
        raise ImageError(what, expected="a whole PNG", got=f"{len(data)} bytes whose chunks do not fit")
    if (size := coded_size(data)) is not None and size[0] * size[1] > LARGEST_CODED:
        expected = f"at most {LARGEST_CODED // 10**6} million pixels"
        raise ImageError(what, expected=expected, got=f"{size[0]}x{size[1]}")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise ImageError(what, expected="JPEG or PNG data", got=f"{len(data)} bytes that do not decode")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def is_cut_jpeg(data: bytes) -> bool:
    """Whether ``data`` begins as a JPEG and lacks its end marker.

    libjpeg fills what is missing with grey and only warns, so a half-received frame would be scored as real.
    Drivers may pad the end with zeros.
    """
    return bytes(data[:2]) == b"\xff\xd8" and b"\xff\xd9" not in bytes(data).rstrip(b"\0")[-64:]


def cut(rgb: np.ndarray, roi: Region) -> np.ndarray:
    """The part of uint8 (H, W, 3) that a region covers, a view; ImageError if it is not inside."""
    height, width = rgb.shape[:2]
    inside = roi.x >= 0 and roi.y >= 0 and roi.x + roi.width <= width and roi.y + roi.height <= height
    if roi.width < 1 or roi.height < 1 or not inside:
        raise ImageError("region of interest", expected=f"inside {width}x{height}", got=tuple(roi))
    return rgb[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]


def _resize(rgb: np.ndarray, size: tuple[int, int], preprocessing: Preprocessing) -> np.ndarray:
    """Resize to (width, height). OpenCV never averages when it shrinks bilinearly, Pillow always does."""
    if preprocessing.antialias and preprocessing.interpolation != "area":
        from PIL import Image

        return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling[preprocessing.interpolation.upper()]))
    import cv2

    if preprocessing.interpolation != "area":
        code = cv2.INTER_LINEAR if preprocessing.interpolation == "bilinear" else cv2.INTER_CUBIC
        return cv2.resize(rgb, size, interpolation=code)
    if size[0] > rgb.shape[1]:
        return cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    return cv2.resize(_shrink_by_whole_factor(rgb, size), size, interpolation=cv2.INTER_AREA)


def _shrink_by_whole_factor(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Average over whole blocks of pixels first, as large as both sides allow; several times faster for the whole."""
    import cv2

    height, width = rgb.shape[:2]
    sides = math.gcd(height, width)
    factor = max(f for f in range(1, max(1, width // size[0]) + 1) if sides % f == 0)
    if factor == 1:
        return rgb
    return cv2.resize(rgb, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
