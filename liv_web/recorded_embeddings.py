# SPDX-License-Identifier: Apache-2.0
"""What each camera of a bag saw, as unit vectors: those that are stored, else made from its pictures and kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder
from liv_model.errors import ImageError, MediaError
from liv_model.folders import cache_folder
from liv_model.image import to_square
from liv_model.image_message import message_to_rgb
from liv_model.label_messages import EmbeddingReader, stamp_ns
from liv_model.label_reading import Recording
from liv_model.label_sources import EMBEDDINGS, IMAGES, Source, Wish, choose, recorded_episodes, require_model, see
from liv_model.reward import NANOSECONDS, is_out_of_order

BATCH = 4
_JITTER_NS = NANOSECONDS // 2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CameraEmbeddings:
    """What one camera saw.

    Attributes:
        camera: its name.
        stamps_ns: of its pictures, int64 (N,), rising; where the stamps step back, of their recording.
        vectors: float32 (N, D), rows of unit norm.
        is_first: whether an episode begins, bool (N,).
        topic: of its pictures; "" where that is not known.
    """

    camera: str
    stamps_ns: np.ndarray
    vectors: np.ndarray
    is_first: np.ndarray
    topic: str = ""


def choose_source(recording: Recording, wish: Wish, model: str) -> Source:
    """Stored embeddings of this model, else pictures; MediaError where there is neither."""
    try:
        return choose(recording, Wish(EMBEDDINGS, wish.cameras, wish.namespace), model)
    except MediaError as error:
        try:
            source = choose(recording, Wish(IMAGES, wish.cameras, wish.namespace), model)
        except MediaError:
            raise error from None
        _log.info("%s", error)
        return source


def stored_embeddings(recording: Recording, source: Source, model: str) -> list[CameraEmbeddings]:
    """Read the embeddings of a bag."""
    episodes = recorded_episodes(recording, source)
    columns = {camera: _Column(camera) for camera in source.cameras.values()}
    readers = {topic: EmbeddingReader() for topic in source.cameras}
    for stored in recording.messages(source.cameras):
        seen = see(recording, stored, readers[stored.topic])
        require_model(recording, stored.topic, seen, model)
        camera = source.cameras[stored.topic]
        begins = (camera, seen.stamp_ns) in episodes
        columns[camera].add(seen.stamp_ns, stored.time_ns, seen.vector, seen.activation, begins)
    return [column.whole() for column in columns.values() if column.vectors]


def encoded_embeddings(
    recording: Recording,
    source: Source,
    bundle: Bundle,
    encoder: Callable[[], Encoder],
    tell: Callable[[int], None] = lambda count: None,
) -> list[CameraEmbeddings]:
    """Encode the pictures of a bag, or take what an earlier call made of them.

    Args:
        recording: open.
        source: of pictures.
        bundle: the encoder's.
        encoder: called when it is needed.
        tell: called with how many more pictures are done.
    """
    kept = cache_folder() / "view" / f"{_fingerprint(recording.path, bundle.identity, source)}.npz"
    if kept.is_file():
        try:
            return _load(kept, source)
        except (OSError, ValueError, KeyError):  # written by halves: made anew
            kept.unlink(missing_ok=True)
    made = _encode(recording, source, bundle, encoder(), tell)
    if not made:
        raise MediaError(str(recording.path), expected="pictures that decode", got="none")
    _keep(kept, made)
    return made


class _Column:
    """Collects the embeddings of one camera; what is out of order is left out, as reward_node does it."""

    def __init__(self, camera: str, topic: str = ""):
        self._camera, self._topic = camera, topic
        self.vectors: list[np.ndarray] = []
        self._stamps: list[int] = []
        self._times: list[int] = []
        self._first: list[bool] = []
        self._activation: str | None = None

    def add(self, stamp: int, time_ns: int, vector: np.ndarray, activation: str, begins: bool) -> None:
        changed, self._activation = activation != self._activation, activation
        if self._stamps and not changed and is_out_of_order(self._stamps[-1], stamp, _JITTER_NS):
            return
        if not np.isfinite(vector).all() or (self.vectors and len(vector) != len(self.vectors[0])):
            return
        stepped_back = bool(self._stamps) and stamp <= self._stamps[-1]
        self._stamps.append(stamp)
        self._times.append(time_ns)
        self.vectors.append(vector)
        self._first.append(changed or begins or stepped_back)

    def whole(self) -> CameraEmbeddings:
        stamps = np.array(self._stamps, np.int64)
        if (np.diff(stamps) <= 0).any():
            stamps = np.maximum.accumulate(np.array(self._times, np.int64))
        return CameraEmbeddings(
            self._camera, stamps, np.stack(self.vectors).astype(np.float32), np.array(self._first), self._topic
        )


def _encode(
    recording: Recording, source: Source, bundle: Bundle, encoder: Encoder, tell: Callable[[int], None]
) -> list[CameraEmbeddings]:
    columns = {topic: _Column(camera, topic) for topic, camera in source.cameras.items()}
    waiting: list[tuple[str, int, int, np.ndarray]] = []

    def encode() -> None:
        vectors = encoder.encode_images(np.stack([square for *_, square in waiting])) if waiting else []
        for (topic, stamp, time_ns, _), vector in zip(waiting, vectors, strict=True):
            columns[topic].add(stamp, time_ns, vector, "", False)
        tell(len(waiting))
        waiting.clear()

    for stored in recording.messages(source.cameras):
        try:
            message = recording.read(stored)
            square = to_square(message_to_rgb(message), bundle.image)
        except ImageError as error:
            _log.info("%s at %.3f s: %s", stored.topic, stored.time_ns / NANOSECONDS, error)
            tell(1)
            continue
        waiting.append((stored.topic, stamp_ns(message.header) or stored.time_ns, stored.time_ns, square))
        if len(waiting) == BATCH:
            encode()
    encode()
    return [column.whole() for column in columns.values() if column.vectors]


def _fingerprint(path: Path, model: str, source: Source) -> str:
    """Names a recording as it is now, and what is made of it."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    facts = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((facts, model, sorted(source.cameras.items()))).encode()).hexdigest()[:32]


def _load(file: Path, source: Source) -> list[CameraEmbeddings]:
    topics = {camera: topic for topic, camera in source.cameras.items()}
    with np.load(file, allow_pickle=False) as kept:
        names = [str(name) for name in kept["cameras"]]
        return [
            CameraEmbeddings(name, kept[f"stamps_{i}"], kept[f"vectors_{i}"], kept[f"first_{i}"], topics[name])
            for i, name in enumerate(names)
        ]


def _keep(file: Path, made: list[CameraEmbeddings]) -> None:
    content: dict[str, np.ndarray] = {"cameras": np.array([camera.camera for camera in made])}
    for i, camera in enumerate(made):
        content |= {f"stamps_{i}": camera.stamps_ns, f"vectors_{i}": camera.vectors, f"first_{i}": camera.is_first}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".part.npz")
        np.savez(draft, **content)
        draft.replace(file)
    except OSError as error:  # it is made again the next time
        _log.info("embeddings not kept: %s", error)
