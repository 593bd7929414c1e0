# SPDX-License-Identifier: Apache-2.0
"""The metrics of section 6 of the design for one model over one store of episodes: everything but the printing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, zip_longest

import numpy as np

from liv_model import metrics
from liv_model.encoder import Encoder
from liv_model.errors import DataError
from liv_model.value import values
from training.episodes import EpisodeStore
from training.metric_report import Report
from training.tasks import load_tasks

_BATCH = 64


@dataclass(frozen=True)
class Embedded:
    """One episode as a model sees it.

    Attributes:
        task: its name.
        outcome: ``success`` or a kind of failure.
        embeddings: float32 (T, D), rows of unit norm.
        number: of the episode in its store.
        camera: its name; "" where there is but one.
        attempt: equal for the recordings that several cameras made of one attempt.
    """

    task: str
    outcome: str
    embeddings: np.ndarray
    number: int = 0
    camera: str = ""
    attempt: object = field(default_factory=object)

    def curve(self, goal: np.ndarray) -> np.ndarray:
        """Values of all frames for a goal, float64 (T,)."""
        return values(self.embeddings, goal[None])[:, 0]


def choose(store: EpisodeStore, tasks: Sequence[str], per_task: int = 0, outcomes: Sequence[str] = ()) -> list[int]:
    """Numbers of the episodes to look at, in the order of the store.

    Args:
        store: where they are.
        tasks: names; empty for all of the store.
        per_task: at most so many of each task and outcome: the first of each camera, then the second of each, and
            so on; 0 for all.
        outcomes: which; empty for all.
    """
    cameras: dict[tuple[str, str], dict[str, list[int]]] = {}
    for number, record in enumerate(store.records):
        if (not tasks or record.task in tasks) and (not outcomes or record.outcome in outcomes):
            group = cameras.setdefault((record.task, record.outcome), {})
            group.setdefault(record.camera, []).append(number)
    turns = [[n for n in chain(*zip_longest(*group.values())) if n is not None] for group in cameras.values()]
    return sorted(chain(*(turn[: per_task or None] for turn in turns)))


def embed(
    encoder: Encoder,
    store: EpisodeStore,
    numbers: Sequence[int],
    *,
    done: Callable[[int], None] = lambda frames: None,
) -> list[Embedded]:
    """Encode episodes, every frame of them once; ``done`` is told the frames of each, when it is done."""
    result = []
    for number in numbers:
        episode = store[number]
        parts = [
            encoder.encode_images(np.ascontiguousarray(episode.frames[i : i + _BATCH]))
            for i in range(0, len(episode), _BATCH)
        ]
        attempt = (episode.task, episode.outcome, episode.seed, episode.source)
        result.append(Embedded(episode.task, episode.outcome, np.concatenate(parts), number, episode.camera, attempt))
        done(len(episode))
    return result


def instructions(store: EpisodeStore, numbers: Sequence[int]) -> dict[str, str]:
    """Task to canonical instruction, for the tasks of these episodes, sorted by task."""
    return dict(sorted({store.records[i].task: store.records[i].text for i in numbers}.items()))


class Evaluation:
    """The metrics of one model over embedded episodes.

    Args:
        encoder: for texts.
        episodes: embedded ones, of at least one successful episode.
        texts: task to canonical instruction.

    Raises:
        DataError: no successful episode.
    """

    def __init__(self, encoder: Encoder, episodes: Sequence[Embedded], texts: dict[str, str]):
        self._encoder, self.texts, self._episodes = encoder, texts, episodes
        self.tasks = [t for t in texts if any(e.task == t and e.outcome == "success" for e in episodes)]
        if not self.tasks:
            raise DataError("evaluation", expected="at least one successful episode", got="none")
        self.goals = dict(zip(texts, encoder.encode_texts(list(texts.values())), strict=True))
        self.successes = {t: [e for e in episodes if e.task == t and e.outcome == "success"] for t in self.tasks}

    def report(self) -> Report:
        """Every metric there is data for."""
        return Report(
            {
                "language_voc": self._each(lambda e: metrics.voc(e.curve(self.goals[e.task]))),
                "image_voc": self._each(lambda e: metrics.voc(e.curve(e.embeddings[-1]))),
                "negative_rate": self._each(lambda e: metrics.negative_rate(e.curve(self.goals[e.task]))),
                "success_auc": self._success_auc(),
                **self._discrimination(),
                **self._antonyms(),
                **self._held_out(),
            }
        )

    @property
    def count(self) -> int:
        """How many episodes were looked at."""
        return len(self._episodes)

    def matrix(self) -> np.ndarray:
        """Mean final value of the successes of each task (row) under each task's instruction (column), (T, T)."""
        scores, truth = self.final_values
        return np.stack([scores[truth == row].mean(axis=0) for row in range(len(self.tasks))])

    @cached_property
    def final_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Final values (N, T) of all successes under every task's instruction, and the column of their own (N,)."""
        return self._final_values(np.stack([self.goals[t] for t in self.tasks]))

    @cached_property
    def in_scene(self) -> np.ndarray:
        """Whether two tasks happen in one scene, bool (T, T); every task in its own."""
        table = load_tasks()
        scenes = [table[t].scene if t in table and table[t].scene else t for t in self.tasks]
        return np.array([[a == b for b in scenes] for a in scenes])

    def of_cameras(self) -> dict[str, Evaluation]:
        """The same of each camera's episodes alone; empty where there is but one camera with successes."""
        cameras = dict.fromkeys(e.camera for episodes in self.successes.values() for e in episodes)
        if len(cameras) < 2:
            return {}
        return {c: Evaluation(self._encoder, [e for e in self._episodes if e.camera == c], self.texts) for c in cameras}

    def failures(self, task: str) -> list[Embedded]:
        """Embedded episodes of a task that did not succeed."""
        return [e for e in self._episodes if e.task == task and e.outcome != "success"]

    def _each(self, score) -> dict[str, np.ndarray]:
        return {t: _by_attempt(episodes, [score(e) for e in episodes]) for t, episodes in self.successes.items()}

    def _success_auc(self) -> dict[str, np.ndarray]:
        """Per task (successes, failures): whether the success stands above the failure; their mean is the AUC."""
        result = {}
        for task, successes in self.successes.items():
            goal, failed = self.goals[task], self.failures(task)
            if failed:
                good, bad = ([e.curve(goal) for e in episodes] for episodes in (successes, failed))
                pairs = [[metrics.success_auc([g], [f]) for f in bad] for g in good]
                result[task] = _by_attempt(failed, _by_attempt(successes, pairs).T).T
        return result

    def _final_values(self, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Final values (N, G) of all successes under goals in the order of the tasks, truth (N,)."""
        rows, truth = [], []
        for column, task in enumerate(self.tasks):
            for episode in self.successes[task]:
                curves = values(episode.embeddings, goals)  # (T, G)
                rows.append([metrics.final_value(c) for c in curves.T])
                truth.append(column)
        return np.array(rows), np.array(truth)

    def _of_tasks(self, numbers: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
        """Numbers (N,) of all successes, task by task."""
        return {t: _by_attempt(self.successes[t], numbers[truth == column]) for column, t in enumerate(self.tasks)}

    def _discrimination(self) -> dict[str, dict[str, np.ndarray]]:
        if len(self.tasks) < 2:
            return {}
        scores, truth = self.final_values
        shared = {t for t, row in zip(self.tasks, self.in_scene, strict=True) if row.sum() > 1}
        in_scene = self._of_tasks(metrics.top1(scores, truth, among=self.in_scene[truth]), truth)
        return {
            "top1": self._of_tasks(metrics.top1(scores, truth), truth),
            "top1_in_scene": {t: hits for t, hits in in_scene.items() if t in shared},
            "diagonal_margin": self._of_tasks(metrics.diagonal_margin(scores, truth), truth),
        }

    def _antonyms(self) -> dict[str, dict[str, np.ndarray]]:
        """Only for tasks whose opposite is itself a known task: another text means nothing to the model yet."""
        contrast, opposite_voc = {}, {}
        for task, episodes in self.successes.items():
            words = load_tasks().get(task)
            if words is None or words.opposite not in self.goals:
                continue
            pairs = [(e.curve(self.goals[task]), e.curve(self.goals[words.opposite])) for e in episodes]
            contrast[task] = _by_attempt(episodes, [metrics.antonym_contrast(*pair) for pair in pairs])
            opposite_voc[task] = _by_attempt(episodes, [metrics.voc(opposite) for _, opposite in pairs])
        return {"antonym_contrast": contrast, "voc_opposite": opposite_voc}

    def _held_out(self) -> dict[str, dict[str, np.ndarray]]:
        """Paraphrases that training never saw: VOC, and top-1 with every task said in one of them."""
        table = load_tasks()
        if any(t not in table for t in self.tasks) or len(self.tasks) < 2:
            return {}
        rounds = min(len(table[t].held_out) for t in self.tasks)
        hits: dict[str, list[np.ndarray]] = {t: [] for t in self.tasks}
        vocs: dict[str, list[np.ndarray]] = {t: [] for t in self.tasks}
        for k in range(rounds):
            goals = self._encoder.encode_texts([table[t].held_out[k] for t in self.tasks])
            scores, truth = self._final_values(goals)
            hit = self._of_tasks(metrics.top1(scores, truth), truth)
            for task, goal in zip(self.tasks, goals, strict=True):
                episodes = self.successes[task]
                hits[task].append(hit[task])
                vocs[task].append(_by_attempt(episodes, [metrics.voc(e.curve(goal)) for e in episodes]))
        return {  # (attempts, wordings)
            "held_out_top1": {t: np.stack(h, axis=1) for t, h in hits.items()},
            "held_out_voc": {t: np.stack(v, axis=1) for t, v in vocs.items()},
        }


def _by_attempt(episodes: Sequence[Embedded], numbers: Sequence) -> np.ndarray:
    """Numbers of episodes, (N, ...), as means over the recordings of one attempt: float64 (attempts, ...).

    What several cameras saw of one attempt is not several pieces of evidence, and must not count as such.
    """
    numbers = np.asarray(numbers, np.float64)
    places: dict[object, list[int]] = {}
    for place, episode in enumerate(episodes):
        places.setdefault(episode.attempt, []).append(place)
    return np.stack([numbers[where].mean(axis=0) for where in places.values()])
