# SPDX-License-Identifier: Apache-2.0
"""Camera messages to RGB: by cv_bridge where the ROS installation has it, by OpenCV otherwise; validated by us."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from liv_model.errors import ImageError
from liv_model.image_message import CHANNELS, compressed_to_rgb, image_to_rgb, validate_image

try:
    import cv_bridge
except ImportError:
    cv_bridge = None


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
    """Whether cv_bridge reads this right: it skews rows whose step is no whole number of pixels, and wants padding."""
    validate_image(message)
    return message.step % CHANNELS[message.encoding] == 0 and len(message.data) >= message.height * message.step
