# SPDX-License-Identifier: Apache-2.0
"""Frames from where people keep them: a video file, a folder of pictures, or a bag."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liv_model import bags
from liv_model.errors import ImageError, MediaError
from liv_model.image import decode_image, read_image
from liv_model.image_message import compressed_to_rgb, image_to_rgb
from liv_model.reward import NANOSECONDS

PICTURES = {".png", ".jpg", ".jpeg"}
FOLDER_RATE_HZ = 10.0


@dataclass(frozen=True)
class Frame:
    """One picture of a recording.

    Attributes:
        time_ns: since the first frame.
        rgb: uint8 (H, W, 3).
        jpeg: the compressed bytes as recorded, where the recording holds JPEG; else None.
    """

    time_ns: int
    rgb: np.ndarray
    jpeg: bytes | None = None


@dataclass(frozen=True)
class Media:
    """A recording that can be read from the start any number of times.

    Attributes:
        path: where it is.
        kind: ``video``, ``folder`` or ``bag``.
        frame_count: how many frames there are (what a video's header says, which can be off by a few).
        topic: the camera topic of a bag, else None.
        rate_hz: frames per second of a folder of pictures, whose files carry no time.
    """

    path: Path
    kind: str
    frame_count: int
    topic: str | None = None
    rate_hz: float = FOLDER_RATE_HZ

    def frames(self, broken: Callable[[str], None] | None = None) -> Iterator[Frame]:
        """Yield the frames in order.

        Args:
            broken: told of each frame of a folder or bag that does not decode, and that is then left out; without
                it, the first one ends the reading.

        Raises:
            MediaError: none decodes, or one does not and ``broken`` is None.
        """
        if self.kind == "video":
            return _video_frames(self)
        return _whole_frames(self, _folder_frames(self) if self.kind == "folder" else _bag_frames(self), broken)


def open_media(path: str | Path, *, topic: str | None = None, rate_hz: float = FOLDER_RATE_HZ) -> Media:
    """Find out what a path holds.

    Args:
        path: video file, folder of PNG or JPEG files, or rosbag2 folder or file.
        topic: camera topic, needed for a bag with several.
        rate_hz: frames per second of a folder of pictures.

    Raises:
        MediaError: nothing there, or nothing of these.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise MediaError(str(path), expected="a video, a folder of pictures or a bag", got="no such file or folder")
    if bags.is_bag(path):
        topic = bags.camera_topic(path, topic)
        return Media(path, "bag", _count_messages(path, topic), topic)
    if path.is_dir():
        if not (count := len(_pictures(path))):
            raise MediaError(str(path), expected="PNG or JPEG files, or a bag's metadata.yaml", got="neither")
        if not rate_hz > 0:
            raise MediaError("rate", expected="frames per second > 0", got=rate_hz)
        return Media(path, "folder", count, rate_hz=rate_hz)
    return Media(path, "video", _count_video_frames(path))


def _video(path: Path):
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong is said by the MediaError below
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise MediaError(
            str(path), expected="a video", got="a file that OpenCV cannot decode", remedy="try mp4 (H.264)"
        )
    return capture


def _count_video_frames(path: Path) -> int:
    import cv2

    capture = _video(path)
    try:
        return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        capture.release()


def _video_frames(media: Media) -> Iterator[Frame]:
    import cv2

    capture = _video(media.path)
    count = 0
    try:
        rate_hz = capture.get(cv2.CAP_PROP_FPS) or 30.0
        while True:
            ok, bgr = capture.read()
            if not ok:
                break
            yield Frame(round(count * NANOSECONDS / rate_hz), cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            count += 1
    finally:
        capture.release()
    if not count:
        raise MediaError(str(media.path), expected="at least one frame", got="none that decodes")


def _pictures(folder: Path) -> list[Path]:
    def natural(path: Path) -> list[tuple[int, int, str]]:  # frame_10 comes after frame_9
        parts = re.split(r"(\d+)", path.name)
        return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]

    return sorted((p for p in folder.iterdir() if p.suffix.lower() in PICTURES), key=natural)


def _whole_frames(
    media: Media, frames: Iterator[Frame | MediaError], broken: Callable[[str], None] | None
) -> Iterator[Frame]:
    """The frames that decode."""
    whole = False
    for frame in frames:
        if isinstance(frame, Frame):
            whole = True
            yield frame
        elif broken is None:
            raise frame
        else:
            broken(str(frame))
    if not whole:
        what = str(media.path) + (f": {media.topic}" if media.topic else "")
        raise MediaError(what, expected="at least one frame that decodes", got="none")


def _folder_frames(media: Media) -> Iterator[Frame | MediaError]:
    for index, file in enumerate(_pictures(media.path)):
        try:
            yield Frame(round(index * NANOSECONDS / media.rate_hz), read_image(file))
        except ImageError as error:
            yield MediaError(str(error))


def _count_messages(path: Path, topic: str) -> int:
    with bags.open_bag(path) as reader:
        return sum(connection.msgcount for connection in reader.connections if connection.topic == topic)


def _bag_frames(media: Media) -> Iterator[Frame | MediaError]:
    first_ns = None
    for _, time_ns, message in bags.read_messages(media.path, [media.topic]):
        stamp = message.header.stamp
        stamp_ns = stamp.sec * NANOSECONDS + stamp.nanosec or time_ns
        first_ns = stamp_ns if first_ns is None else first_ns
        try:
            yield _bag_frame(message, stamp_ns - first_ns)
        except ImageError as error:
            yield MediaError(f"{media.path}: frame at {(stamp_ns - first_ns) / NANOSECONDS:.2f} s: {error}")


def _bag_frame(message, time_ns: int) -> Frame:
    if hasattr(message, "encoding"):
        return Frame(time_ns, image_to_rgb(message))
    jpeg = bytes(message.data) if bytes(message.data[:2]) == b"\xff\xd8" else None
    return Frame(time_ns, decode_image(jpeg) if jpeg else compressed_to_rgb(message), jpeg)
