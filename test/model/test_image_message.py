# SPDX-License-Identifier: Apache-2.0
import contextlib
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liv_model.errors import ImageError
from liv_model.image_message import ENCODINGS, compressed_to_rgb, image_to_rgb

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
FROM_RGB = {
    "rgb8": lambda p: p,
    "bgr8": lambda p: p[..., ::-1],
    "rgba8": lambda p: np.dstack([p, np.full(p.shape[:2], 9, np.uint8)]),
    "bgra8": lambda p: np.dstack([p[..., ::-1], np.full(p.shape[:2], 9, np.uint8)]),
    "8UC3": lambda p: p[..., ::-1],
    "8UC4": lambda p: np.dstack([p[..., ::-1], np.full(p.shape[:2], 9, np.uint8)]),
    "mono8": lambda p: p[..., :1],
    "8UC1": lambda p: p[..., :1],
    "mono16": lambda p: np.dstack([p[..., :1], p[..., :1]]),  # v * 257, whichever byte comes first
}
# uint8 (rows, bytes): a picture of one colour (R, G, B) as each of the others lays it out
BAYER = {"bayer_rggb8": "rg gb", "bayer_bggr8": "bg gr", "bayer_gbrg8": "gb rg", "bayer_grbg8": "gr bg"}
YUV = {"yuv422": "uyvy", "uyvy": "uyvy", "yuv422_yuy2": "yuyv", "yuyv": "yuyv", "nv12": "uv", "nv21": "vu"}
# BT.601 in the limited range, by hand: R = 1.164 (Y - 16) + 1.596 (V - 128), G = 1.164 (Y - 16) - 0.392 (U - 128)
# - 0.813 (V - 128), B = 1.164 (Y - 16) + 2.017 (U - 128), cut to 0..255
COLOURS_OF_YUV = {
    (16, 128, 128): (0, 0, 0),
    (235, 128, 128): (255, 255, 255),
    (81, 90, 240): (254, 0, 0),
    (145, 54, 34): (0, 255, 1),
    (41, 240, 110): (0, 0, 255),
    (126, 128, 128): (128, 128, 128),
    (100, 150, 90): (37, 120, 142),
}


def message(pixels, encoding, padding=0, cut_last=False):
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    step = rows.shape[1] + padding
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=77).tobytes()
    if cut_last and padding:
        data = data[:-padding]
    return SimpleNamespace(height=height, width=width, encoding=encoding, step=step, data=data, is_bigendian=0)


def packed(rows, encoding, height, width, padding=0, cut_last=False):
    """A message of the bytes (rows, bytes of a row) of all planes."""
    found = message(rows, encoding, padding, cut_last)
    found.height, found.width = height, width
    return found


def mosaic(encoding, colour, height, width):
    """One byte a pixel, of the channel that the pattern has there."""
    pattern = np.array([["rgb".index(letter) for letter in row] for row in BAYER[encoding].split()])
    return np.asarray(colour, np.uint8)[np.tile(pattern, (height, width))[:height, :width]]


