# SPDX-License-Identifier: Apache-2.0
"""Beside cv_bridge where it is installed; it is not to be had as a wheel, so a double also reads as it does."""

import importlib.util
from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from sensor_msgs.msg import Image

from liv_model.errors import ImageError
from liv_model.image_message import ENCODINGS, image_to_rgb
from liv_ros import image_conversion
from liv_ros.image_conversion import CV_BRIDGE_READS

pytestmark = pytest.mark.ros
HEIGHT, WIDTH = 6, 8


CODES = {
    "bgr8": "BGR2RGB",
    "rgba8": "RGBA2RGB",
    "bgra8": "BGRA2RGB",
    "mono8": "GRAY2RGB",
    "mono16": "GRAY2RGB",
    "yuv422": "YUV2RGB_UYVY",
    "yuv422_yuy2": "YUV2RGB_YUY2",
    "bayer_rggb8": "BayerBG2RGB",
    "bayer_bggr8": "BayerRG2RGB",
    "bayer_gbrg8": "BayerGR2RGB",
    "bayer_grbg8": "BayerGB2RGB",
}


class CvBridgeDouble:
    """Reads an Image as cv_bridge 4 does (core.py, cv_bridge.cpp): whole pixels a row, all padding, colours only."""

    calls = 0

    class CvBridge:
        def imgmsg_to_cv2(self, message, encoding):
            assert encoding == "rgb8"
            CvBridgeDouble.calls += 1
            if message.encoding not in {*CODES, "rgb8"}:
                raise TypeError(f"[{message.encoding}] is not a color format")
            pixel = ENCODINGS[message.encoding].pixel_bytes
            dtype = np.uint16 if message.encoding == "mono16" else np.uint8
            shape = (message.height, message.step // pixel, pixel // np.dtype(dtype).itemsize)
            found = np.ascontiguousarray(np.ndarray(shape, dtype, bytes(message.data))[:, : message.width])
            if message.encoding == "rgb8":
                return found
            rgb = cv2.cvtColor(found, getattr(cv2, "COLOR_" + CODES[message.encoding]))
            return cv2.convertScaleAbs(rgb, alpha=255.0 / 65535.0) if dtype is np.uint16 else rgb


def image(encoding="rgb8", padding=0, missing=0, is_bigendian=False):
    layout = ENCODINGS[encoding]
    rows = HEIGHT + layout.half_planes * HEIGHT // 2
    step = WIDTH * layout.pixel_bytes + padding
    data = np.random.default_rng(0).integers(0, 256, (rows, step), np.uint8).tobytes()
    return Image(
        height=HEIGHT,
        width=WIDTH,
        encoding=encoding,
        step=step,
        is_bigendian=is_bigendian,
        data=array("B", data[: len(data) - missing]),
    )


@pytest.fixture(params=["double", "installed"])
def cv_bridge(request, monkeypatch):
    if request.param == "double":
        monkeypatch.setattr(CvBridgeDouble, "calls", 0)
        return CvBridgeDouble
    if importlib.util.find_spec("cv_bridge") is None:
        pytest.skip("no module cv_bridge (an apt installation has it)")
    return importlib.import_module("cv_bridge")


@pytest.mark.parametrize("encoding", sorted(CV_BRIDGE_READS))
def test_what_cv_bridge_reads_we_read_alike(cv_bridge, encoding):
    message = image(encoding, padding=0 if encoding == "rgb8" else 4 * ENCODINGS[encoding].pixel_bytes)
    theirs = cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
    # to 1: another OpenCV may round otherwise
    np.testing.assert_allclose(image_to_rgb(message).astype(int), theirs.astype(int), atol=1)


@pytest.mark.parametrize("encoding", sorted(ENCODINGS.keys() - CV_BRIDGE_READS))
def test_what_cv_bridge_does_not_read_is_left_to_us(cv_bridge, encoding):
    with pytest.raises(Exception, match=r"color format|encoding"):
        cv_bridge.CvBridge().imgmsg_to_cv2(image(encoding), "rgb8")


@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_the_picture_is_the_same_with_and_without_cv_bridge(cv_bridge, monkeypatch, encoding):
    message = image(encoding)
    monkeypatch.setattr(image_conversion, "cv_bridge", cv_bridge)
    with_it = image_conversion.to_rgb(message)
    monkeypatch.setattr(image_conversion, "cv_bridge", None)
    np.testing.assert_allclose(with_it.astype(int), image_conversion.to_rgb(message).astype(int), atol=1)


@pytest.mark.parametrize(
    ("fields", "by_cv_bridge"),
    [
        ({}, True),
        ({"padding": 3}, True),
        ({"padding": 1}, False),
        ({"padding": 3, "missing": 3}, False),
        ({"encoding": "mono16"}, True),
        ({"encoding": "mono16", "is_bigendian": True}, False),
        ({"encoding": "8UC3"}, False),
        ({"encoding": "nv12"}, False),
    ],
)
def test_cv_bridge_is_used_where_it_reads_right(monkeypatch, fields, by_cv_bridge):
    monkeypatch.setattr(image_conversion, "cv_bridge", CvBridgeDouble)
    monkeypatch.setattr(CvBridgeDouble, "calls", 0)
    message = image(**fields)
    np.testing.assert_array_equal(image_conversion.to_rgb(message), image_to_rgb(message))
    assert CvBridgeDouble.calls == int(by_cv_bridge)


def test_what_cv_bridge_throws_is_an_image_error(monkeypatch):
    class Broken:
        class CvBridge:
            def imgmsg_to_cv2(self, message, encoding):
                raise TypeError("buffer is too small")

    monkeypatch.setattr(image_conversion, "cv_bridge", Broken)
    with pytest.raises(ImageError, match="buffer is too small"):
        image_conversion.to_rgb(image())
