# SPDX-License-Identifier: Apache-2.0
"""A bag as labelling reads it: every message as bytes, with what another bag needs to hold it; few are looked into."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from liv_model.bags import message_types, open_bag_as_bytes
from liv_model.cut_bag import CutBag, CutConnection
from liv_model.errors import MediaError


class Stored(NamedTuple):
    """One message as it lies in a bag.

    Attributes:
        topic: absolute name.
        time_ns: when it was recorded.
        cdr: serialised.
    """

    topic: str
    time_ns: int
    cdr: bytes


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: absolute.
        msgtype: such as ``std_msgs/msg/String``.
        definition: of the type in the bag, or as it is known here; None where it is in neither.
        offered_qos: as rosbag2 writes it, or "".
        count: of its messages.
    """

    name: str
    msgtype: str
    definition: bytes | None
    offered_qos: str
    count: int


class Recording:
    """An open bag, read front to back any number of times. Build it with :func:`open_recording`.

    Attributes:
        path: where it is.
        topics: by name.
        is_cut: whether it was cut short, and is read as far as it goes.
    """

    def __init__(self, path: Path, reader: Any):
        self.path = path
        self.is_cut = isinstance(reader, CutBag)
        self._reader = reader
        self._stores: dict[str, Any] = {}
        self.topics: dict[str, Topic] = {}
        for connection in reader.connections:
            self._add(_topic(connection))

    def of_type(self, *msgtypes: str) -> list[str]:
        """Names of the topics of some types."""
        return sorted(topic.name for topic in self.topics.values() if topic.msgtype in msgtypes)

    def told_topics(self) -> str:
        """All topics with their types, for a message."""
        return ", ".join(f"{t.name} ({t.msgtype})" for _, t in sorted(self.topics.items())) or "no topic"

    def messages(self, only: Collection[str] | None = None) -> Iterator[Stored]:
        """Yield the messages in the order of their recording.

        Args:
            only: of these topics; None = all.

        Raises:
            MediaError: the bag is damaged.
        """
        connections = [c for c in self._reader.connections if only is None or c.topic in only]
        if not connections:
            return
        messages = self._reader.messages(connections=connections)
        try:
            for connection, time_ns, cdr in messages:
                yield Stored(connection.topic, time_ns, bytes(cdr))
        except Exception as error:  # rosbags lets errors of its storages through as they are
            raise MediaError(
                str(self.path),
                expected="an undamaged recording",
                got=repr(error),
                remedy="see `liv bag recover`, which takes what is left",
            ) from error

    def read(self, stored: Stored) -> Any:
        """Deserialise a message by the bag's own definition, or ours; MediaError if it cannot be."""
        msgtype = self.topics[stored.topic].msgtype
        try:
            return self._store(stored.topic).deserialize_cdr(stored.cdr, msgtype)
        except Exception as error:  # rosbags raises errors of its own, KeyError, struct.error, ...
            raise MediaError(
                f"{self.path}: {stored.topic} at {stored.time_ns / 1e9:.3f} s", expected=msgtype, got=repr(error)
            ) from error

    def is_ours(self, topic: str) -> bool:
        """Whether the topic's type is laid out as this version of it is here."""
        return self._store(topic) is message_types()

    def _add(self, topic: Topic) -> None:
        known = self.topics.get(topic.name)
        if known is not None and known.msgtype != topic.msgtype:
            got = f"{known.msgtype} and {topic.msgtype}"
            raise MediaError(f"{self.path}: {topic.name}", expected="messages of one type", got=got)
        count = topic.count + (known.count if known else 0)
        self.topics[topic.name] = Topic(topic.name, topic.msgtype, topic.definition, topic.offered_qos, count)

    def _store(self, topic: str) -> Any:
        if topic not in self._stores:
            self._stores[topic] = _store(self.topics[topic])
        return self._stores[topic]


@contextmanager
def open_recording(path: str | Path) -> Iterator[Recording]:
    """Open any rosbag2 folder, .mcap or .db3; MediaError if it cannot be read."""
    with open_bag_as_bytes(path) as reader:
        yield Recording(Path(path), reader)


def _topic(connection: Any) -> Topic:
    name, msgtype, count = connection.topic, connection.msgtype, connection.msgcount
    if isinstance(connection, CutConnection):
        return Topic(name, msgtype, connection.definition or _known(msgtype), connection.offered_qos, count)
    from rosbags.rosbag2.metadata import dump_qos_v8

    return Topic(name, msgtype, _definition(connection), dump_qos_v8(connection.ext.offered_qos_profiles), count)


def _definition(connection: Any) -> bytes | None:
    from rosbags.interfaces import MessageDefinitionFormat

    if connection.msgdef.format == MessageDefinitionFormat.MSG and connection.msgdef.data:
        return connection.msgdef.data.encode()
    return _known(connection.msgtype)


def _known(msgtype: str) -> bytes | None:
    """The definition of a type that is known here."""
    try:
        return message_types().generate_msgdef(msgtype, ros_version=2)[0].encode()
    except Exception:  # rosbags raises errors of its own and KeyError
        return None


def _store(topic: Topic) -> Any:
    """Ours where it has the type as the bag defines it, else one that does."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    ours = message_types()
    try:
        theirs = get_types_from_msg(topic.definition.decode(), topic.msgtype)
        if all(ours.fielddefs.get(name) == definition for name, definition in theirs.items()):
            return ours
        store = get_typestore(Stores.EMPTY)
        store.register(theirs)
        return store
    except Exception:  # no definition, or one that cannot be read: ours, if any
        return ours