def yuv_picture(encoding, yuv, height, width):
    """Rows of all planes of a picture of one colour."""
    order = {"y": yuv[0], "u": yuv[1], "v": yuv[2]}
    chroma = np.tile(np.array([order[letter] for letter in YUV[encoding]], np.uint8), (height, width // 2))
    return np.vstack([np.full((height, width), yuv[0], np.uint8), chroma[::2]]) if len(YUV[encoding]) == 2 else chroma


PADDINGS = pytest.mark.parametrize(("padding", "cut_last"), [(0, False), (1, False), (13, False), (13, True)])


def test_every_encoding_is_tested_here():
    assert set(ENCODINGS) == {*FROM_RGB, *BAYER, *YUV}


def test_the_page_tells_of_every_encoding():
    page = (Path(__file__).parents[2] / "docs" / "images.md").read_text()
    named = {name for line in page.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line)}
    assert named >= set(ENCODINGS)
    assert not {name for name in named if re.fullmatch(r"[a-z_]+\d+|\d+UC\d", name)} - set(ENCODINGS) - {"cv2"}


@pytest.mark.parametrize("encoding", list(FROM_RGB))
@PADDINGS
def test_every_encoding_of_whole_pixels_with_every_legal_step(encoding, padding, cut_last):
    expected = RGB if "mono" not in encoding and encoding != "8UC1" else np.repeat(RGB[..., :1], 3, 2)
    rgb = image_to_rgb(message(FROM_RGB[encoding](RGB), encoding, padding, cut_last))
    np.testing.assert_array_equal(rgb, expected)
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize("encoding", list(BAYER))
@PADDINGS
def test_bayer_patterns_of_any_size(encoding, padding, cut_last):
    for height, width in ((3, 3), (4, 6), (5, 7), (8, 5)):
        rows = mosaic(encoding, (200, 100, 50), height, width)
        rgb = image_to_rgb(packed(rows, encoding, height, width, padding, cut_last))
        np.testing.assert_array_equal(rgb, np.broadcast_to(np.uint8([200, 100, 50]), (height, width, 3)))


def test_bayer_takes_means_of_the_nearest():
    """By hand: at a red pixel, green is the mean of four neighbours and blue the mean of four corners."""
    rows = np.uint8([[10, 20, 30, 40], [50, 60, 70, 80], [90, 100, 110, 120], [130, 140, 150, 160]])
    rgb = image_to_rgb(packed(rows, "bayer_rggb8", 4, 4))
    assert tuple(rgb[2, 2]) == (110, (70 + 100 + 120 + 150) / 4, (60 + 80 + 140 + 160) / 4)
    assert tuple(rgb[1, 1]) == ((10 + 30 + 90 + 110) / 4, (20 + 50 + 70 + 100) / 4, 60)
    assert tuple(rgb[2, 1]) == ((90 + 110) / 2, 100, (60 + 140) / 2)


@pytest.mark.parametrize("encoding", list(YUV))
@PADDINGS
def test_yuv_is_bt_601_in_the_limited_range(encoding, padding, cut_last):
    for yuv, expected in COLOURS_OF_YUV.items():
        rows = yuv_picture(encoding, yuv, 4, 6)
        rgb = image_to_rgb(packed(rows, encoding, 4, 6, padding, cut_last))
        np.testing.assert_allclose(rgb.astype(int), np.broadcast_to(expected, (4, 6, 3)), atol=1)


@pytest.mark.parametrize("encoding", ["uyvy", "yuyv", "nv12"])
def test_each_pixel_has_the_brightness_that_is_its_own(encoding):
    luma = np.random.default_rng(1).integers(16, 236, (4, 6), np.uint8)
    rows = yuv_picture(encoding, (0, 128, 128), 4, 6)
    if encoding == "nv12":
        rows[:4] = luma
    else:
        rows[:, encoding.index("y") :: 2] = luma
    rgb = image_to_rgb(packed(rows, encoding, 4, 6))
    np.testing.assert_allclose(rgb[..., 0], (luma - 16.0) * 255 / 219, atol=1)


@pytest.mark.parametrize("is_bigendian", [0, 1])
def test_16_bits_are_rounded_to_8(is_bigendian):
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = message(grey.astype(">u2" if is_bigendian else "<u2").view(np.uint8), "mono16")
    found.width, found.is_bigendian = 256, is_bigendian
    np.testing.assert_array_equal(image_to_rgb(found)[..., 1], (grey.astype(int) + 128) // 257)


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
        ({"encoding": "16UC1"}, "depth is no picture; publish grey of 16 bits as mono16"),
        ({"encoding": "RGB8"}, "image encoding"),
        ({"encoding": "mono16", "step": 13}, "image step: expected at least 14 bytes"),
        ({"encoding": "uyvy"}, "expected an even width .uyvy., got 7x5"),
        ({"encoding": "nv12", "width": 6}, "expected an even width and height .nv12., got 6x5"),
        ({"encoding": "nv21", "width": 6, "height": 4, "data": bytes(110)}, "image data: expected at least 111"),
        ({"encoding": "bayer_rggb8", "width": 2}, "sides of 3.."),
    ],
)
def test_contradictions_are_refused(change, expected):
    bad = message(RGB, "rgb8")
    vars(bad).update(change)
    with pytest.raises(ImageError, match=expected):
        image_to_rgb(bad)


