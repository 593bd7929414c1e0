# SPDX-License-Identifier: Apache-2.0
"""cv_bridge is not to be had as a wheel; a double that reads as it does stands for it here."""

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy")
from sensor_msgs.msg import Image

pytestmark = pytest.mark.ros
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


class CvBridgeDouble:
    """Reads an Image as cv_bridge's core.py does: whole pixels a row, all padding present."""

    calls = 0

    class CvBridge:
        def imgmsg_to_cv2(self, message, encoding):
            assert encoding == "rgb8"
            CvBridgeDouble.calls += 1
            shape = (message.height, message.step // 3, 3)
            return np.ndarray(shape, np.uint8, bytes(message.data))[:, : message.width]


def image(padding=0, missing=0):
    rows = np.pad(RGB.reshape(5, -1), ((0, 0), (0, padding)))
    data = rows.tobytes()[: rows.size - missing]
    return Image(height=5, width=7, encoding="rgb8", step=21 + padding, data=array("B", data))


@pytest.mark.parametrize(
    ("padding", "missing", "by_cv_bridge"), [(0, 0, True), (3, 0, True), (1, 0, False), (3, 3, False)]
)
def test_cv_bridge_is_used_where_it_reads_right(monkeypatch, padding, missing, by_cv_bridge):
    from liv_ros import image_conversion

    monkeypatch.setattr(image_conversion, "cv_bridge", CvBridgeDouble)
    monkeypatch.setattr(CvBridgeDouble, "calls", 0)
    np.testing.assert_array_equal(image_conversion.to_rgb(image(padding, missing)), RGB)
    assert CvBridgeDouble.calls == int(by_cv_bridge)


def test_what_cv_bridge_throws_is_an_image_error(monkeypatch):
    from liv_model.errors import ImageError
    from liv_ros import image_conversion

    class Broken:
        class CvBridge:
            def imgmsg_to_cv2(self, message, encoding):
                raise TypeError("buffer is too small")

    monkeypatch.setattr(image_conversion, "cv_bridge", Broken)
    with pytest.raises(ImageError, match="buffer is too small"):
        image_conversion.to_rgb(image())
