# SPDX-License-Identifier: Apache-2.0
"""rosbag2 folders without ROS: read any, also one that was cut short. Written by :mod:`liv_model.bag_writer`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from liv_model.cut_bag import CutBag
from liv_model.errors import MediaError
from liv_model.folders import shipped

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"

_log = logging.getLogger(__name__)


def is_bag(path: Path) -> bool:
    """Whether a path looks like a rosbag2 folder or one of its files."""
    return path.suffix in {".mcap", ".db3"} or (path / "metadata.yaml").is_file()


@functools.cache
def message_types():
    """The ``rosbags`` type store of ROS 2 Jazzy with the messages of liv_ros."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted(shipped("msg").glob("*.msg")):
        store.register(get_types_from_msg(file.read_text(), f"liv_ros/msg/{file.stem}"))
    return store


@contextmanager
def open_bag(path: str | Path) -> Iterator[Any]:
    """Open a rosbag2 folder, .mcap or .db3 as a ``rosbags.highlevel.AnyReader``; MediaError if it cannot be read.

    MCAP that was cut short, by a kill or a full disk, is read as far as it goes, with a warning: a :class:`CutBag`.
    """
    from rosbags.highlevel import AnyReader

    with _opened(Path(path), lambda p: AnyReader([p], default_typestore=message_types())) as reader:
        yield reader


@contextmanager
def open_bag_as_bytes(path: str | Path) -> Iterator[Any]:
    """As :func:`open_bag`, a ``rosbags.rosbag2.Reader``: types that nobody knows do not matter, nor is any read."""
    from rosbags.rosbag2 import Reader

    with _opened(Path(path), Reader) as reader:
        yield reader


@contextmanager
def _opened(path: Path, make: Callable[[Path], Any]) -> Iterator[Any]:
    if not path.exists():
        raise MediaError(str(path), expected="a rosbag2 folder or file", got="no such file or folder")
    reader = _open_whole_or_cut(path, make)
    try:
        yield reader
    finally:
        reader.close()


def _open_whole_or_cut(path: Path, make: Callable[[Path], Any]) -> Any:
    from rosbags.highlevel import AnyReaderError
    from rosbags.rosbag2 import ReaderError

    try:
        reader = make(path)
        reader.open()
        return reader
    except Exception as error:  # rosbags lets errors of its storages through as they are
        cut = CutBag.open(path, message_types())
        if cut is not None:
            _log.warning("%s was cut short: read as far as it goes; `liv bag recover` makes a whole bag of it", path)
            return cut
        known = isinstance(error, (AnyReaderError, ReaderError))
        raise MediaError(
            str(path), expected="a rosbag2 recording (MCAP or sqlite3)", got=error if known else repr(error)
        ) from error


def read_messages(path: str | Path, topics: list[str] | None = None) -> Iterator[tuple[str, int, Any]]:
    """Yield (topic, recording time in ns, message) in recording order; all topics, or those named."""
    with open_bag(path) as reader:
        connections = [c for c in reader.connections if topics is None or c.topic in topics]
        messages = reader.messages(connections=connections) if connections else iter(())
        while True:
            try:
                connection, time_ns, raw = next(messages)
                message = reader.deserialize(raw, connection.msgtype)
            except StopIteration:
                return
            except Exception as error:  # rosbags lets errors of its storages and types through as they are
                raise MediaError(str(path), expected="an undamaged recording", got=repr(error)) from error
            yield connection.topic, time_ns, message


def camera_topic(path: str | Path, topic: str | None = None) -> str:
    """Name of the bag's camera topic: the one asked for, or its only one; MediaError where that is not clear."""
    with open_bag(path) as reader:
        cameras = sorted({c.topic for c in reader.connections if c.msgtype in (IMAGE, COMPRESSED_IMAGE)})
    if topic is not None and topic not in cameras:
        raise MediaError(f"{path}: topic {topic!r}", expected=" | ".join(cameras) or "a bag with images", got="none")
    if topic is None and len(cameras) != 1:
        raise MediaError(
            str(path), expected="one camera topic", got=", ".join(cameras) or "none", remedy="name one with --topic"
        )
    return topic or cameras[0]