@st.composite
def mutated_messages(draw):
    """A good message of any encoding, one or two of whose fields say something else."""
    encoding = draw(st.sampled_from(list(ENCODINGS)))
    layout = ENCODINGS[encoding]
    height, width, padding = draw(st.integers(0, 8)), draw(st.integers(0, 8)), draw(st.integers(0, 5))
    step = width * layout.pixel_bytes + padding
    size = (height + layout.half_planes * height // 2) * step
    found = SimpleNamespace(
        height=height, width=width, encoding=encoding, step=step, is_bigendian=draw(st.integers(0, 255)), data=None
    )
    data = draw(st.binary(max_size=8)) or b"\7"
    found.data = (data * (size // len(data) + 1))[:size]
    for field in draw(st.lists(st.sampled_from(["height", "width", "step", "encoding", "data"]), max_size=2)):
        if field == "data":
            found.data = found.data[: draw(st.integers(0, len(found.data)))]
        elif field == "encoding":
            found.encoding = draw(st.sampled_from([*ENCODINGS]) | st.text(max_size=8))
        else:
            setattr(found, field, draw(st.integers(0, 20) | st.integers(0, 2**32 - 1)))
    return found


@settings(max_examples=500)
@given(mutated_messages())
def test_any_message_gives_a_picture_of_its_size_or_an_image_error(candidate):
    with contextlib.suppress(ImageError):
        rgb = image_to_rgb(candidate)
        assert rgb.shape == (candidate.height, candidate.width, 3)
        assert rgb.dtype == np.uint8


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


@pytest.mark.parametrize("form", [".jpg", ".png"])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_the_coded_size_is_read_before_anything_is_allocated(form, size):
    from liv_model.image_header import coded_size

    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if size[0] == 7 and form == ".jpg" else []
    data = cv2.imencode(form, np.zeros((*size[::-1], 3), np.uint8), options)[1].tobytes()
    assert coded_size(data) == size
    assert coded_size(data[:12]) is None
    assert coded_size(b"hello") is None


def test_a_header_that_asks_for_gigabytes_is_refused():
    data = bytearray(cv2.imencode(".jpg", RGB)[1].tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (30000).to_bytes(2, "big") * 2
    with pytest.raises(ImageError, match="at most 64 million pixels, got 30000x30000"):
        compressed_to_rgb(SimpleNamespace(format="jpeg", data=bytes(data)))


def png():
    return cv2.imencode(".png", RGB)[1].tobytes()


@pytest.mark.parametrize("spoilt", [png()[:-1], png()[:40], png()[:8], png()[:33] + b"\x7f" + png()[34:]])
def test_a_png_whose_chunks_do_not_fit_is_refused_before_anything_is_allocated(spoilt):
    with pytest.raises(ImageError, match="a whole PNG"):
        compressed_to_rgb(SimpleNamespace(format="png", data=spoilt))


def test_what_follows_a_whole_png_does_no_harm():
    np.testing.assert_array_equal(
        compressed_to_rgb(SimpleNamespace(format="png", data=png() + b"\0\0")), RGB[..., ::-1]
    )


@given(st.binary(max_size=60))
def test_the_coded_size_of_anything_is_read_without_a_fault(tail):
    from liv_model.image_header import coded_size, is_cut_png

    for head in (b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        coded_size(head + tail)
        is_cut_png(head + tail)
