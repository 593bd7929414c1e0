# SPDX-License-Identifier: Apache-2.0
"""Pictures as browsers take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from liv_model.errors import ImageError
from liv_model.image_message import message_to_rgb

LARGEST_SIDE = 1280
QUALITY = 80
_JPEG = b"\xff\xd8"


def to_jpeg(rgb: np.ndarray, largest_side: int = LARGEST_SIDE) -> bytes:
    """A JPEG of uint8 (H, W, 3) RGB, made smaller where a side is longer than that."""
    import cv2

    bgr = cv2.cvtColor(reduced(rgb, largest_side), cv2.COLOR_RGB2BGR)
    made, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not made:
        raise ImageError("JPEG", expected="a picture that can be encoded", got=f"{rgb.shape[1]}x{rgb.shape[0]}")
    return data.tobytes()


def reduced(rgb: np.ndarray, largest_side: int = LARGEST_SIDE) -> np.ndarray:
    """Uint8 (H, W, 3), made smaller by area where a side is longer than that."""
    import cv2

    height, width = rgb.shape[:2]
    scale = largest_side / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def message_to_jpeg(message: Any) -> bytes:
    """The JPEG of an Image or CompressedImage message: as it came, where it is one. ImageError if it is a bad one."""
    if not hasattr(message, "encoding"):
        data = bytes(message.data)
        if data[:2] == _JPEG:
            return data
    return to_jpeg(message_to_rgb(message))
