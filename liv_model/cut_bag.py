# SPDX-License-Identifier: Apache-2.0
"""MCAP files that were cut short by a kill or a full disk: what is left, as a reader of ``rosbags`` has it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


@dataclass
class CutConnection:
    """A topic of one file.

    Attributes:
        topic: absolute name.
        msgtype: such as ``std_msgs/msg/String``.
        definition: of the type, as the file has it.
        offered_qos: as rosbag2 writes it, or "".
        file: it stands in.
        channel: its number there.
        msgcount: messages that are left.
    """

    topic: str
    msgtype: str
    definition: bytes
    offered_qos: str
    file: Path
    channel: int
    msgcount: int = 0


class CutBag:
    """The whole records of a bag's MCAP files, each up to where it breaks off.

    Args:
        files: in the order of their recording.
        types: a ``rosbags`` type store; types that it lacks are learnt from the files.
    """

    def __init__(self, files: list[Path], types: Any):
        self._files, self._types = files, types
        self.connections: list[CutConnection] = []
        for file in files:
            self._look(file)

    @classmethod
    def open(cls, path: Path, types: Any) -> CutBag | None:
        """A folder's or a file's; None where no MCAP file holds a message."""
        files = [path] if path.suffix == ".mcap" and path.is_file() else sorted(path.glob("*.mcap"), key=_number)
        bag = cls(files, types)
        return bag if any(connection.msgcount for connection in bag.connections) else None

    def messages(
        self, connections: Iterable[CutConnection] | None = None
    ) -> Iterator[tuple[CutConnection, int, bytes]]:
        """Yield (connection, recording time in ns, serialised message) in the order they were written."""
        from mcap.records import Message

        wanted = {(c.file, c.channel): c for c in (self.connections if connections is None else connections)}
        for file in self._files:
            for record in _records(file):
                connection = wanted.get((file, record.channel_id)) if isinstance(record, Message) else None
                if connection is not None:
                    yield connection, record.log_time, record.data

    def deserialize(self, raw: bytes, msgtype: str) -> Any:
        """Read a serialised message."""
        return self._types.deserialize_cdr(raw, msgtype)

    def close(self) -> None:
        """Nothing stays open."""

    def _look(self, file: Path) -> None:
        from mcap.records import Channel, Message, Schema

        schemas: dict[int, Schema] = {}
        found: dict[int, CutConnection] = {}
        for record in _records(file):
            if isinstance(record, Schema):
                schemas[record.id] = record
                self._learn(record)
            elif isinstance(record, Channel) and record.id not in found and record.schema_id in schemas:
                schema, qos = schemas[record.schema_id], record.metadata.get("offered_qos_profiles", "")
                found[record.id] = CutConnection(record.topic, schema.name, schema.data, qos, file, record.id)
            elif isinstance(record, Message) and record.channel_id in found:
                found[record.channel_id].msgcount += 1
        self.connections += found.values()

    def _learn(self, schema: Any) -> None:
        from rosbags.typesys import TypesysError, get_types_from_msg

        if schema.name in self._types.fielddefs:
            return
        try:
            found = get_types_from_msg(schema.data.decode(), schema.name)
            self._types.register({name: d for name, d in found.items() if name not in self._types.fielddefs})
        except (TypesysError, UnicodeDecodeError) as error:  # its messages stay bytes, and the others are read
            _log.warning("a bag defines %s in words that cannot be read: %s", schema.name, str(error).splitlines()[0])


def _records(file: Path) -> Iterator[Any]:
    """The records of one file, those within chunks too, until it breaks off."""
    from mcap.stream_reader import StreamReader

    with file.open("rb") as stream:
        records = iter(StreamReader(stream, validate_crcs=True).records)
        while True:
            try:
                yield next(records)
            except Exception:  # the end, or whatever half a record, chunk or compressed block makes of it
                return


def _number(file: Path) -> tuple[int, str]:
    """rosbag2 numbers the files of a bag: name_0.mcap ... name_10.mcap."""
    found = re.search(r"_(\d+)$", file.stem)
    return (int(found[1]) if found else 0, file.name)
