# SPDX-License-Identifier: Apache-2.0
"""What a bag is labelled from: stored embeddings of the same model, or the pictures of its cameras."""

from __future__ import annotations

from dataclasses import dataclass

from liv_model.bags import COMPRESSED_IMAGE, IMAGE
from liv_model.errors import MediaError
from liv_model.label_messages import EMBEDDING, REWARD, EmbeddingReader, SeenEmbedding, begins_episode, embedding_of
from liv_model.label_reading import Recording, Stored

EMBEDDINGS, IMAGES, AUTO = "embeddings", "images", "auto"
# what driver packages call the pictures of a camera, which is no part of its name
_OF_PICTURES = {"image", "image_raw", "image_color", "image_rect", "image_rect_color", "compressed", "color", "rgb"}


@dataclass(frozen=True)
class Source:
    """What to read.

    Attributes:
        kind: ``embeddings`` or ``images``.
        cameras: names by topic.
        namespace: of our topics, such as ``/liv``.
        frames: messages of those topics.
    """

    kind: str
    cameras: dict[str, str]
    namespace: str
    frames: int

    def topic(self, camera: str, what: str) -> str:
        """Name of one of our topics."""
        return f"{self.namespace}/{camera}/{what}"


@dataclass(frozen=True)
class Wish:
    """What a person asked for.

    Attributes:
        kind: ``embeddings``, ``images`` or ``auto``: embeddings where there are some.
        cameras: picture topics by camera, "" where the name is to tell; empty = all.
        namespace: of our topics.
    """

    kind: str = AUTO
    cameras: tuple[tuple[str, str], ...] = ()
    namespace: str = "/liv"


def choose(recording: Recording, wish: Wish, model: str) -> Source:
    """Find what a bag can be labelled from; MediaError where there is nothing, or embeddings of another model."""
    if not any(topic.count for topic in recording.topics.values()):
        raise MediaError(str(recording.path), expected="a bag with messages", got="an empty one")
    if wish.kind != IMAGES and not any(topic for _, topic in wish.cameras):
        stored = _stored(recording, wish)
        if stored or wish.kind == EMBEDDINGS:
            source = _source(recording, wish, EMBEDDINGS, stored)
            _require_model(recording, source, model)
            return source
    return _source(recording, wish, IMAGES, _pictured(recording, wish))


def see(recording: Recording, stored: Stored, reader: EmbeddingReader) -> SeenEmbedding:
    """Read an Embedding message, by the reader of its topic; MediaError if it is none."""
    if recording.is_ours(stored.topic):
        try:
            return reader.read(stored.cdr)
        except Exception:  # big-endian, or damaged: the type store knows
            pass
    return embedding_of(recording.read(stored))


def require_model(recording: Recording, topic: str, seen: SeenEmbedding, model: str) -> None:
    """Raise MediaError unless an embedding is of the model."""
    if seen.model != model:
        raise MediaError(
            f"{recording.path}: {topic}",
            expected=f"embeddings of {model}",
            got=f"of {seen.model or 'no model'}",
            remedy="name that model with --bundle, or encode the pictures anew with --from images",
        )


def recorded_episodes(recording: Recording, source: Source) -> set[tuple[str, int]]:
    """Camera and stamp (ns) of every recorded reward that begins an episode."""
    topics = {source.topic(camera, "reward"): camera for camera in source.cameras.values()}
    topics = {t: c for t, c in topics.items() if t in recording.topics and recording.topics[t].msgtype == REWARD}
    ours = {topic for topic in topics if recording.is_ours(topic)}
    begun = ((m.topic, begins_episode(m.cdr)) for m in recording.messages(ours))
    return {(topics[topic], stamp) for topic, stamp in begun if stamp is not None} if ours else set()


def _stored(recording: Recording, wish: Wish) -> dict[str, str]:
    begin, end = f"{wish.namespace}/", "/embedding"
    found = {
        topic: topic[len(begin) : -len(end)]
        for topic in recording.of_type(EMBEDDING)
        if topic.startswith(begin) and topic.endswith(end) and recording.topics[topic].count
    }
    wanted = {camera for camera, _ in wish.cameras}
    return {topic: camera for topic, camera in found.items() if not wanted or camera in wanted}


def _pictured(recording: Recording, wish: Wish) -> dict[str, str]:
    pictures = [topic for topic in recording.of_type(IMAGE, COMPRESSED_IMAGE) if recording.topics[topic].count]
    named = {topic: camera for camera, topic in wish.cameras if topic}
    if missing := sorted(set(named) - set(pictures)):
        raise MediaError(
            f"{recording.path}: topic {', '.join(missing)}", expected="pictures", got=recording.told_topics()
        )
    ours = f"{wish.namespace}/"
    guessed = {t: camera_name(t) for t in pictures if not t.startswith(ours) and "depth" not in t.split("/")}
    wanted = {camera for camera, topic in wish.cameras if not topic}
    if wish.cameras:
        guessed = {topic: camera for topic, camera in guessed.items() if camera in wanted and topic not in named}
    return {**guessed, **named}


def camera_name(topic: str) -> str:
    """What to call the camera of a picture topic: ``/front/image_raw/compressed`` is ``front``."""
    return "_".join(part for part in topic.strip("/").split("/") if part not in _OF_PICTURES) or "camera"


def _source(recording: Recording, wish: Wish, kind: str, cameras: dict[str, str]) -> Source:
    names = list(cameras.values())
    missing = sorted({camera for camera, _ in wish.cameras} - set(names))
    if missing or not cameras:
        wanted = f"{kind} of " + (", ".join(f"camera {name!r}" for name in missing) or "a camera")
        remedy = "name one with --camera NAME=TOPIC, or another --namespace"
        raise MediaError(str(recording.path), expected=wanted, got=recording.told_topics(), remedy=remedy)
    if len(set(names)) < len(names):
        raise MediaError(
            str(recording.path),
            expected="one topic for each camera",
            got=", ".join(f"{camera}={topic}" for topic, camera in cameras.items()),
            remedy="choose with --camera NAME=TOPIC",
        )
    return Source(kind, cameras, wish.namespace, sum(recording.topics[topic].count for topic in cameras))


def _require_model(recording: Recording, source: Source, model: str) -> None:
    for topic in source.cameras:
        first = next(recording.messages([topic]), None)
        if first is not None:
            require_model(recording, topic, see(recording, first, EmbeddingReader()), model)
