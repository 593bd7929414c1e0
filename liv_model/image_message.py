# SPDX-License-Identifier: Apache-2.0
"""The layout of sensor_msgs/Image and CompressedImage, read without ROS: messages from rclpy and from bags alike.

What each encoding means, and where cv_bridge reads it otherwise: docs/images.md.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from liv_model.errors import ImageError
from liv_model.image import LARGEST_SIDE, decode_image


class Layout(NamedTuple):
    """How the picture of an encoding lies in memory.

    Attributes:
        pixel_bytes: a row holds this many bytes for each pixel of its width.
        to_rgb: OpenCV's name of the conversion to RGB, without ``COLOR_``; "" where it is RGB.
        multiples: width and height must be multiples of these.
        least_side: the conversion needs sides of at least this many pixels.
        half_planes: planes of half the height that follow the first one, with the same step.
    """

    pixel_bytes: int
    to_rgb: str
    multiples: tuple[int, int] = (1, 1)
    least_side: int = 1
    half_planes: int = 0


_BGR, _BGRA, _GREY = Layout(3, "BGR2RGB"), Layout(4, "BGRA2RGB"), Layout(1, "GRAY2RGB")
_UYVY, _YUYV = Layout(2, "YUV2RGB_UYVY", (2, 1)), Layout(2, "YUV2RGB_YUY2", (2, 1))
ENCODINGS = {
    "rgb8": Layout(3, ""),
    "bgr8": _BGR,
    "rgba8": Layout(4, "RGBA2RGB"),
    "bgra8": _BGRA,
    "mono8": _GREY,
    "mono16": Layout(2, "GRAY2RGB"),
    "8UC1": _GREY,
    "8UC3": _BGR,
    "8UC4": _BGRA,
    # OpenCV names a pattern by the second row's second and third pixel, ROS by the first row's beginning
    "bayer_rggb8": Layout(1, "BayerBG2RGB", least_side=3),
    "bayer_bggr8": Layout(1, "BayerRG2RGB", least_side=3),
    "bayer_gbrg8": Layout(1, "BayerGR2RGB", least_side=3),
    "bayer_grbg8": Layout(1, "BayerGB2RGB", least_side=3),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": Layout(1, "YUV2RGB_NV12", (2, 2), half_planes=1),
    "nv21": Layout(1, "YUV2RGB_NV21", (2, 2), half_planes=1),
}
COMPRESSED = ("jpeg", "jpg", "png")
_DEPTH = {"16UC1", "32FC1"}


class ImageMessage(Protocol):
    """The fields of sensor_msgs/msg/Image that matter here."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: object


class CompressedImageMessage(Protocol):
    """The fields of sensor_msgs/msg/CompressedImage that matter here."""

    format: str
    data: object


def validate_image(message: ImageMessage) -> Layout:
    """Return the layout; ImageError unless encoding, size, step and amount of data fit each other."""
    layout = ENCODINGS.get(message.encoding)
    if layout is None:
        remedy = "depth is no picture; publish grey of 16 bits as mono16" if message.encoding in _DEPTH else None
        raise ImageError("image encoding", expected=" | ".join(ENCODINGS), got=repr(message.encoding), remedy=remedy)
    _validate_size(message, layout)
    row = message.width * layout.pixel_bytes
    if message.step < row:
        raise ImageError("image step", expected=f"at least {row} bytes ({message.encoding})", got=message.step)
    needed = (_rows(message, layout) - 1) * message.step + row
    if len(message.data) < needed:
        raise ImageError("image data", expected=f"at least {needed} bytes", got=len(message.data))
    return layout


def _validate_size(message: ImageMessage, layout: Layout) -> None:
    width, height, got = message.width, message.height, f"{message.width}x{message.height}"
    if not all(layout.least_side <= side <= LARGEST_SIDE for side in (width, height)):
        expected = f"sides of {layout.least_side}..{LARGEST_SIDE} pixels ({message.encoding})"
        raise ImageError("image size", expected=expected, got=got)
    if width % layout.multiples[0] or height % layout.multiples[1]:
        even = "an even width" + (" and height" if layout.multiples[1] > 1 else "")
        raise ImageError("image size", expected=f"{even} ({message.encoding})", got=got)


def _rows(message: ImageMessage, layout: Layout) -> int:
    """Rows of all planes."""
    return message.height + layout.half_planes * message.height // 2


def image_to_rgb(message: ImageMessage) -> np.ndarray:
    """Return uint8 (H, W, 3) RGB, contiguous; ImageError if the message contradicts itself.

    Rows may be padded (any ``step`` that holds a row), the last row's padding may be missing, as drivers do it.
    Alpha is dropped, 16 bits are rounded to 8, and YUV is of BT.601 in the limited range.
    """
    import cv2

    layout = validate_image(message)
    pixels = _pixels(message, layout)
    if message.encoding == "mono16":
        pixels = _to_8_bits(pixels, message.is_bigendian)
    return cv2.cvtColor(pixels, getattr(cv2, f"COLOR_{layout.to_rgb}")) if layout.to_rgb else pixels


def _pixels(message: ImageMessage, layout: Layout) -> np.ndarray:
    """All rows without their padding: uint8 (rows, W) or (rows, W, bytes of a pixel), contiguous."""
    data = np.frombuffer(message.data, np.uint8)
    rows, row = _rows(message, layout), message.width * layout.pixel_bytes
    pixels = np.lib.stride_tricks.as_strided(data, (rows, row), (message.step, 1), writeable=False)
    shape = (rows, message.width) + ((layout.pixel_bytes,) if layout.pixel_bytes > 1 else ())
    return np.ascontiguousarray(pixels).reshape(shape)


def _to_8_bits(pixels: np.ndarray, is_bigendian: int) -> np.ndarray:
    """Uint8 (H, W) of uint8 (H, W, 2): 0..65535 as 0..255, rounded."""
    import cv2

    grey = pixels.view(">u2" if is_bigendian else "<u2")[..., 0].astype(np.uint16, copy=False)
    return cv2.convertScaleAbs(grey, alpha=255 / 65535)


def compressed_to_rgb(message: CompressedImageMessage) -> np.ndarray:
    """Return uint8 (H, W, 3) RGB; ImageError if it is not JPEG or PNG, too large, cut short or does not decode."""
    # image_transport writes "jpeg", but also "bgr8; jpeg compressed bgr8"
    if not any(name in message.format.lower() for name in COMPRESSED):
        raise ImageError("compressed image format", expected="jpeg | png", got=repr(message.format))
    return decode_image(bytes(message.data))


def message_to_rgb(message: ImageMessage | CompressedImageMessage) -> np.ndarray:
    """Uint8 (H, W, 3) RGB of a message of either type; ImageError if it is a bad one."""
    return image_to_rgb(message) if hasattr(message, "encoding") else compressed_to_rgb(message)
