# SPDX-License-Identifier: Apache-2.0
"""The pictures of one topic of a bag, by their stamps: found once, read one at a time."""

from __future__ import annotations

import struct
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from liv_model import bags
from liv_model.errors import MediaError
from liv_model.label_reading import Recording
from liv_model.reward import NANOSECONDS
from liv_web.source import UnknownError


class RecordedPictures:
    """Random access to the pictures of a topic. Safe to share.

    Args:
        path: of the bag.
        topic: of the pictures.
        stamps_ns: of them, int64 (N,), rising.
        times_ns: when they were recorded, int64 (N,).
    """

    def __init__(self, path: Path, topic: str, stamps_ns: np.ndarray, times_ns: np.ndarray):
        self.topic = topic
        self.stamps_ns = stamps_ns
        self._path, self._times_ns = path, times_ns
        self._lock = threading.Lock()
        self._opened: Any = None
        self._reader: Any = None

    def at(self, stamp_ns: int) -> Any:
        """The message of the last picture at a stamp or before it, else of the first one. UnknownError, MediaError."""
        if not len(self.stamps_ns):
            raise UnknownError(self.topic, expected="pictures", got="none in this recording")
        index = max(0, int(np.searchsorted(self.stamps_ns, stamp_ns, "right")) - 1)
        return self._read(int(self._times_ns[index]))

    def close(self) -> None:
        """Close the bag; idempotent."""
        with self._lock:
            if self._opened is not None:
                self._opened.__exit__(None, None, None)
                self._opened = self._reader = None

    def _read(self, time_ns: int) -> Any:
        with self._lock:
            if self._reader is None:
                self._opened = bags.open_bag(self._path)
                self._reader = self._opened.__enter__()
            connections = [c for c in self._reader.connections if c.topic == self.topic]
            try:
                found = next(self._reader.messages(connections=connections, start=time_ns, stop=time_ns + 1))
                return self._reader.deserialize(found[2], found[0].msgtype)
            except Exception as error:  # rosbags lets errors of its storages and types through as they are
                raise MediaError(f"{self._path}: {self.topic}", expected="a picture", got=repr(error)) from error


def find_pictures(recording: Recording, topics: Collection[str]) -> dict[str, RecordedPictures]:
    """Look through a bag once for the pictures of some topics.

    Raises:
        MediaError: the bag is damaged, or was cut short.
    """
    if recording.is_cut and topics:
        raise MediaError(
            str(recording.path),
            expected="a whole bag, in which pictures are found by their time",
            got="one that was cut short",
            remedy=f"liv bag recover {recording.path}",
        )
    found: dict[str, list[tuple[int, int]]] = {topic: [] for topic in topics}
    for stored in recording.messages(topics):
        found[stored.topic].append((_stamp_ns(stored.cdr) or stored.time_ns, stored.time_ns))
    pictures = {}
    for topic, pairs in found.items():
        ordered = np.array(sorted(pairs), np.int64).reshape(-1, 2)
        pictures[topic] = RecordedPictures(recording.path, topic, ordered[:, 0], ordered[:, 1])
    return pictures


def _stamp_ns(cdr: bytes) -> int:
    """The stamp at the head of a message; 0 where there is none."""
    if len(cdr) < 12:
        return 0
    seconds, nanoseconds = struct.unpack_from("<iI" if cdr[1] & 1 else ">iI", cdr, 4)
    return seconds * NANOSECONDS + nanoseconds
