# SPDX-License-Identifier: Apache-2.0
"""One look through a bag: which pictures, goals, rewards and verdicts it has, and when. No picture is decoded."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from liv_model.bags import COMPRESSED_IMAGE, IMAGE, open_bag
from liv_model.errors import DataError, LivError, first_few
from liv_model.image_header import coded_size

ACTIVE_GOAL, REWARD, VERDICT = (f"liv_ros/msg/{name}" for name in ("ActiveGoal", "Reward", "Verdict"))
IMAGES = (IMAGE, COMPRESSED_IMAGE)
_LISTED = 20  # topics in a message
_HEAD = 1 << 16  # bytes of a compressed picture in which its size is looked for

_log = logging.getLogger(__name__)


class GoalEvent(NamedTuple):
    """A goal that came into force; an empty id: none is."""

    recorded_ns: int
    goal_id: str
    text: str
    activation: str


class RewardEvent(NamedTuple):
    """A reward, without its numbers; ``stamp_ns`` is its picture's."""

    recorded_ns: int
    camera: str
    goal_id: str
    step: int
    is_first: bool
    stamp_ns: int


class VerdictEvent(NamedTuple):
    """What was said of an episode; the number is that of liv_ros/msg/Verdict."""

    recorded_ns: int
    goal_id: str
    verdict: int


@dataclass
class Pictures:
    """The pictures of one topic, in the order of their recording.

    Attributes:
        recorded_ns: when each was recorded, int64 (N,).
        stamp_ns: what its header says, int64 (N,).
        sizes: width and height of each, int64 (N, 2), 0 where the message does not tell.
    """

    recorded_ns: np.ndarray
    stamp_ns: np.ndarray
    sizes: np.ndarray


@dataclass
class Look:
    """What a bag holds.

    Attributes:
        path: of the bag.
        topics: name to type.
        pictures: of every topic of images.
        goals: in the order of their recording, as are the two below.
        rewards: of all cameras.
        verdicts: given.
        broken: why the bag could not be read to its end; "" where it could.
    """

    path: Path
    topics: dict[str, str]
    pictures: dict[str, Pictures]
    goals: list[GoalEvent] = field(default_factory=list)
    rewards: list[RewardEvent] = field(default_factory=list)
    verdicts: list[VerdictEvent] = field(default_factory=list)
    broken: str = ""

    def listed(self, *types: str) -> str:
        """The topics with their types, for a message; of some types only, where there are such."""
        found = {name: kind for name, kind in self.topics.items() if kind in types} or self.topics
        return first_few([f"{name} ({kind})" for name, kind in sorted(found.items())], _LISTED) or "no topic"


