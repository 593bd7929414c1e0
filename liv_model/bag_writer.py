# SPDX-License-Identifier: Apache-2.0
"""Writes rosbag2 folders (MCAP) without ROS, so that what was written stays, whatever happens next.

A chunk ends at least once a second and is then in the hands of the system: a kill -9 costs at most the last second.
Free space is watched, and a bag is finished while there is room to finish it.
"""

from __future__ import annotations

import copy
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from liv_model.bags import message_types
from liv_model.errors import DiskFullError, MediaError
from liv_model.whole_file import replace_text

FLUSH_EVERY_S = 1.0
_CHUNK_BYTES = 1 << 20


class _Topic(NamedTuple):
    msgtype: str
    definition: bytes
    offered_qos: str


@dataclass
class _Span:
    """What one file, or the whole bag, holds."""

    messages: int = 0
    first_ns: int | None = None
    last_ns: int = 0

    def add(self, stamp_ns: int) -> None:
        self.messages += 1
        self.first_ns = stamp_ns if self.first_ns is None else min(self.first_ns, stamp_ns)
        self.last_ns = max(self.last_ns, stamp_ns)

    def information(self) -> dict[str, Any]:
        first_ns = self.first_ns or 0
        return {
            "duration": {"nanoseconds": max(0, self.last_ns - first_ns)},
            "starting_time": {"nanoseconds_since_epoch": first_ns},
            "message_count": self.messages,
        }


