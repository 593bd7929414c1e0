# SPDX-License-Identifier: Apache-2.0
"""The messages that labelling reads and writes. Those that come by the million are packed here, byte for byte as a
type store does it, but several times as fast; a test compares the two.
"""

from __future__ import annotations

import math
import struct
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from liv_model.bags import message_types
from liv_model.bundle import TaskStateThresholds
from liv_model.calibration import Calibration
from liv_model.goal import Goal, ResolvedGoal
from liv_model.image_message import image_to_rgb
from liv_model.reward import NANOSECONDS, RewardSample

EMBEDDING = "liv_ros/msg/Embedding"
REWARD = "liv_ros/msg/Reward"
ACTIVE_GOAL = "liv_ros/msg/ActiveGoal"
GOAL = "liv_ros/msg/Goal"
STRING = "std_msgs/msg/String"

_LITTLE_ENDIAN = b"\x00\x01"
_ENCAPSULATION = 4  # bytes; alignment counts from behind it
_STAMP = struct.Struct("<iI")
_NAMES_AT = _ENCAPSULATION + _STAMP.size
_LENGTH = struct.Struct("<I")
_SEQUENCE = struct.Struct("<Q")
_REWARD_END = struct.Struct("<Q?7xddd")


class SeenEmbedding(NamedTuple):
    """An Embedding message.

    Attributes:
        stamp_ns: of its picture.
        frame_id: of its picture.
        camera: its name.
        model: ``name@digest``.
        activation: of the encoder.
        sequence: number of it.
        vector: float32 (D,).
    """

    stamp_ns: int
    frame_id: str
    camera: str
    model: str
    activation: str
    sequence: int
    vector: np.ndarray


class AnnouncedGoal(NamedTuple):
    """What counts of an ActiveGoal message.

    Attributes:
        id: "" where no goal is active.
        text: "" for a picture.
        model: ``name@digest``.
        activation: of the encoder.
        vector: float32 (D,).
        calibration: how values read as progress.
        first_sequence: from which embedding on each camera counts.
    """

    id: str
    text: str
    model: str
    activation: str
    vector: np.ndarray
    calibration: Calibration
    first_sequence: dict[str, int]


class EmbeddingReader:
    """Reads the Embedding messages of one topic; names that are as in the message before are not read again."""

    def __init__(self) -> None:
        self._packed = b""  # the names, as they lie in the message
        self._names = ("", "", "", "")

    def read(self, cdr: bytes) -> SeenEmbedding:
        """Read a little-endian message; ValueError or struct.error if it is none."""
        if cdr[:2] != _LITTLE_ENDIAN:
            raise ValueError("not little-endian CDR")
        seconds, nanoseconds = _STAMP.unpack_from(cdr, _ENCAPSULATION)
        at = _NAMES_AT + len(self._packed)
        if not self._packed or cdr[_NAMES_AT:at] != self._packed:
            at = self._read_names(cdr)
        frame_id, camera, model, activation = self._names
        at += (_ENCAPSULATION - at) % 8
        (sequence,) = _SEQUENCE.unpack_from(cdr, at)
        (count,) = _LENGTH.unpack_from(cdr, at + 8)
        vector = np.frombuffer(cdr, "<f4", count, at + 12)
        return SeenEmbedding(seconds * NANOSECONDS + nanoseconds, frame_id, camera, model, activation, sequence, vector)

    def _read_names(self, cdr: bytes) -> int:
        """Offset behind the names."""
        names, at = [], _NAMES_AT
        for _ in self._names:
            name, at = _string(cdr, at)
            names.append(name)
        self._names, self._packed = tuple(names), cdr[_NAMES_AT:at]
        return at


def embedding_of(message: Any) -> SeenEmbedding:
    """What a deserialised Embedding message holds."""
    head = message.header
    return SeenEmbedding(
        stamp_ns(head),
        head.frame_id,
        message.camera,
        message.model,
        message.activation,
        message.sequence,
        np.asarray(message.data, np.float32),
    )


def embedding_cdr(seen: SeenEmbedding) -> bytes:
    """Serialise an Embedding message."""
    types = message_types().types
    message = types[EMBEDDING](
        header=header(seen.stamp_ns, seen.frame_id),
        camera=seen.camera,
        model=seen.model,
        activation=seen.activation,
        sequence=seen.sequence,
        data=np.ascontiguousarray(seen.vector, np.float32),
    )
    return bytes(message_types().serialize_cdr(message, EMBEDDING))


