# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from liv_model.errors import ConfigError, ImageError
from liv_model.image import Preprocessing, Region, decode_image, read_image, to_square

AREA = Preprocessing(16)


def checkers(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * 7) % 256, (y * 11) % 256, (x + y) % 256], -1).astype(np.uint8)


@pytest.mark.parametrize("shape", [(16, 16), (48, 64), (64, 48), (1, 20), (20, 1), (17, 16), (480, 640), (8, 8)])
@pytest.mark.parametrize(
    "preprocessing", [AREA, Preprocessing(16, "bilinear", False), Preprocessing(16, "bicubic", True)], ids=str
)
def test_every_shape_becomes_the_square(shape, preprocessing):
    square = to_square(checkers(*shape), preprocessing)
    assert square.shape == (16, 16, 3)
    assert square.dtype == np.uint8
    assert square.flags.c_contiguous


def test_a_square_of_the_right_size_passes_unchanged():
    picture = checkers(16, 16)
    np.testing.assert_array_equal(to_square(picture, AREA), picture)


def test_centre_crop_keeps_the_middle():
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, 16:32] = 200
    np.testing.assert_array_equal(to_square(picture, AREA), np.full((16, 16, 3), 200))


def test_halving_by_area_is_the_mean_of_four():
    picture = checkers(32, 32)
    mean = picture.reshape(16, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(to_square(picture, AREA) - mean).max() <= 0.5


@pytest.mark.parametrize("shape", [(480, 640), (360, 480), (720, 1280), (333, 500)])
def test_shrinking_by_area_averages_every_pixel_alike(shape):
    """In two passes or in one: near the mean over the exact boxes."""
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8), (0, 0), 9)
    height, width = shape
    size = (112, 112 * width // height) if height < width else (112 * height // width, 112)
    boxes = cv2.resize(picture.astype(np.float64), size[::-1], interpolation=cv2.INTER_AREA)
    left = round((size[1] - 112) / 2)
    difference = to_square(picture, Preprocessing(112)) - boxes[:, left : left + 112]
    assert np.abs(difference).mean() < 0.6


def test_bilinear_without_antialias_is_what_torch_interpolate_gives():
    torch = pytest.importorskip("torch")
    picture = checkers(60, 60)
    ours = to_square(picture, Preprocessing(16, "bilinear", False))
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    theirs = torch.nn.functional.interpolate(tensor, (16, 16), mode="bilinear", antialias=False)
    assert np.abs(ours - theirs[0].permute(1, 2, 0).numpy()).max() <= 1.0  # a rounding


@pytest.mark.parametrize("shape", [(1, 16384), (16384, 1), (10, 201)])
def test_a_strip_is_refused_before_it_is_enlarged(shape):
    with pytest.raises(ImageError, match="at most 20 to 1"):
        to_square(np.zeros((*shape, 3), np.uint8), AREA)


def test_region_of_interest():
    picture = checkers(40, 40)
    np.testing.assert_array_equal(to_square(picture, AREA, Region(3, 5, 16, 16)), picture[5:21, 3:19])


@pytest.mark.parametrize("roi", [(-1, 0, 4, 4), (0, 0, 0, 4), (30, 0, 11, 4), (0, 39, 1, 2)])
def test_region_outside_is_refused(roi):
    with pytest.raises(ImageError, match="expected inside 40x40"):
        to_square(checkers(40, 40), AREA, Region(*roi))


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3), np.float32), None]
)
def test_not_a_picture(bad):
    with pytest.raises(ImageError, match="expected"):
        to_square(bad, AREA)


@pytest.mark.parametrize("arguments", [(4,), (16, "lanczos"), (16, "area", False), ("16",)])
def test_bad_preprocessing(arguments):
    with pytest.raises(ConfigError, match="expected"):
        Preprocessing(*arguments)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_files_are_read_as_rgb(tmp_path, suffix):
    picture = np.full((20, 30, 3), (250, 10, 20), np.uint8)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), picture[..., ::-1])
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - picture).max() < 6


def test_a_cut_jpeg_is_refused_although_the_decoder_would_fill_it_with_grey():
    data = cv2.imencode(".jpg", checkers(64, 64))[1].tobytes()
    assert decode_image(data).shape == (64, 64, 3)
    assert decode_image(data + bytes(200)).shape == (64, 64, 3)  # as drivers pad it
    with pytest.raises(ImageError, match="expected a whole JPEG"):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ImageError, match="expected JPEG or PNG"):
        decode_image(data)


def test_missing_file(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "none.png")
