# SPDX-License-Identifier: Apache-2.0
"""The layout of sensor_msgs/Image and CompressedImage, read without ROS: messages from rclpy and from bags alike."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from liv_model.errors import ImageError
from liv_model.image import LARGEST_SIDE, decode_image

CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
COMPRESSED = ("jpeg", "jpg", "png")


class ImageMessage(Protocol):
    """The fields of sensor_msgs/msg/Image that matter here."""

    height: int
    width: int
    encoding: str
    step: int
    data: object


class CompressedImageMessage(Protocol):
    """The fields of sensor_msgs/msg/CompressedImage that matter here."""

    format: str
    data: object


def validate_image(message: ImageMessage) -> None:
    """Raise ImageError unless encoding, size, step and amount of data fit each other."""
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise ImageError("image encoding", expected=" | ".join(CHANNELS), got=repr(message.encoding))
    if not (1 <= message.width <= LARGEST_SIDE and 1 <= message.height <= LARGEST_SIDE):
        raise ImageError(
            "image size", expected=f"sides of 1..{LARGEST_SIDE} pixels", got=f"{message.width}x{message.height}"
        )
    row = message.width * channels
    if message.step < row:
        raise ImageError("image step", expected=f"at least {row} bytes ({message.encoding})", got=message.step)
    needed = (message.height - 1) * message.step + row
    if len(message.data) < needed:
        raise ImageError("image data", expected=f"at least {needed} bytes", got=len(message.data))


def image_to_rgb(message: ImageMessage) -> np.ndarray:
    """Return uint8 (H, W, 3) RGB, contiguous; ImageError if the message contradicts itself.

    Rows may be padded (any ``step`` that holds a row), the last row's padding may be missing, as drivers do it.
    Alpha is dropped.
    """
    import cv2

    validate_image(message)
    channels = CHANNELS[message.encoding]
    data = np.frombuffer(message.data, np.uint8)
    shape = (message.height, message.width, channels)
    pixels = np.lib.stride_tricks.as_strided(data, shape, (message.step, channels, 1), writeable=False)
    if message.encoding == "rgb8":
        return np.ascontiguousarray(pixels)
    codes = {
        "bgr8": cv2.COLOR_BGR2RGB,
        "rgba8": cv2.COLOR_RGBA2RGB,
        "bgra8": cv2.COLOR_BGRA2RGB,
        "mono8": cv2.COLOR_GRAY2RGB,
    }
    return cv2.cvtColor(np.ascontiguousarray(pixels), codes[message.encoding])


def compressed_to_rgb(message: CompressedImageMessage) -> np.ndarray:
    """Return uint8 (H, W, 3) RGB; ImageError if it is not JPEG or PNG, is cut short or does not decode."""
    # image_transport writes "jpeg", but also "bgr8; jpeg compressed bgr8"
    if not any(name in message.format.lower() for name in COMPRESSED):
        raise ImageError("compressed image format", expected="jpeg | png", got=repr(message.format))
    return decode_image(bytes(message.data))
