# SPDX-License-Identifier: Apache-2.0
"""Which five frames of an episode, and which text, one training sample is made of.

Index functions are pure and draw from the generator they are given. A row of a batch is a function of
(seed, step, row), so that a run cut in two sees the same batches as the whole run, and many processes that
read a share of the rows each see together what one process sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from liv_model.errors import ConfigError, DataError
from training import distractors
from training.augment import AugmentConfig, augment
from training.episodes import EpisodeStore
from training.paraphrases import store_paraphrases
from training.phrases import load_phrases
from training.tasks import load_tasks

SHORTEST_EPISODE = 3


class FiveFrames(NamedTuple):
    """Frame numbers within an episode, in the order of :func:`liv_model.objective.liv_loss`."""

    first: int
    last: int
    now: int
    after: int
    text: int


@dataclass(frozen=True)
class SamplerConfig:
    """How frames are drawn.

    Attributes:
        kind: "subclips" (released pre-training) or "episodes" (released fine-tuning).
        alpha: the frame paired with the text is drawn from ``int(alpha * length) - 1`` on; sub-clips only.
        paraphrase: probability that a text is another way to say the task, not its instruction.
        phrases: whether the other ways are those of the patterns (training.phrases), too; not as released.
        distractors: texts about none of the videos that a batch brings along; 0 as released.
        failures: pictures in which failed attempts ended that a batch brings along; 0 as released.
    """

    kind: str = "subclips"
    alpha: float = 0.95
    paraphrase: float = 0.5
    phrases: bool = False
    distractors: int = 0
    failures: int = 0

    def __post_init__(self) -> None:
        """Refuse settings out of their range."""
        if self.kind not in ("subclips", "episodes"):
            raise ConfigError("sampler.kind", expected='"subclips" or "episodes"', got=self.kind)
        for name in ("alpha", "paraphrase"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"sampler.{name}", expected="a number in [0, 1]", got=getattr(self, name))
        for name in ("distractors", "failures"):
            if getattr(self, name) < 0:
                raise ConfigError(f"sampler.{name}", expected="0 or more", got=getattr(self, name))


def sample_subclip(length: int, rng: np.random.Generator, alpha: float = 0.95) -> FiveFrames:
    """A random sub-clip of an episode of ``length`` >= 3 frames (as the released pre-training draws it).

    o_0 is uniform in [0, length - 2), o_T in (o_0, length), k in [o_0, o_T), and o_text in
    [int(alpha * length) - 1, length) of the whole episode.
    """
    first = int(rng.integers(0, length - 2))
    last = int(rng.integers(first + 1, length))
    now = int(rng.integers(first, last))
    text = int(rng.integers(max(0, int(alpha * length) - 1), length))
    return FiveFrames(first, last, now, now + 1, text)


def sample_episode(length: int, rng: np.random.Generator) -> FiveFrames:
    """A whole episode: first and last frame, k uniform, the text with the last frame (released fine-tuning)."""
    now = int(rng.integers(0, length - 1))
    return FiveFrames(0, length - 1, now, now + 1, length - 1)


def training_texts(task: str, text: str) -> tuple[str, ...]:
    """The ways training may say a task: those of the table, or the episode's own text where it has none."""
    words = load_tasks().get(task)
    return words.training_texts if words is not None and words.text == text else (text,)


