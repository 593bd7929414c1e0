# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from numbered_frames import numbers, write_pictures, write_video

from liv_model.errors import DataError, ImageError
from liv_model.image import Preprocessing
from training.sources.clip import VideoClip, all_pictures, check, numbered_pictures, pictures, read, thin, video

SQUARE = Preprocessing(16)


@pytest.mark.parametrize(
    ("count", "rate_hz", "wanted_hz", "kept"),
    [
        (10, 30, None, list(range(10))),
        (10, 30, 60, list(range(10))),
        (10, 30, 10, [0, 3, 6, 9]),
        (11, 30, 10, [1, 4, 7, 10]),
        (7, 50, 20, [1, 4, 6]),
        (1, 30, 10, [0]),
    ],
)
def test_thinning_counts_back_from_the_last_frame(count, rate_hz, wanted_hz, kept):
    assert thin(count, rate_hz, wanted_hz).tolist() == kept


def test_a_rate_between_keeps_distinct_frames():
    kept = thin(1000, 59.94, 14.7)
    assert np.all(np.diff(kept) >= 4) and np.all(np.diff(kept) <= 5) and kept[-1] == 999


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    write_pictures(tmp_path, range(9, 12), name="frame_{}")
    (tmp_path / "cover.jpg").write_bytes(b"no number")
    clip = all_pictures(tmp_path, 5.0)
    frames, time_s = read(clip, SQUARE)
    assert frames.shape == (3, 16, 16, 3) and frames.dtype == np.uint8
    assert numbers(frames) == [9, 10, 11]
    assert time_s == pytest.approx([0, 0.2, 0.4])


def test_of_a_jpeg_and_a_png_the_jpeg_is_taken(tmp_path):
    write_pictures(tmp_path, [1], ".png")
    write_pictures(tmp_path, [1], ".jpg")
    assert numbered_pictures(tmp_path)[1].suffix == ".jpg"


def test_missing_pictures_are_named(tmp_path):
    write_pictures(tmp_path / "gap", [0, 1, 2, 4])
    with pytest.raises(DataError, match="got 4 of 5; missing 3"):
        all_pictures(tmp_path / "gap", 1.0)
    with pytest.raises(DataError, match=r"got 4 of 12; missing 3, 5, 6, 7, 8, \.\.\."):
        pictures(tmp_path / "gap", 0, 12, 1.0)
    with pytest.raises(DataError, match="got no such folder"):
        all_pictures(tmp_path / "none", 1.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="numbered PNG or JPEG files"):
        all_pictures(tmp_path / "empty", 1.0)


def test_a_broken_picture_is_an_error(tmp_path):
    clip = all_pictures(write_pictures(tmp_path, range(4)), 1.0)
    whole = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"2\.jpg"):
        read(clip, SQUARE)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_whole_video(tmp_path, suffix):
    frames, time_s = read(video(write_video(tmp_path / f"v{suffix}", 30)), SQUARE)
    assert numbers(frames) == list(range(30))
    assert time_s == pytest.approx(np.arange(30) / 20)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize("first", [0, 1, 13, 14, 35])
def test_a_part_of_a_video_is_exact(tmp_path, suffix, first):
    path = write_video(tmp_path / f"v{suffix}", 40)
    frames, time_s = read(VideoClip(path, first, 5, 20.0), SQUARE, wanted_hz=10.0)
    assert numbers(frames) == [first, first + 2, first + 4]
    assert time_s == pytest.approx([0, 0.1, 0.2])


def test_a_part_beyond_the_end_is_an_error(tmp_path):
    path = write_video(tmp_path / "v.mp4", 10)
    with pytest.raises(DataError, match="expected frames up to 14, got none that decodes after 9"):
        read(VideoClip(path, 5, 10, 20.0), SQUARE)


def test_a_video_may_end_a_frame_early_not_many(tmp_path):
    path = write_video(tmp_path / "v.mp4", 38)
    assert len(read(VideoClip(path, 0, 40, 20.0, whole=True), SQUARE)[0]) == 38
    with pytest.raises(DataError, match="cut short or broken"):
        read(VideoClip(path, 0, 60, 20.0, whole=True), SQUARE)


def test_what_is_no_video_is_an_error(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"not a video" * 50)
    with pytest.raises(DataError, match="does not decode"):
        video(tmp_path / "v.mp4")
    with pytest.raises(DataError, match="no such file"):
        video(tmp_path / "w.mp4")


def test_fewer_than_three_frames_are_refused(tmp_path):
    clip = all_pictures(write_pictures(tmp_path, range(6)), 10.0)
    with pytest.raises(DataError, match="frames: expected at least 3, got 2"):
        read(clip, SQUARE, wanted_hz=2.0)
    with pytest.raises(DataError, match="frames: expected at least 3, got 2"):
        check(pictures(tmp_path, 0, 2, 10.0))
