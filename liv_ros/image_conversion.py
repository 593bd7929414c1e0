# SPDX-License-Identifier: Apache-2.0
"""Camera messages to RGB: by cv_bridge where it is installed and reads them right, else by OpenCV; validated by us."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from liv_model.errors import ImageError
from liv_model.image_message import compressed_to_rgb, image_to_rgb, validate_image

try:
    import cv_bridge
except ImportError:
    cv_bridge = None

# It takes OpenCV's own types (8UC3) for no colours, and knows neither the newer names of YUV nor two planes.
CV_BRIDGE_READS = {
    *("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "yuv422", "yuv422_yuy2"),
    *("bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"),
}


def to_rgb(message: Image | CompressedImage) -> np.ndarray:
    """Return uint8 (H, W, 3) RGB; ImageError if the message is of no kind we take, or contradicts itself."""
    if isinstance(message, CompressedImage):
        return compressed_to_rgb(message)
    if cv_bridge is None or not _cv_bridge_reads(message):
        return image_to_rgb(message)
    try:
        return np.ascontiguousarray(cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # cv_bridge lets errors of numpy and of its C++ half through
        raise ImageError("image", expected=f"{message.encoding} that cv_bridge takes", got=repr(error)) from error


def _cv_bridge_reads(message: Image) -> bool:
    """Whether cv_bridge reads this right.

    It skews rows whose step is no whole number of pixels, wants the last row's padding, and swaps bytes by a method
    that numpy 2 has dropped.
    """
    layout = validate_image(message)
    return (
        message.encoding in CV_BRIDGE_READS
        and message.step % layout.pixel_bytes == 0
        and len(message.data) >= message.height * message.step
        and not message.is_bigendian
    )