def _draw_texts(texts: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [texts[i] for i in rng.integers(len(texts), size=count)] if count else []


@dataclass(frozen=True)
class Batch:
    """What the objective sees at once, or one process's share b of its B videos.

    Attributes:
        images: uint8 (5, b, S, S, 3), frames in the order of ``FiveFrames``.
        texts: b texts.
        labels: int64 (B,), of all videos, equal for those of one instruction, however it is said.
        episodes: int64 (B,), numbers in the store, of all videos.
        distractors: texts about none of the videos.
        failures: uint8 (F, S, S, 3), pictures in which failed attempts at these instructions ended.
        failure_labels: int64 (F,), of what was attempted.
    """

    images: np.ndarray
    texts: list[str]
    labels: np.ndarray
    episodes: np.ndarray
    distractors: list[str]
    failures: np.ndarray
    failure_labels: np.ndarray


class Sampler:
    """Batches from the successful episodes of a store.

    Args:
        store: where the frames are.
        tasks: names to use; empty for all of the store.
        config: how frames are drawn.
        augmentation: how pictures are changed.
        seed: of everything drawn.

    Raises:
        DataError: no successful episode of a task, or one of fewer than 3 frames.
    """

    def __init__(
        self,
        store: EpisodeStore,
        tasks: Sequence[str],
        config: SamplerConfig,
        augmentation: AugmentConfig,
        seed: int,
    ):
        self._store, self._config, self._augmentation, self._seed = store, config, augmentation, seed
        successes = store.select(outcome="success")
        present = sorted({store.records[i].task for i in successes})
        missing = sorted(set(tasks) - set(present))
        if missing or not present:
            raise DataError(
                f"episode store {store.path}",
                expected="successful episodes of every task",
                got=f"none of {', '.join(missing) or 'any'}",
                remedy="simulate or import them, or name other tasks",
            )
        self.tasks = tuple(tasks) or tuple(present)
        self.episodes = [i for i in successes if store.records[i].task in self.tasks]
        for i in self.episodes:
            if store.records[i].count < SHORTEST_EPISODE:
                raise DataError(
                    f"episode {i} ({store.records[i].name}) of {store.path}",
                    expected=f"at least {SHORTEST_EPISODE} frames",
                    got=store.records[i].count,
                    remedy="make the store again without it, or name other tasks",
                )
        instructions = sorted({store.records[i].text for i in self.episodes})
        self._label = {text: n for n, text in enumerate(instructions)}
        self._paraphrases = store_paraphrases(store.path)
        self._failed = self._find_failed()
        self._everyday, self._undone = distractors.everyday(), distractors.undone(self.tasks)

    @property
    def texts(self) -> list[str]:
        """Every text that a batch can hold, sorted."""
        records = (self._store.records[i] for i in self.episodes)
        return sorted({text for record in records for text in self._ways(record.task, record.text)})

    def batch(self, step: int, size: int, share: slice = slice(None)) -> Batch:
        """The batch number ``step``: ``size`` episodes drawn uniformly with replacement.

        Args:
            step: number of the batch.
            size: B.
            share: of which rows frames and texts are read; all by default.
        """
        rng = np.random.default_rng([self._seed, step])
        numbers = rng.choice(self.episodes, size=size)
        labels = [self._label[self._store.records[number].text] for number in numbers]
        rows = range(size)[share]
        side = self._store.height
        images = np.empty((5, len(rows), side, side, 3), np.uint8)
        texts = []
        for place, row in enumerate(rows):
            of_row = np.random.default_rng([self._seed, step, row + 1])  # a trailing 0 would be the batch's own
            record = self._store.records[numbers[row]]
            frames = [self._store.frames[record.start + i] for i in self._draw(record.count, of_row)]  # views
            augment(frames, self._augmentation, of_row, out=images[:, place])
            texts.append(self._say(record.task, record.text, of_row))
        distractors, (failures, failure_labels) = self._distract(rng), self._fail(rng)
        self._store.release()
        return Batch(images, texts, np.array(labels, np.int64), numbers, distractors, failures, failure_labels)

    def _find_failed(self) -> list[int]:
        """Attempts at the instructions that failed; DataError where some are wanted and there are none."""
        if not self._config.failures:
            return []
        found = [
            number
            for number, record in enumerate(self._store.records)
            if record.outcome != "success" and record.text in self._label and record.count >= SHORTEST_EPISODE
        ]
        if not found:
            raise DataError(
                f"episode store {self._store.path}",
                expected=f"failed attempts at the tasks, as sampler.failures is {self._config.failures}",
                got="none",
                remedy="record failures too (verdict 2), or set sampler.failures=0",
            )
        return found

    def _fail(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Where failed attempts ended, (F, S, S, 3), as late as the pictures that texts go with; and what was tried."""
        side, numbers = self._store.height, self._failed and rng.choice(self._failed, size=self._config.failures)
        pictures = np.empty((len(numbers), side, side, 3), np.uint8)
        for place, number in enumerate(numbers):
            record = self._store.records[number]
            end = self._store.frames[record.start + self._draw(record.count, rng).text]
            augment([end], self._augmentation, rng, out=pictures[place : place + 1])
        labels = [self._label[self._store.records[number].text] for number in numbers]
        return pictures, np.array(labels, np.int64)

    def _distract(self, rng: np.random.Generator) -> list[str]:
        """Half of them undo a task where there is such a text, the others are about other things."""
        near = self._config.distractors // 2 if self._undone else 0
        far = self._config.distractors - near
        return [*_draw_texts(self._undone, near, rng), *_draw_texts(self._everyday, far, rng)]

    def _draw(self, length: int, rng: np.random.Generator) -> FiveFrames:
        if self._config.kind == "episodes":
            return sample_episode(length, rng)
        return sample_subclip(length, rng, self._config.alpha)

    def _say(self, task: str, text: str, rng: np.random.Generator) -> str:
        others = self._ways(task, text)[1:]
        say_otherwise = rng.random() < self._config.paraphrase
        return others[rng.integers(len(others))] if others and say_otherwise else text

    def _ways(self, task: str, text: str) -> tuple[str, ...]:
        """The ways to say a task, its instruction first."""
        written = training_texts(task, text)
        known = self._config.phrases and len(written) > 1
        more = (*(load_phrases().get(task, ()) if known else ()), *self._paraphrases.get(text, ()))
        return (*written, *more)