class _File:
    """One MCAP file of a bag."""

    def __init__(self, path: Path, topics: dict[str, _Topic]):
        from mcap.writer import CompressionType, Writer

        self.path, self.span = path, _Span()
        self._stream = path.open("wb")
        self._writer = Writer(self._stream, chunk_size=_CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library="liv_ros")
        self._channels: dict[str, int] = {}
        for name, topic in topics.items():
            self.add(name, topic)

    def add(self, name: str, topic: _Topic) -> None:
        encoding = "ros2msg" if topic.definition else ""  # as rosbag2 says that it is not known
        schema = self._writer.register_schema(topic.msgtype, encoding, topic.definition)
        metadata = {"offered_qos_profiles": topic.offered_qos}
        self._channels[name] = self._writer.register_channel(name, "cdr", schema, metadata=metadata)

    def write(self, topic: str, stamp_ns: int, cdr: bytes) -> None:
        channel = self._channels[topic]
        self._writer.add_message(channel, stamp_ns, cdr, stamp_ns, sequence=self.span.messages)
        self.span.add(stamp_ns)

    def flush(self) -> None:
        """End the chunk and hand it to the system."""
        # the library ends a chunk by size alone, and has no public way to ask for it; a test holds that this one works
        self._writer._Writer__finalize_chunk()
        self._stream.flush()

    @property
    def bytes(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        try:
            self._writer.finish()
        finally:
            self._stream.close()


@dataclass
class _State:
    topics: dict[str, _Topic] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    files: list[_File] = field(default_factory=list)
    span: _Span = field(default_factory=_Span)


class BagWriter:
    """Writes serialised messages into a new rosbag2 folder: MCAP files and ``metadata.yaml``.

    Args:
        folder: to make.
        split_bytes: a file that has grown to this ends, and the next begins; 0 = one file.
        keep_free_bytes: of the disk; with less the bag is finished, and DiskFullError raised.

    Raises:
        MediaError: the folder exists with something in it.
        DiskFullError: there is no room to begin.
    """

    def __init__(self, folder: str | Path, *, split_bytes: int = 0, keep_free_bytes: int = 0):
        self._folder = Path(folder)
        self._split_bytes, self._keep_free_bytes = split_bytes, keep_free_bytes
        if self._folder.exists() and (not self._folder.is_dir() or any(self._folder.iterdir())):
            raise MediaError(
                str(folder), expected="a new folder", got="one with files", remedy="remove it or name another"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._state, self._closed = _State(), False
        self._require_room()
        self._begin_file()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether the bag is finished."""
        return self._closed

    @property
    def counts(self) -> dict[str, int]:
        """Messages by topic."""
        return dict(self._state.counts)

    def add_topic(
        self,
        topic: str,
        msgtype: str,
        *,
        reliable: bool = True,
        latched: bool = False,
        definition: bytes | None = b"",
        offered_qos: str = "",
    ) -> None:
        """Announce a topic, so that it is in the bag even if nothing comes.

        Args:
            topic: absolute name.
            msgtype: such as ``std_msgs/msg/String``.
            reliable: whether it was published reliably, and shall be when the bag is played.
            latched: whether it was published transient_local.
            definition: of the type, as another bag has it; b"" = as it is known here, None = written without one.
            offered_qos: as another bag has it, in place of ``reliable`` and ``latched``.

        Raises:
            MediaError: the type is not known here, and no definition is given.
        """
        state = self._state
        if topic in state.topics:
            return
        known = b"" if definition is None else definition or _definition(topic, msgtype)
        state.topics[topic] = _Topic(msgtype, known, offered_qos or _offered_qos(reliable, latched))
        state.counts[topic] = 0
        state.files[-1].add(topic, state.topics[topic])

    def write(self, topic: str, msgtype: str, stamp_ns: int, cdr: bytes) -> None:
        """Append one message.

        Args:
            topic: absolute name.
            msgtype: such as ``sensor_msgs/msg/Image``.
            stamp_ns: when it was received, nanoseconds.
            cdr: the serialised message, encapsulation header included.

        Raises:
            DiskFullError: the disk is full, or nearly; what came before is safe, and the bag is closed.
        """
        self.add_topic(topic, msgtype)
        try:
            self._state.files[-1].write(topic, stamp_ns, cdr)
        except OSError as error:
            raise self._give_up(error) from error
        self._state.counts[topic] += 1
        self._state.span.add(stamp_ns)
        if time.monotonic() - self._flushed_s >= FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Hand what was written to the system: it survives this process. Whoever writes seldom calls it now and then.

        Raises:
            DiskFullError: as :meth:`write`.
        """
        self._flushed_s = time.monotonic()
        try:
            self._state.files[-1].flush()
        except OSError as error:
            raise self._give_up(error) from error
        self._require_room()
        if self._split_bytes and self._state.files[-1].bytes >= self._split_bytes:
            self._state.files[-1].close()
            self._begin_file()
            self._write_metadata()

    def close(self) -> None:
        """Finish the file and write ``metadata.yaml``, without which rosbag2 tools do not see a bag; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._state.files[-1].close()
        self._write_metadata()

    def _begin_file(self) -> None:
        path = self._folder / f"{self._folder.name}_{len(self._state.files)}.mcap"
        self._state.files.append(_File(path, self._state.topics))
        self._flushed_s = time.monotonic()

    def _require_room(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < self._keep_free_bytes:
            if self._state.files:
                self.close()
            raise DiskFullError(
                f"bag {self._folder}",
                expected=f"{self._keep_free_bytes / 1e6:.0f} MB of free disk to be left",
                got=f"{free / 1e6:.0f} MB",
                remedy="the bag is finished; make room, then record into another folder",
            )

    def _give_up(self, error: OSError) -> DiskFullError:
        """The disk is full in the middle of a record: leave the file as it is, the readers of cut bags read it."""
        self._closed = True
        return DiskFullError(
            f"bag {self._folder}",
            expected="room on the disk",
            got=os.strerror(error.errno) if error.errno else error,
            remedy="what came before is safe: `liv bag recover` makes a whole bag of it",
        )

    def _write_metadata(self) -> None:
        text = yaml.safe_dump({"rosbag2_bagfile_information": self._information()}, sort_keys=False)
        replace_text(self._folder / "metadata.yaml", text)

    def _information(self) -> dict[str, Any]:
        """Version 5 of rosbag2's metadata: what Humble writes and everything since reads."""
        state = self._state
        topics = [
            {
                "topic_metadata": {
                    "name": name,
                    "type": topic.msgtype,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": topic.offered_qos,
                },
                "message_count": state.counts[name],
            }
            for name, topic in state.topics.items()
        ]
        files = [{"path": file.path.name, **copy.deepcopy(file.span.information())} for file in state.files]
        return {
            "version": 5,
            "storage_identifier": "mcap",
            **state.span.information(),
            "topics_with_message_count": topics,
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file.path.name for file in state.files],
            "files": files,
        }


def _definition(topic: str, msgtype: str) -> bytes:
    try:
        definition, _ = message_types().generate_msgdef(msgtype, ros_version=2)
    except Exception as error:  # rosbags raises errors of its own and KeyError
        raise MediaError(
            f"{topic}: type {msgtype}", expected="a type of ROS 2 Jazzy or liv_ros", got=repr(error)
        ) from error
    return definition.encode()


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
