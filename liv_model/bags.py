# SPDX-License-Identifier: Apache-2.0
"""rosbag2 folders without ROS: read any, write MCAP."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from liv_model.errors import MediaError
from liv_model.folders import shipped

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"


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
    """Open a rosbag2 folder, .mcap or .db3 as a ``rosbags.highlevel.AnyReader``; MediaError if it cannot be read."""
    from rosbags.highlevel import AnyReader, AnyReaderError

    path = Path(path)
    if not path.exists():
        raise MediaError(str(path), expected="a rosbag2 folder or file", got="no such file or folder")
    reader = AnyReader([path], default_typestore=message_types())
    try:
        reader.open()
    except Exception as error:  # rosbags lets errors of its storages through as they are
        known = isinstance(error, AnyReaderError)
        raise MediaError(
            str(path), expected="a rosbag2 recording (MCAP or sqlite3)", got=error if known else repr(error)
        ) from error
    try:
        yield reader
    finally:
        reader.close()


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


class _Channel(NamedTuple):
    id: int
    msgtype: str
    offered_qos: str


def _offered_qos(reliable: bool, latched: bool) -> str:
    """What ``ros2 bag play`` offers again, in the numbers of rmw, as Humble wrote and all read."""
    never = {"sec": 9223372036, "nsec": 854775807}
    profile = {
        "history": 1,
        "depth": 10,
        "reliability": 1 if reliable else 2,
        "durability": 1 if latched else 2,
        "deadline": never,
        "lifespan": dict(never),
        "liveliness": 1,
        "liveliness_lease_duration": dict(never),
        "avoid_ros_namespace_conventions": False,
    }
    return yaml.safe_dump([profile], sort_keys=False)


class BagWriter:
    """Writes serialised messages into a new rosbag2 folder (one MCAP file and ``metadata.yaml``)."""

    def __init__(self, folder: str | Path):
        """Create the folder; MediaError if it exists with something in it."""
        from mcap.writer import CompressionType, Writer

        self._folder = Path(folder)
        if self._folder.exists() and (not self._folder.is_dir() or any(self._folder.iterdir())):
            raise MediaError(
                str(folder), expected="a new folder", got="one with files", remedy="remove it or name another"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._name = f"{self._folder.name}_0.mcap"
        self._file = (self._folder / self._name).open("wb")
        self._writer = Writer(self._file, chunk_size=1 << 20, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library="liv_ros")
        self._channels: dict[str, _Channel] = {}
        self._counts: dict[str, int] = {}
        self._first_ns: int | None = None
        self._last_ns = 0

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_topic(self, topic: str, msgtype: str, *, reliable: bool = True, latched: bool = False) -> None:
        """Announce a topic, so that it is in the bag even if nothing comes.

        Args:
            topic: absolute name.
            msgtype: such as ``std_msgs/msg/String``.
            reliable: whether it was published reliably, and shall be when the bag is played.
            latched: whether it was published transient_local.

        Raises:
            MediaError: the type is not known here.
        """
        if topic in self._channels:
            return
        try:
            definition, _ = message_types().generate_msgdef(msgtype, ros_version=2)
        except Exception as error:  # rosbags raises errors of its own and KeyError
            raise MediaError(
                f"{topic}: type {msgtype}", expected="a type of ROS 2 Jazzy or liv_ros", got=repr(error)
            ) from error
        schema = self._writer.register_schema(msgtype, "ros2msg", definition.encode())
        offered = _offered_qos(reliable, latched)
        channel = self._writer.register_channel(topic, "cdr", schema, metadata={"offered_qos_profiles": offered})
        self._channels[topic] = _Channel(channel, msgtype, offered)
        self._counts[topic] = 0

    def write(self, topic: str, msgtype: str, stamp_ns: int, cdr: bytes) -> None:
        """Append one message.

        Args:
            topic: absolute name.
            msgtype: such as ``sensor_msgs/msg/Image``.
            stamp_ns: when it was received, nanoseconds.
            cdr: the serialised message, encapsulation header included.
        """
        self.add_topic(topic, msgtype)
        self._writer.add_message(self._channels[topic].id, stamp_ns, cdr, stamp_ns, sequence=self._counts[topic])
        self._counts[topic] += 1
        self._first_ns = stamp_ns if self._first_ns is None else min(self._first_ns, stamp_ns)
        self._last_ns = max(self._last_ns, stamp_ns)

    def close(self) -> None:
        """Finish the file and write ``metadata.yaml``, without which rosbag2 tools do not see a bag."""
        if self._file.closed:
            return
        self._writer.finish()
        self._file.close()
        metadata = yaml.safe_dump({"rosbag2_bagfile_information": self._information()}, sort_keys=False)
        (self._folder / "metadata.yaml").write_text(metadata, encoding="utf-8")

    def _information(self) -> dict[str, Any]:
        """Version 5 of rosbag2's metadata: what Humble writes and everything since reads."""
        first_ns = self._first_ns or 0
        span = {
            "duration": {"nanoseconds": max(0, self._last_ns - first_ns)},
            "starting_time": {"nanoseconds_since_epoch": first_ns},
            "message_count": sum(self._counts.values()),
        }
        topics = [
            {
                "topic_metadata": {
                    "name": topic,
                    "type": channel.msgtype,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": channel.offered_qos,
                },
                "message_count": self._counts[topic],
            }
            for topic, channel in self._channels.items()
        ]
        return {
            "version": 5,
            "storage_identifier": "mcap",
            **span,
            "topics_with_message_count": topics,
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [self._name],
            "files": [{"path": self._name, **copy.deepcopy(span)}],  # shared objects would become YAML anchors
        }
