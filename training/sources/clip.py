# SPDX-License-Identifier: Apache-2.0
"""A run of frames on disk, read one by one: numbered pictures, or a part of a video."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from liv_model.errors import DataError, first_few
from liv_model.image import Preprocessing, read_image, to_square
from liv_model.media import PICTURES
from training.sampler import SHORTEST_EPISODE

_MISSING_SHARE = 0.05  # a container may promise a few frames more than there are


class Clip(Protocol):
    """Frames in order.

    Attributes:
        rate_hz: frames per second, or about so many.
    """

    rate_hz: float

    def __len__(self) -> int:
        """How many frames there are."""

    def frames(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """The frames of these numbers (rising, from 0), uint8 (H, W, 3) RGB; LivError where one cannot be read."""

    def keep(self, wanted_hz: float | None) -> np.ndarray:
        """Numbers of the frames to keep to have about ``wanted_hz`` (None: all), int64."""

    def time_s(self, numbers: np.ndarray) -> np.ndarray:
        """When the frames of these numbers were taken, seconds, float64."""


class _EvenClip:
    """What a constant rate says of a clip's times."""

    def keep(self: Clip, wanted_hz: float | None) -> np.ndarray:
        """See :class:`Clip`."""
        return thin(len(self), self.rate_hz, wanted_hz)

    def time_s(self: Clip, numbers: np.ndarray) -> np.ndarray:
        """See :class:`Clip`."""
        return numbers / self.rate_hz


