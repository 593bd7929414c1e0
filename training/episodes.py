# SPDX-License-Identifier: Apache-2.0
"""Episodes, and the packed store that training reads them from.

A store is a folder of two files that only ever grow::

    frames.bin    every frame of every episode, raw uint8 RGB, one after the other
    index.jsonl   line 1: {"format": 1, "height": H, "width": W}
                  then one line per episode: what it is, where its frames stand, their CRC-32

All frames of a store have one size, so frame i stands at byte i * H * W * 3: any frame of any episode is one
slice of a memory map, with nothing to decode. An episode counts from the moment its index line is whole, and the
line is written only after the frames have reached the disk. So a writer may be killed at any time: what was
half-written is invisible to readers and is cut off by the next writer.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np

from liv_model.errors import DataError

FORMAT = 1
FRAMES, INDEX = "frames.bin", "index.jsonl"
SIMULATED_OUTCOMES = ("success", "truncated", "random", "wrong_task")
OUTCOMES = (*SIMULATED_OUTCOMES, "failure")


@dataclass(frozen=True)
class Episode:
    """One recording of one attempt at one task.

    Attributes:
        frames: uint8 (T, H, W, 3), RGB.
        time_s: float64 (T,), seconds since the first frame, strictly increasing.
        text: the canonical instruction of the task.
        task: name of the task, such as ``drawer-open``; of a task without one, :func:`task_name` of its text.
        outcome: one of ``OUTCOMES``; anything but ``success`` is a failure at ``task``. ``failure`` is one of which
            no more is known.
        seed: what the scene and the arm's noise were drawn from; 0 where nothing was.
        camera: name of the camera; empty where there is but one.
        source: where the recording comes from, for people. Of two recordings of one task, outcome, seed and camera,
            it tells which is which.
    """

    frames: np.ndarray
    time_s: np.ndarray
    text: str
    task: str
    outcome: str = "success"
    seed: int = 0
    camera: str = ""
    source: str = ""

    def __post_init__(self):
        shape = np.shape(self.frames)
        if len(shape) != 4 or shape[-1] != 3 or shape[0] == 0 or self.frames.dtype != np.uint8:
            raise DataError(
                "frames of an episode", expected="uint8 (T, H, W, 3), T >= 1", got=f"{self.frames.dtype} {shape}"
            )
        if np.shape(self.time_s) != shape[:1] or not np.all(np.diff(self.time_s) > 0):
            raise DataError(
                "time_s of an episode",
                expected=f"{shape[0]} strictly increasing seconds",
                got=f"shape {np.shape(self.time_s)}",
            )
        if self.outcome not in OUTCOMES:
            raise DataError("outcome of an episode", expected=f"one of {', '.join(OUTCOMES)}", got=self.outcome)

    def __len__(self) -> int:
        return len(self.frames)


def task_name(text: str) -> str:
    """The name of a task that has none but its instruction: ``Open the drawer!`` is ``open-the-drawer``."""
    return "-".join(re.findall(r"\w+", text.lower()))


@dataclass(frozen=True)
class EpisodeRecord:
    """The index line of one episode: an ``Episode`` with the place of its frames instead of the frames.

    Attributes:
        start: number of its first frame in the store; its frames are ``start`` to ``start + count - 1``.
        count: how many frames it has.
        crc32: CRC-32 (zlib) of the raw bytes of its frames.
        time_s: as in ``Episode``, a tuple.
    """

    text: str
    task: str
    outcome: str
    seed: int
    camera: str
    source: str
    start: int
    count: int
    crc32: int
    time_s: tuple[float, ...]

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """What tells this episode from every other of a store: task, outcome, seed, camera and source."""
        return self.task, self.outcome, self.seed, self.camera, self.source

    @property
    def name(self) -> str:
        """What the episode is, for people."""
        return f"{self.task}, {self.outcome}, " + (self.source if self.seed == 0 else f"seed {self.seed}")


class EpisodeStore:
    """Read access to a store: the episodes that were whole when it was opened.

    Safe to open while a writer appends and to use from forked data loaders: each frame is a view of one
    read-only memory map.

    Attributes:
        path: the folder.
        height, width: size of every frame, pixels.
        records: one ``EpisodeRecord`` per episode, in the order they were written.

    Raises:
        DataError: there is no store at ``path``, it is of another format, or its index or frames are damaged.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        index = self.path / INDEX
        if not index.is_file():
            raise DataError(
                f"episode store {self.path}",
                expected=f"a folder with {INDEX} and {FRAMES}",
                got="no such folder" if not self.path.exists() else f"no {INDEX} in it",
                remedy="make one with `liv episodes simulate` or `liv episodes import`",
            )
        self.height, self.width, self.records = _read_index(index)
        frames = self.path / FRAMES
        got = frames.stat().st_size if frames.is_file() else 0
        if got < self.frame_count * self._frame_bytes:
            raise DataError(
                str(frames),
                expected=f"at least {self.frame_count * self._frame_bytes} bytes for {len(self)} episodes",
                got=f"{got} bytes",
                remedy="the file was cut or not copied whole: copy it, or make it again",
            )

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, number: int) -> Episode:
        """Episode ``number``; its frames are a read-only view of the memory map."""
        record = self.records[number]
        fields = asdict(record)
        start, count = fields.pop("start"), fields.pop("count")
        del fields["crc32"]
        fields["time_s"] = np.array(record.time_s, dtype=np.float64)
        return Episode(frames=self.frames[start : start + count], **fields)

    def __iter__(self) -> Iterator[Episode]:
        return (self[number] for number in range(len(self)))

    @property
    def frame_count(self) -> int:
        """Number of frames of all episodes together."""
        return self.records[-1].start + self.records[-1].count if self.records else 0

    @property
    def _frame_bytes(self) -> int:
        return self.height * self.width * 3

    @cached_property
    def frames(self) -> np.ndarray:
        """All frames of all episodes: read-only memory map, uint8 (frame_count, H, W, 3), RGB."""
        shape = (self.frame_count, self.height, self.width, 3)
        if not self.records:
            return np.zeros(shape, np.uint8)
        return np.memmap(self.path / FRAMES, np.uint8, "r", shape=shape)

    def release(self) -> None:
        """Let go of the pages of the memory map that were looked at; views stay valid.

        The system keeps them cached as long as it has room. So a reader that goes through a large store does not
        itself grow with it, and reading a frame again costs next to nothing.
        """
        if isinstance(self.frames, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.frames._mmap.madvise(mmap.MADV_DONTNEED)

    def select(self, task: str | None = None, outcome: str | None = None) -> list[int]:
        """Numbers of the episodes of this task and this outcome (None: any), in stored order."""
        return [
            number
            for number, record in enumerate(self.records)
            if task in (None, record.task) and outcome in (None, record.outcome)
        ]

    def verify(self) -> None:
        """Read every frame and compare the checksums.

        Raises:
            DataError: an episode's frames are not the ones that were written; names the first such episode.
        """
        for number, record in enumerate(self.records):
            got = zlib.crc32(self.frames[record.start : record.start + record.count])
            if got != record.crc32:
                raise DataError(
                    f"episode {number} ({record.name}) of {self.path}",
                    expected=f"frames with CRC-32 {record.crc32:08x}",
                    got=f"{got:08x}",
                    remedy="the store was altered: copy it, or make it again",
                )


class EpisodeWriter:
    """Append access to a store, which is made if it is not there. One writer at a time; a context manager.

    Args:
        path: the folder.
        height: of every frame, pixels; has to be the store's where there is one already.
        width: likewise.

    Attributes:
        keys: ``EpisodeRecord.key`` of every episode in the store.

    Raises:
        DataError: the store has frames of another size, is damaged, or another writer has it open.
    """

    def __init__(self, path: str | Path, height: int, width: int):
        self.path = Path(path)
        self.height, self.width = height, width
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._index: BinaryIO = (self.path / INDEX).open("a+b")
        except OSError as error:
            raise DataError(
                f"episode store {self.path}", expected="a folder that can be written", got=error.strerror
            ) from error
        try:
            self._lock()
            self._begin()
            store = EpisodeStore(self.path)
            self._check_size(store)
            self._frames: BinaryIO = (self.path / FRAMES).open("r+b")
        except BaseException:
            self._index.close()
            raise
        self.keys = {record.key for record in store.records}
        self._frame_count = store.frame_count

    def _lock(self) -> None:
        try:
            fcntl.flock(self._index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(
                f"episode store {self.path}",
                expected="one writer",
                got="another process that writes to it",
                remedy="wait for it to end, or write to another folder",
            ) from None

    def _begin(self) -> None:
        """Write the header of a new store; of an old one, cut off an index line that was never finished."""
        index = self.path / INDEX
        header = _line({"format": FORMAT, "height": self.height, "width": self.width})
        if not header.startswith(index.read_bytes()):
            _read_index(index)  # before anything is cut: it may not be an index at all
        self._index.truncate(index.read_bytes().rfind(b"\n") + 1)
        (self.path / FRAMES).touch()
        if index.stat().st_size == 0:
            self._write(header)

    def _check_size(self, store: EpisodeStore) -> None:
        if (store.height, store.width) != (self.height, self.width):
            raise DataError(
                f"episode store {self.path}",
                expected=f"frames of {store.width}x{store.height}, as those it has",
                got=f"{self.width}x{self.height}",
                remedy="write frames of another size to another folder",
            )

    def append(self, episode: Episode) -> EpisodeRecord:
        """Write one episode. When this returns, the episode is on the disk.

        Raises:
            DataError: its frames are of another size, the store has an episode of the same key, or the disk is
                full (the episodes before it stay whole).
        """
        expected = (self.height, self.width, 3)
        if episode.frames.shape[1:] != expected:
            raise DataError("frames of an episode", expected=f"(T, *{expected})", got=episode.frames.shape)
        frames = np.ascontiguousarray(episode.frames)
        record = EpisodeRecord(
            text=episode.text,
            task=episode.task,
            outcome=episode.outcome,
            seed=int(episode.seed),
            camera=episode.camera,
            source=episode.source,
            start=self._frame_count,
            count=len(frames),
            crc32=zlib.crc32(frames),
            time_s=tuple(map(float, episode.time_s)),
        )
        if record.key in self.keys:
            raise DataError(f"episode {record.key}", expected="one that the store does not have", got="it twice")
        try:
            self._write_frames(frames)
            self._write(_line(asdict(record)))
        except OSError as error:
            raise DataError(
                f"episode store {self.path}",
                expected=f"room for {frames.nbytes} bytes",
                got=error.strerror,
                remedy="the episodes before this one are whole: make room and go on",
            ) from error
        self._frame_count += len(frames)
        self.keys.add(record.key)
        return record

    def _write_frames(self, frames: np.ndarray) -> None:
        self._frames.seek(self._frame_count * frames[0].nbytes)
        self._frames.truncate()  # frames that a writer was killed over
        self._frames.write(frames)
        self._frames.flush()
        os.fsync(self._frames.fileno())

    def _write(self, line: bytes) -> None:
        self._index.write(line)
        self._index.flush()
        os.fsync(self._index.fileno())

    def close(self) -> None:
        """Close the files and let the next writer in."""
        for file in (self._frames, self._index):
            with suppress(OSError):  # of a full disk append() has told; what it returned from is on the disk
                file.close()

    def __enter__(self) -> EpisodeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(fields: dict) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _read_index(index: Path) -> tuple[int, int, list[EpisodeRecord]]:
    """Height, width and records of an index file; a torn last line is left out."""
    *lines, _ = index.read_bytes().split(b"\n")
    try:
        header = json.loads(lines[0])
        found, height, width = header["format"], int(header["height"]), int(header["width"])
    except (IndexError, ValueError, KeyError, TypeError):
        raise DataError(str(index), expected="the index of an episode store", got="something else") from None
    if found != FORMAT:
        raise DataError(str(index), expected=f"format {FORMAT}", got=f"format {found}")
    records: list[EpisodeRecord] = []
    for number, line in enumerate(lines[1:], start=2):
        records.append(_record(line, f"{index}, line {number}", records))
    return height, width, records


def _record(line: bytes, where: str, before: list[EpisodeRecord]) -> EpisodeRecord:
    try:
        fields = json.loads(line)
        fields["time_s"] = tuple(fields["time_s"])
        record = EpisodeRecord(**fields)
        sound = record.count == len(record.time_s) > 0
    except (ValueError, KeyError, TypeError):
        raise DataError(where, expected="an episode", got=line[:60], remedy="the index was altered") from None
    start = before[-1].start + before[-1].count if before else 0
    if not sound or record.start != start:
        raise DataError(
            where,
            expected=f"frames from {start} on, one time each",
            got=f"{record.count} frames from {record.start} on, {len(record.time_s)} times",
            remedy="the index was altered: copy the store, or make it again",
        )
    return record