def find_bags(paths: list[Path]) -> list[Path]:
    """The bags that are meant: each path is one, or a folder with bags somewhere below it. None twice, sorted.

    Raises:
        DataError: a path is neither.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        below = _below(path) if path.is_dir() else [path] if _is_file(path) else []
        if not below:
            raise DataError(
                str(path),
                expected="a bag (rosbag2 folder, .mcap or .db3), or a folder with bags",
                got="something else" if path.exists() else "no such file or folder",
                remedy="for a table of recordings say of which kind: manifest, epic or captions",
            )
        found.update({bag.resolve(): bag for bag in below})
    return [found[key] for key in sorted(found)]


def _is_file(path: Path) -> bool:
    return path.suffix in (".mcap", ".db3") and path.is_file()


def _below(folder: Path) -> list[Path]:
    """The bags in a folder; it is one itself even if ``metadata.yaml`` lacks, as in a recording that was cut short."""
    if files := _files(folder):
        rosbag2 = (folder / "metadata.yaml").is_file() or all(f.stem.startswith(folder.name) for f in files)
        return [folder] if rosbag2 else files
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [bag for path in inner for bag in _below(path)]


def _files(folder: Path) -> list[Path]:
    return sorted(filter(_is_file, folder.iterdir()))


def scan(path: Path, goal_topic: str | None = None) -> Look:
    """Read through a bag.

    Args:
        path: of the bag.
        goal_topic: the ActiveGoal topic, needed where there are several.

    Raises:
        MediaError: nothing of it can be read.
        DataError: no such goal topic, or several; what there is is listed.
    """
    with open_bag(path) as reader:
        topics = {c.topic: c.msgtype for c in reader.connections}
        look = Look(path, topics, {})
        ours = _wanted(look, _goal_topic(look, goal_topic))
        rows: dict[str, list[tuple[int, int, int, int]]] = {t: [] for t, kind in topics.items() if kind in IMAGES}
        messages = reader.messages(connections=[c for c in reader.connections if c.topic in ours or c.topic in rows])
        try:
            for connection, recorded_ns, raw in messages:
                if connection.topic in rows:
                    rows[connection.topic].append((recorded_ns, *_picture(raw, connection.msgtype)))
                else:
                    _note(look, recorded_ns, reader.deserialize(raw, connection.msgtype), connection.msgtype)
        except Exception as error:  # rosbags lets errors of its storages and types through as they are
            look.broken = str(error) if isinstance(error, LivError) else repr(error)
            _log.warning("%s: read as far as it goes: %s", path, look.broken)
    look.pictures = {topic: _pictures(found) for topic, found in rows.items()}
    return look


def _goal_topic(look: Look, wanted: str | None) -> str:
    goals = sorted(name for name, kind in look.topics.items() if kind == ACTIVE_GOAL)
    name = "/" + wanted.strip("/") if wanted else None
    if name in goals or (name is None and len(goals) == 1):
        return name or goals[0]
    if name is None and goals:
        raise DataError(
            str(look.path), expected="one goal topic", got=", ".join(goals), remedy="name one with --goal-topic"
        )
    raise DataError(
        str(look.path),
        expected=f"a goal topic of {ACTIVE_GOAL}, as /liv/active_goal",
        got=look.listed(),
        remedy="record active_goal too (record:= of the launch file does)",
    )


def _wanted(look: Look, goal_topic: str) -> set[str]:
    """The goal topic and the rewards and verdicts beside it; verdicts from elsewhere where there are none there."""
    beside = goal_topic.rsplit("/", 1)[0] + "/"
    rewards = {t for t, kind in look.topics.items() if kind == REWARD and t.startswith(beside)}
    verdicts = {t for t, kind in look.topics.items() if kind == VERDICT}
    return {goal_topic, *rewards, *({t for t in verdicts if t.startswith(beside)} or verdicts)}


def _note(look: Look, recorded_ns: int, message: Any, msgtype: str) -> None:
    if msgtype == ACTIVE_GOAL:
        text = " ".join(message.goal.text.split())
        look.goals.append(GoalEvent(recorded_ns, message.goal.id, text, message.activation))
    elif msgtype == VERDICT:
        look.verdicts.append(VerdictEvent(recorded_ns, message.goal_id, int(message.verdict)))
    else:
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 10**9 + stamp.nanosec
        look.rewards.append(
            RewardEvent(recorded_ns, message.camera, message.goal_id, message.step, message.is_first, stamp_ns)
        )


def _pictures(rows: list[tuple[int, int, int, int]]) -> Pictures:
    table = np.array(rows, np.int64).reshape(-1, 4)
    table = table[np.argsort(table[:, 0], kind="stable")]
    return Pictures(table[:, 0], table[:, 1], table[:, 2:])


def stamp_ns(raw: bytes) -> int:
    """The stamp of a serialised message that begins with a header, ns; 0 where it is cut."""
    try:
        seconds, nanoseconds = struct.unpack_from(_order(raw) + "iI", raw, 4)
    except (struct.error, IndexError):
        return 0
    return seconds * 10**9 + nanoseconds


def _picture(raw: bytes, msgtype: str) -> tuple[int, int, int]:
    """Stamp in ns, width and height of a serialised picture; 0 for what it does not tell."""
    try:
        width, height = (_image_size if msgtype == IMAGE else _coded_size)(raw)
    except (struct.error, IndexError):
        width, height = 0, 0
    return stamp_ns(raw), width, height


def _order(raw: bytes) -> str:
    return "<" if raw[1] & 1 else ">"


def _image_size(raw: bytes) -> tuple[int, int]:
    height, width = struct.unpack_from(_order(raw) + "II", raw, _after_text(raw, 12))
    return width, height


def _coded_size(raw: bytes) -> tuple[int, int]:
    at = _after_text(raw, _after_text(raw, 12)) + 4  # header, format, length of the data
    return coded_size(bytes(raw[at : at + _HEAD])) or (0, 0)


def _after_text(raw: bytes, at: int) -> int:
    """Where a number of 4 bytes stands that follows the text at ``at``: after the 4 bytes of CDR's own head."""
    (length,) = struct.unpack_from(_order(raw) + "I", raw, at)
    end = at + 4 + length
    return end + -(end - 4) % 4


def read_pictures(path: Path, topic: str, wanted_ns: list[int]) -> Iterator[Any]:
    """The messages of a topic that were recorded at these times, in this order.

    Raises:
        DataError: one cannot be read.
    """
    left = set(wanted_ns)
    with open_bag(path) as reader:
        connections = [c for c in reader.connections if c.topic == topic]
        for connection, recorded_ns, raw in _span(reader, connections, min(left), max(left) + 1):
            if recorded_ns in left:
                left.remove(recorded_ns)
                yield reader.deserialize(raw, connection.msgtype)
    if left:
        raise DataError(f"{path}: {topic}", expected=f"{len(wanted_ns)} pictures", got=f"{len(left)} fewer")


def _span(reader: Any, connections: list[Any], start_ns: int, stop_ns: int) -> Iterator[tuple[Any, int, bytes]]:
    from rosbags.highlevel import AnyReader

    if isinstance(reader, AnyReader):
        return reader.messages(connections=connections, start=start_ns, stop=stop_ns)
    return reader.messages(connections)  # of a bag that was cut short, which has no index
