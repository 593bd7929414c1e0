# SPDX-License-Identifier: Apache-2.0
"""Pictures as browsers take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from liv_model.errors import ImageError
from liv_model.image_message import compressed_to_rgb, image_to_rgb

LARGEST_SIDE = 1280
QUALITY = 80
_JPEG = b"\xff\xd8"


def to_jpeg(rgb: np.ndarray, largest_side: int = LARGEST_SIDE) -> bytes:
    """A JPEG of uint8 (H, W, 3) RGB, made smaller where a side is longer than that."""
    import cv2

    height, width = rgb.shape[:2]
    scale = largest_side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    made, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not made:
        raise ImageError("JPEG", expected="a picture that can be encoded", got=f"{width}x{height}")
    return data.tobytes()


def message_to_rgb(message: Any) -> np.ndarray:
    """Uint8 (H, W, 3) of an Image or CompressedImage message; ImageError if it is a bad one."""
    return image_to_rgb(message) if hasattr(message, "encoding") else compressed_to_rgb(message)


def message_to_jpeg(message: Any) -> bytes:
    """The JPEG of an Image or CompressedImage message: as it came, where it is one. ImageError if it is a bad one."""
    if not hasattr(message, "encoding"):
        data = bytes(message.data)
        if data[:2] == _JPEG:
            return data
    return to_jpeg(message_to_rgb(message))
