# SPDX-License-Identifier: Apache-2.0
"""Labels one bag: its messages pass through as bytes, rewards are put beside what they are scored from."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from liv_model.bag_writer import BagWriter
from liv_model.bundle import Bundle
from liv_model.encoder import Encoder, open_encoder
from liv_model.errors import ImageError, LivError, MediaError
from liv_model.goal import Goal, GoalResolver, ResolvedGoal
from liv_model.image import Preprocessing, to_square
from liv_model.image_message import compressed_to_rgb, image_to_rgb
from liv_model.label_goals import Announcer, SetGoal, goal_in, new_id, recorded_goal_topics
from liv_model.label_messages import (
    ACTIVE_GOAL,
    EMBEDDING,
    REWARD,
    AnnouncedGoal,
    EmbeddingReader,
    RewardPacker,
    SeenEmbedding,
    active_goal_cdr,
    announced_goal,
    embedding_cdr,
    ended_goal_cdr,
    stamp_ns,
)
from liv_model.label_reading import Recording, Stored, open_recording
from liv_model.label_scoring import RecordingRewards
from liv_model.label_sources import EMBEDDINGS, IMAGES, Source, Wish, choose, recorded_episodes, require_model, see
from liv_model.label_table import RewardTable
from liv_model.label_writing import bag_in_place_of, copy_topics
from liv_model.read_ahead import read_ahead

MOST_NAMED = 10
_TRIALS, _DECODING_S = 5, 0.004  # a JPEG of 640x480 takes 2 ms, one of 1920x1080 8
_TELL_EVERY = {EMBEDDINGS: 1024, IMAGES: 8}  # frames; telling takes as long as scoring a few embeddings


@dataclass(frozen=True)
class Setup:
    """What is the same for every bag.

    Attributes:
        bundle: folder of the model; None is the one that ships.
        goal: for the whole of every bag; None = the goals that the bags hold.
        goal_name: in ids and tables, where the goal has no text.
        resolved: what the model makes of ``goal``, where that is known already.
        wish: what to label from.
        smoothing_s: as reward_node's parameter.
        backend, device, precision, threads: see :func:`liv_model.encoder.open_encoder`.
    """

    bundle: str | None = None
    goal: Goal | None = None
    goal_name: str = "goal"
    resolved: ResolvedGoal | None = None
    wish: Wish = field(default_factory=Wish)
    smoothing_s: float = 0.0
    backend: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class BagJob:
    """One bag to label.

    Attributes:
        bag: to read.
        output: bag to write, or None.
        table: Parquet file to write, or None.
        overwrite: whether an output that exists is replaced.
    """

    bag: Path
    output: Path | None = None
    table: Path | None = None
    overwrite: bool = False


@dataclass
class Labelled:
    """What became of a bag; everything plain, so that it can be sent and printed.

    Attributes:
        bag: that was read.
        output: that was written, or "".
        source: ``embeddings`` or ``images``.
        model: ``name@digest``.
        frames: messages of the cameras' topics.
        rewards: how many by camera.
        goals: in words, or ids, in their order.
        dropped: frames without a reward, by cause.
        broken: how many pictures do not decode.
        remarks: what a person should know.
        seconds: it took.
    """

    bag: str
    output: str
    source: str = ""
    model: str = ""
    frames: int = 0
    rewards: dict[str, int] = field(default_factory=dict)
    goals: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    broken: int = 0
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def remark(self, words: str) -> None:
        """Keep a remark, if there are not too many yet."""
        if len(self.remarks) < MOST_NAMED and words not in self.remarks:
            self.remarks.append(words)


class Labeller:
    """Labels bags with one model, which is only loaded where pictures or new goals need it."""

    def __init__(self, setup: Setup):
        self.setup = setup
        self.bundle = Bundle.load(setup.bundle)

    @cached_property
    def encoder(self) -> Encoder:
        """Of the bundle, opened when it is needed.

        Decoding takes a processor of its own. A model that is slower than decoding gets all of them all the same; a
        quicker one would only take from the decoder what it has to wait for, and gets one.
        """
        encoder = self._open(self.setup.threads)
        if self.setup.threads or (os.cpu_count() or 1) < 2 or not _is_quicker_than_decoding(encoder, self.bundle):
            return encoder
        encoder.close()
        return self._open(1)

    def _open(self, threads: int) -> Encoder:
        setup = self.setup
        return open_encoder(self.bundle, setup.backend, setup.device, threads, setup.precision)

    @cached_property
    def _resolver(self) -> GoalResolver:
        return GoalResolver(self.bundle, self.encoder)

    def resolve(self, goal: Goal) -> ResolvedGoal:
        """What the model makes of a goal."""
        if goal is self.setup.goal and self.setup.resolved is not None:
            return self.setup.resolved
        return self._resolver.resolve(goal)

    def label(self, job: BagJob, tell: Callable[[int], None] = lambda count: None) -> Labelled:
        """Label one bag.

        Args:
            job: which, and where to.
            tell: called with how many more frames were read.

        Raises:
            MediaError: it cannot be read, written or scored; then nothing is written.
        """
        begin_s = time.perf_counter()
        done = Labelled(str(job.bag), str(job.output or ""), model=self.bundle.identity)
        with open_recording(job.bag) as recording, ExitStack() as stack:
            source = choose(recording, self.setup.wish, self.bundle.identity)
            done.source, done.frames = source.kind, source.frames
            table = None if job.table is None else stack.enter_context(RewardTable(job.table, str(job.bag)))
            bag = None
            if job.output is not None:
                bag = stack.enter_context(bag_in_place_of(job.output, overwrite=job.overwrite))
            run = _Run(self, recording, source, done, bag, table)
            run.run(tell)
            run.finish()
        done.seconds = time.perf_counter() - begin_s
        return done


def _is_quicker_than_decoding(encoder: Encoder, bundle: Bundle) -> bool:
    size = bundle.image.size
    picture, seconds = np.zeros((1, size, size, 3), np.uint8), []
    for _ in range(_TRIALS):
        begin_s = time.perf_counter()
        encoder.encode_images(picture)
        seconds.append(time.perf_counter() - begin_s)
    return median(seconds) < _DECODING_S


class _Run:
    """The way through one bag."""

    def __init__(
        self,
        labeller: Labeller,
        recording: Recording,
        source: Source,
        done: Labelled,
        bag: BagWriter | None,
        table: RewardTable | None,
    ):
        self._labeller, self._recording, self._source, self._done = labeller, recording, source, done
        self._bag, self._table = bag, table
        self._model = labeller.bundle.identity
        self._announcer = Announcer()
        self._active_goal = f"{source.namespace}/active_goal"
        self._activation = f"label-{uuid.uuid4().hex}"
        self._sequences = dict.fromkeys(source.cameras.values(), 0)
        episodes = recorded_episodes(recording, source)
        self._rewards = RecordingRewards(episodes, smoothing_s=labeller.setup.smoothing_s)
        self._readers = {topic: EmbeddingReader() for topic in source.cameras}
        self._packer, self._goal_name = RewardPacker(""), ""
        self._reward_topics = {camera: source.topic(camera, "reward") for camera in source.cameras.values()}
        self._written = {topic: REWARD for topic in self._reward_topics.values()}  # types of topics that are ours
        self._handlers: dict[str, Callable[[Stored, Any], None]] = {}
        on_frame = self._on_embedding if source.kind == EMBEDDINGS else self._on_picture
        self._handlers.update(dict.fromkeys(source.cameras, on_frame))
        if source.kind == IMAGES:
            self._written.update({source.topic(camera, "embedding"): EMBEDDING for camera in self._sequences})
        self._follow_goals()
        self._tell_of_others()
        if bag is not None:
            copy_topics(recording, bag, set(self._written))
            for topic, msgtype in self._written.items():
                bag.add_topic(topic, msgtype, latched=msgtype == ACTIVE_GOAL)

    def run(self, tell: Callable[[int], None]) -> None:
        """Read the bag once."""
        every, untold = _TELL_EVERY[self._source.kind], 0
        handlers, written, cameras = self._handlers, self._written, self._source.cameras
        with closing(self._events()) as events:
            for stored, picture in events:
                handle = handlers.get(stored.topic)
                if handle is not None:
                    handle(stored, picture)
                elif stored.topic not in written:
                    self._pass(stored)
                if stored.topic in cameras:
                    untold += 1
                    if untold >= every:
                        tell(untold)
                        untold = 0
        tell(untold)

    def finish(self) -> None:
        """Say what became of it; MediaError if nothing came of it."""
        done, rewards = self._done, self._rewards
        done.rewards, done.dropped = dict(rewards.rewards), dict(rewards.dropped)
        if self._recording.is_cut:
            done.remark("the bag was cut short, and read as far as it goes")
        if not done.rewards:
            causes = [f"{count} {cause}" for cause, count in done.dropped.items()]
            causes += [f"{done.broken} pictures that do not decode"] if done.broken else []
            raise MediaError(
                done.bag,
                expected=f"{done.source} that can be scored",
                got=", ".join([*causes, *done.remarks]) or "none",
            )

    def _follow_goals(self) -> None:
        """Take the goal of the setup, or those of the bag; decide whose ``active_goal`` is written."""
        setup = self._labeller.setup
        if setup.goal is not None:
            resolved = self._labeller.resolve(setup.goal)
            self._announcer.set(SetGoal(new_id(setup.goal_name), setup.goal, resolved))
            self._written[self._active_goal] = ACTIVE_GOAL
            return
        topics = recorded_goal_topics(self._recording, self._source.namespace)
        if topics == [self._active_goal] and self._source.kind == EMBEDDINGS:
            self._handlers[self._active_goal] = self._on_active_goal
            return
        self._written[self._active_goal] = ACTIVE_GOAL
        self._handlers.update(dict.fromkeys(topics, self._on_goal))

    def _tell_of_others(self) -> None:
        others = [topic for topic in self._recording.of_type(REWARD) if topic not in self._written]
        if others:
            self._done.remark(f"left as they were: {', '.join(others)} (name cameras with --camera NAME=TOPIC)")

    def _events(self) -> Iterator[tuple[Stored, Any]]:
        """The messages; those of cameras with their pictures, which are decoded while others are encoded."""
        messages = self._recording.messages()
        if self._source.kind == EMBEDDINGS:
            return ((stored, None) for stored in messages)
        return read_ahead(_decoded(messages, self._recording, self._source, self._labeller.bundle.image))

    def _pass(self, stored: Stored) -> None:
        if self._bag is not None:
            self._bag.write(stored.topic, self._recording.topics[stored.topic].msgtype, stored.time_ns, stored.cdr)

    def _write(self, topic: str, time_ns: int, cdr: bytes) -> None:
        if self._bag is not None:
            self._bag.write(topic, self._written[topic], time_ns, cdr)

    def _on_embedding(self, stored: Stored, _: object) -> None:
        seen = see(self._recording, stored, self._readers[stored.topic])
        if seen.model != self._model:
            require_model(self._recording, stored.topic, seen, self._model)
        camera = self._source.cameras[stored.topic]
        self._announce(seen, camera, stored.time_ns)
        self._pass(stored)
        self._score(seen, camera, stored.time_ns)

    def _on_picture(self, stored: Stored, picture: Any) -> None:
        if isinstance(picture, LivError):
            self._pass(stored)
            self._done.broken += 1
            self._done.remark(f"{stored.topic} at {stored.time_ns / 1e9:.3f} s: {picture}")
            return
        stamp, frame_id, square = picture
        camera = self._source.cameras[stored.topic]
        vector = self._labeller.encoder.encode_images(square[None])[0]
        sequence, self._sequences[camera] = self._sequences[camera], self._sequences[camera] + 1
        seen = SeenEmbedding(stamp, frame_id, camera, self._model, self._activation, sequence, vector)
        self._announce(seen, camera, stored.time_ns)  # before the picture: it counts for that goal
        self._pass(stored)
        if self._bag is not None:
            self._write(self._source.topic(camera, "embedding"), stored.time_ns, embedding_cdr(seen))
        self._score(seen, camera, stored.time_ns)

    def _announce(self, seen: SeenEmbedding, camera: str, time_ns: int) -> None:
        announced = self._announcer.at(seen, camera)
        if announced is None:
            return
        self._begin(announced)
        goal = self._announcer.present
        if goal.resolved.message:
            self._done.remark(goal.resolved.message)
        if self._bag is not None:
            thresholds = self._labeller.bundle.task_state
            cdr = active_goal_cdr(announced, goal.goal, goal.resolved, thresholds, time_ns)
            self._write(self._active_goal, time_ns, cdr)

    def _begin(self, goal: AnnouncedGoal) -> None:
        self._rewards.begin(goal)
        self._packer, self._goal_name = RewardPacker(goal.id), goal.text or goal.id
        if self._goal_name and self._goal_name not in self._done.goals:
            self._done.goals.append(self._goal_name)

    def _score(self, seen: SeenEmbedding, camera: str, time_ns: int) -> None:
        sample = self._rewards.score(seen, camera)
        if sample is None:
            return
        if self._bag is not None:
            self._bag.write(self._reward_topics[camera], REWARD, time_ns, self._packer.cdr(seen, sample))
        if self._table is not None:
            self._table.add(seen.stamp_ns, camera, self._goal_name, sample)

    def _on_active_goal(self, stored: Stored, _: object) -> None:
        """As reward_node takes an ActiveGoal."""
        self._pass(stored)
        message = self._recording.read(stored)
        fits = len(message.cameras) == len(message.first_sequence)
        if not fits or not np.isfinite(np.asarray(message.embedding, np.float32)).all():
            self._done.remark(f"{stored.topic} at {stored.time_ns / 1e9:.3f} s is malformed and was passed over")
            return
        self._begin(announced_goal(message))

    def _on_goal(self, stored: Stored, _: object) -> None:
        """A goal for this model; one that it does not take is passed over, the last one stays."""
        if stored.topic != self._active_goal:
            self._pass(stored)
        try:
            found = goal_in(self._recording, stored)
            goal = None if found is None else SetGoal(found[0], found[1], self._labeller.resolve(found[1]))
        except LivError as error:
            self._done.remark(f"{stored.topic} at {stored.time_ns / 1e9:.3f} s: goal passed over: {error}")
            return
        self._announcer.set(goal)
        if goal is None:
            self._rewards.end()
            self._write(self._active_goal, stored.time_ns, ended_goal_cdr(stored.time_ns))


def _decoded(
    messages: Iterable[Stored], recording: Recording, source: Source, preprocessing: Preprocessing
) -> Iterator[tuple[Stored, Any]]:
    """With each picture its stamp, frame_id and square; or the error that it is."""
    for stored in messages:
        yield stored, _picture(stored, recording, preprocessing) if stored.topic in source.cameras else None


def _picture(stored: Stored, recording: Recording, preprocessing: Preprocessing) -> Any:
    try:
        message = recording.read(stored)
        rgb = image_to_rgb(message) if hasattr(message, "encoding") else compressed_to_rgb(message)
        return stamp_ns(message.header), message.header.frame_id, to_square(rgb, preprocessing)
    except (ImageError, MediaError) as error:
        return error