@dataclass(frozen=True)
class PictureClip(_EvenClip):
    """Pictures, one file each."""

    files: tuple[Path, ...]
    rate_hz: float

    def __len__(self) -> int:
        return len(self.files)

    def frames(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """See :class:`Clip`."""
        return (read_image(self.files[number]) for number in numbers)


@dataclass(frozen=True)
class VideoClip(_EvenClip):
    """Frames ``first`` to ``first + count - 1`` of a video; with ``whole``, the file may end a few frames early."""

    path: Path
    first: int
    count: int
    rate_hz: float
    whole: bool = False

    def __len__(self) -> int:
        return self.count

    def frames(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """See :class:`Clip`."""
        capture = _open(self.path)
        try:
            _seek(capture, self.first, self.path)
            wanted = set(numbers)
            for number in range(max(wanted, default=-1) + 1):
                ok, bgr = capture.grab(), None
                if ok and number in wanted:
                    ok, bgr = capture.retrieve()
                if not ok:
                    self._end(number)
                    return
                if bgr is not None:
                    yield cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()

    def _end(self, number: int) -> None:
        if not self.whole or number < self.count * (1 - _MISSING_SHARE) - 1:
            raise DataError(
                str(self.path),
                expected=f"frames up to {self.first + self.count - 1}",
                got=f"none that decodes after {self.first + number - 1}",
                remedy="the video is cut short or broken",
            )


def numbered_pictures(folder: Path) -> dict[int, Path]:
    """The PNG and JPEG files of a folder whose names end in a number, by it; of two of one number, the JPEG.

    Raises:
        DataError: there is no such folder, or no such file in it.
    """
    found = _numbered(folder)
    if not found:
        got = "none" if folder.is_dir() else "no such folder"
        raise DataError(str(folder), expected="numbered PNG or JPEG files, such as 0.jpg", got=got)
    return found


@lru_cache(maxsize=2)  # many rows may name one folder, and one of 100 000 files takes a while to list
def _numbered(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    names = ((re.search(r"(\d+)$", file.stem), file) for file in folder.iterdir() if file.suffix.lower() in PICTURES)
    files = ((int(match[1]), file) for match, file in names if match)
    return dict(sorted(files, key=lambda item: (item[0], item[1].suffix.lower() != ".png")))


def pictures(folder: Path, first: int, count: int, rate_hz: float) -> PictureClip:
    """The pictures numbered ``first`` to ``first + count - 1`` of a folder; DataError where some are missing."""
    found = numbered_pictures(folder)
    missing = [number for number in range(first, first + count) if number not in found]
    if missing:
        raise DataError(
            str(folder),
            expected=f"pictures {first} to {first + count - 1}",
            got=f"{count - len(missing)} of {count}; missing {first_few(missing, 5)}",
        )
    return PictureClip(tuple(found[number] for number in range(first, first + count)), rate_hz)


def all_pictures(folder: Path, rate_hz: float) -> PictureClip:
    """All numbered pictures of a folder; DataError where one between the first and the last is missing."""
    found = numbered_pictures(folder)
    return pictures(folder, min(found), max(found) - min(found) + 1, rate_hz)


@lru_cache(maxsize=64)
def video(path: Path) -> VideoClip:
    """A whole video; DataError where it cannot be read. Its header is read once, for all rows that name it."""
    capture = _open(path)
    try:
        count, rate_hz = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
        while count <= 0 and capture.grab():  # a container that does not say
            count -= 1
    finally:
        capture.release()
    if not rate_hz > 0:
        raise DataError(str(path), expected="a video that tells its frames per second", got=rate_hz)
    return VideoClip(path, 0, abs(count), rate_hz, whole=True)


def _open(path: Path) -> cv2.VideoCapture:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said by the DataError
    if not path.is_file():
        raise DataError(str(path), expected="a video", got="no such file")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise DataError(str(path), expected="a video", got="a file that does not decode", remedy="try mp4 (H.264)")
    return capture


def _seek(capture: cv2.VideoCapture, first: int, path: Path) -> None:
    """Go to frame ``first``: by the container's index, or, where that misses, by decoding all before it."""
    if first == 0 or (capture.set(cv2.CAP_PROP_POS_FRAMES, first) and capture.get(cv2.CAP_PROP_POS_FRAMES) == first):
        return
    capture.open(str(path))
    for _ in range(first):
        capture.grab()


def thin(count: int, rate_hz: float, wanted_hz: float | None) -> np.ndarray:
    """Numbers of the frames to keep of ``count`` at ``rate_hz`` to have about ``wanted_hz`` (None: all), int64.

    Counted back from the last frame, which shows the goal and is always kept.
    """
    if wanted_hz is None or wanted_hz >= rate_hz:
        return np.arange(count)
    steps = np.arange(int((count - 1) * wanted_hz / rate_hz + 1e-9) + 1)
    return (count - 1 - np.round(steps * rate_hz / wanted_hz).astype(np.int64))[::-1]


def nearest_to_grid(time_s: np.ndarray, rate_hz: float, wanted_hz: float | None) -> np.ndarray:
    """As :func:`thin`, for times that need not be even: the frame nearest to each wanted time, none twice.

    Args:
        time_s: of every frame, rising, float64 (T,), T >= 1.
        rate_hz: about how many there are in a second.
        wanted_hz: about how many to keep; None for all.
    """
    if wanted_hz is None or wanted_hz >= rate_hz:
        return np.arange(len(time_s))
    wanted_s = np.arange(time_s[-1], time_s[0] - 0.5 / wanted_hz, -1.0 / wanted_hz)[::-1]
    after = np.clip(np.searchsorted(time_s, wanted_s), 1, len(time_s) - 1)
    before_is_nearer = wanted_s - time_s[after - 1] < time_s[after] - wanted_s
    return np.unique(np.where(before_is_nearer, after - 1, after))


def read(clip: Clip, preprocessing: Preprocessing, wanted_hz: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read a clip, each frame brought to the square as it comes.

    Args:
        clip: what to read.
        preprocessing: of the model that is to learn from it.
        wanted_hz: about how many frames a second to keep; None for all.

    Returns:
        frames uint8 (T, S, S, 3) RGB, and their seconds since the first, float64 (T,).

    Raises:
        LivError: a frame cannot be read, or there are fewer than 3.
    """
    numbers = check(clip, wanted_hz)
    squares = [to_square(frame, preprocessing) for frame in clip.frames(numbers)]
    _require_enough(len(squares))
    time_s = clip.time_s(numbers[: len(squares)])
    return np.stack(squares), time_s - time_s[0]


def check(clip: Clip, wanted_hz: float | None = None) -> np.ndarray:
    """The numbers of the frames that :func:`read` would keep; DataError where they are fewer than 3."""
    numbers = clip.keep(wanted_hz)
    _require_enough(len(numbers))
    return numbers


def _require_enough(count: int) -> None:
    if count < SHORTEST_EPISODE:
        raise DataError("frames", expected=f"at least {SHORTEST_EPISODE}", got=count)
