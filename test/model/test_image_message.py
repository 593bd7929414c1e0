# SPDX-License-Identifier: Apache-2.0
import contextlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liv_model.errors import ImageError
from liv_model.image_message import CHANNELS, compressed_to_rgb, image_to_rgb

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
FROM_RGB = {
    "rgb8": lambda p: p,
    "bgr8": lambda p: p[..., ::-1],
    "rgba8": lambda p: np.dstack([p, np.full(p.shape[:2], 9, np.uint8)]),
    "bgra8": lambda p: np.dstack([p[..., ::-1], np.full(p.shape[:2], 9, np.uint8)]),
    "mono8": lambda p: p[..., :1],
}


def message(pixels, encoding, padding=0, cut_last=False):
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    step = rows.shape[1] + padding
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=77).tobytes()
    if cut_last and padding:
        data = data[:-padding]
    return SimpleNamespace(height=height, width=width, encoding=encoding, step=step, data=data)


@pytest.mark.parametrize("encoding", list(CHANNELS))
@pytest.mark.parametrize(("padding", "cut_last"), [(0, False), (1, False), (13, False), (13, True)])
def test_every_encoding_with_every_legal_step(encoding, padding, cut_last):
    expected = RGB if encoding != "mono8" else np.repeat(RGB[..., :1], 3, 2)
    rgb = image_to_rgb(message(FROM_RGB[encoding](RGB), encoding, padding, cut_last))
    np.testing.assert_array_equal(rgb, expected)
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"encoding": "32FC1"}, "image encoding: expected rgb8"),
        ({"encoding": ""}, "image encoding"),
        ({"step": 20}, "image step: expected at least 21"),
        ({"step": 0}, "image step"),
        ({"width": 0}, "image size: expected sides of 1"),
        ({"height": 0}, "image size"),
        ({"width": 2**31}, "image size"),
        ({"height": 6}, "image data: expected at least 126 bytes, got 105"),
        ({"data": b""}, "image data"),
    ],
)
def test_contradictions_are_refused(change, expected):
    bad = message(RGB, "rgb8")
    vars(bad).update(change)
    with pytest.raises(ImageError, match=expected):
        image_to_rgb(bad)


@given(
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    step=st.integers(0, 40),
    size=st.integers(0, 200),
    encoding=st.sampled_from([*CHANNELS, "yuv", ""]),
)
def test_any_combination_gives_a_picture_or_an_image_error(height, width, step, size, encoding):
    candidate = SimpleNamespace(height=height, width=width, step=step, data=bytes(size), encoding=encoding)
    with contextlib.suppress(ImageError):
        assert image_to_rgb(candidate).shape == (height, width, 3)


@pytest.mark.parametrize("form", ["jpeg", "rgb8; jpeg compressed bgr8", "png"])
def test_compressed(form):
    data = cv2.imencode(".png" if form == "png" else ".jpg", RGB[..., ::-1])[1].tobytes()
    assert compressed_to_rgb(SimpleNamespace(format=form, data=data)).shape == RGB.shape


def test_compressed_refuses_other_formats_and_cut_data():
    data = cv2.imencode(".jpg", RGB)[1].tobytes()
    with pytest.raises(ImageError, match="expected jpeg"):
        compressed_to_rgb(SimpleNamespace(format="h264", data=data))
    with pytest.raises(ImageError, match="whole JPEG"):
        compressed_to_rgb(SimpleNamespace(format="jpeg", data=data[:-20]))