class RewardPacker:
    """Serialises the Reward messages of one goal."""

    def __init__(self, goal_id: str):
        self._goal_id = goal_id
        self._middles: dict[tuple[str, str, str], bytes] = {}  # what only changes with frame_id, camera and model

    def cdr(self, seen: SeenEmbedding, sample: RewardSample) -> bytes:
        """The Reward of an embedding."""
        key = (seen.frame_id, seen.camera, seen.model)
        middle = self._middles.get(key)
        if middle is None:
            middle = self._middles[key] = self._middle(*key)
        seconds, nanoseconds = divmod(seen.stamp_ns, NANOSECONDS)
        end = _REWARD_END.pack(sample.step, sample.is_first, sample.value, sample.reward, sample.progress)
        return b"\x00\x01\x00\x00" + _STAMP.pack(seconds, nanoseconds) + middle + end

    def _middle(self, frame_id: str, camera: str, model: str) -> bytes:
        packed = bytearray(_STAMP.size)
        for text in (frame_id, camera, self._goal_id, model):
            packed += bytes(-len(packed) % 4)
            encoded = text.encode() + b"\x00"
            packed += _LENGTH.pack(len(encoded)) + encoded
        packed += bytes(-len(packed) % 8)
        return bytes(packed[_STAMP.size :])


def begins_episode(cdr: bytes) -> int | None:
    """The stamp (ns) of a little-endian Reward message that is the first of its episode, else None."""
    if cdr[:2] != _LITTLE_ENDIAN or len(cdr) < _REWARD_END.size or not cdr[len(cdr) - _REWARD_END.size + 8]:
        return None
    seconds, nanoseconds = _STAMP.unpack_from(cdr, _ENCAPSULATION)
    return seconds * NANOSECONDS + nanoseconds


def active_goal_cdr(
    announced: AnnouncedGoal, goal: Goal, resolved: ResolvedGoal, thresholds: TaskStateThresholds, time_ns: int
) -> bytes:
    """Serialise an ActiveGoal message of a goal that was set at a time."""
    types = message_types().types
    head = header(time_ns, "")
    message = types[ACTIVE_GOAL](
        goal=types[GOAL](header=head, id=announced.id, text=goal.text, image=_image(head, goal.image)),
        model=announced.model,
        activation=announced.activation,
        embedding=np.ascontiguousarray(announced.vector, np.float32),
        familiarity=resolved.familiarity,
        cameras=list(announced.first_sequence),
        first_sequence=np.array(list(announced.first_sequence.values()), np.uint64),
        value_at_start=announced.calibration.start,
        value_at_goal=announced.calibration.goal,
        **asdict(thresholds),
        nearest=[known.text for known in resolved.nearest],
        nearest_familiarity=np.array([known.familiarity for known in resolved.nearest], np.float32),
        message=resolved.message,
    )
    return bytes(message_types().serialize_cdr(message, ACTIVE_GOAL))


def ended_goal_cdr(time_ns: int) -> bytes:
    """Serialise an ActiveGoal message that says that no goal is active."""
    types = message_types().types
    head = header(time_ns, "")
    message = types[ACTIVE_GOAL](
        goal=types[GOAL](header=head, id="", text="", image=_image(head, None)),
        model="",
        activation="",
        embedding=np.zeros(0, np.float32),
        familiarity=math.nan,
        cameras=[],
        first_sequence=np.zeros(0, np.uint64),
        value_at_start=math.nan,
        value_at_goal=math.nan,
        stall_s=0.0,
        hold_s=0.0,
        success_progress=0.0,
        nearest=[],
        nearest_familiarity=np.zeros(0, np.float32),
        message="",
    )
    return bytes(message_types().serialize_cdr(message, ACTIVE_GOAL))


def announced_goal(message: Any) -> AnnouncedGoal:
    """What counts of a deserialised ActiveGoal message."""
    return AnnouncedGoal(
        message.goal.id,
        message.goal.text,
        message.model,
        message.activation,
        np.asarray(message.embedding, np.float32),
        Calibration(message.value_at_start, message.value_at_goal),
        dict(zip(message.cameras, map(int, message.first_sequence), strict=True)),
    )


def goal_of(message: Any) -> Goal:
    """The goal of a deserialised Goal message; GoalError, ImageError if it is none."""
    has_image = message.image.width or message.image.height or len(message.image.data)
    return Goal(message.text, image_to_rgb(message.image) if has_image else None)


def header(stamp_ns: int, frame_id: str) -> Any:
    """A std_msgs/Header."""
    types = message_types().types
    seconds, nanoseconds = divmod(stamp_ns, NANOSECONDS)
    stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)


def stamp_ns(head: Any) -> int:
    """A header's stamp in nanoseconds."""
    return head.stamp.sec * NANOSECONDS + head.stamp.nanosec


def _string(cdr: bytes, at: int) -> tuple[str, int]:
    """A text of CDR at an offset, and the offset behind it."""
    at += -at % 4
    (length,) = _LENGTH.unpack_from(cdr, at)
    begin, end = at + 4, at + 4 + length
    if end > len(cdr):
        raise ValueError("cut short")
    return cdr[begin : end - 1].decode(), end


def _image(head: Any, rgb: np.ndarray | None) -> Any:
    height, width = (0, 0) if rgb is None else rgb.shape[:2]
    data = np.zeros(0, np.uint8) if rgb is None else np.ascontiguousarray(rgb).reshape(-1)
    return message_types().types["sensor_msgs/msg/Image"](
        header=head,
        height=height,
        width=width,
        encoding="" if rgb is None else "rgb8",
        is_bigendian=0,
        step=3 * width,
        data=data,
    )
