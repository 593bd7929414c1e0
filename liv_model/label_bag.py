# SPDX-License-Identifier: Apache-2.0
"""Labels one bag: its messages pass through as bytes, rewards are put beside what they are scored from."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import cached_property
from typing import Any

import numpy as np

from liv_model.bag_writer import BagWriter
from liv_model.bundle import Bundle
from liv_model.encoder import Encoder
from liv_model.errors import ImageError, LivError, MediaError
from liv_model.goal import Goal, GoalResolver, ResolvedGoal
from liv_model.image import Preprocessing, to_square
from liv_model.image_message import message_to_rgb
from liv_model.label_encoder import open_beside_decoder
from liv_model.label_goals import Announcer, SetGoal, goal_in, new_id, recorded_goal_topics
from liv_model.label_job import BagJob, Labelled, Setup
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
from liv_model.label_sources import EMBEDDINGS, IMAGES, Source, choose, recorded_episodes, require_model, see
from liv_model.label_table import RewardTable
from liv_model.label_writing import bag_in_place_of, copy_topics
from liv_model.read_ahead import read_ahead

_TELL_EVERY = {EMBEDDINGS: 1024, IMAGES: 8}  # frames; telling takes as long as scoring a few embeddings


class Labeller:
    """Labels bags with one model, which is only loaded where pictures or new goals need it."""

    def __init__(self, setup: Setup):
        self.setup = setup
        self.bundle = Bundle.load(setup.bundle)

    @cached_property
    def encoder(self) -> Encoder:
        """Of the bundle, opened when it is needed."""
        setup = self.setup
        return open_beside_decoder(self.bundle, setup.backend, setup.device, setup.threads, setup.precision)

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
        return stamp_ns(message.header), message.header.frame_id, to_square(message_to_rgb(message), preprocessing)
    except (ImageError, MediaError) as error:
        return error
