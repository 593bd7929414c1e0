# SPDX-License-Identifier: Apache-2.0
"""The metrics of section 6 of the design for one model over one store of episodes: everything but the printing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from liv_model import metrics
from liv_model.encoder import Encoder
from liv_model.errors import DataError
from liv_model.value import values
from training.episodes import EpisodeStore
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
    """

    task: str
    outcome: str
    embeddings: np.ndarray
    number: int = 0

    def curve(self, goal: np.ndarray) -> np.ndarray:
        """Values of all frames for a goal, float64 (T,)."""
        return values(self.embeddings, goal[None])[:, 0]


class Report:
    """Every metric of section 6 of the design, as means with intervals.

    Args:
        scores: metric to task to its numbers, (episodes,) or (episodes, others), as `metrics.estimate` takes them.
    """

    def __init__(self, scores: dict[str, dict[str, np.ndarray]]):
        self._scores = {name: groups for name, groups in scores.items() if groups}

    @cached_property
    def overall(self) -> dict[str, metrics.Estimate]:
        """Metric to its mean over tasks; the interval is of the mean over these tasks."""
        return {name: metrics.estimate(list(groups.values())) for name, groups in self._scores.items()}

    @cached_property
    def across_tasks(self) -> dict[str, metrics.Estimate]:
        """The same means; the interval is of the mean over other tasks of their kind."""
        return {
            name: metrics.estimate(list(groups.values()), across_tasks=True) for name, groups in self._scores.items()
        }

    @cached_property
    def per_task(self) -> dict[str, dict[str, metrics.Estimate]]:
        """Task to metric to its mean over the task's episodes, with its interval."""
        tasks = dict.fromkeys(task for groups in self._scores.values() for task in groups)
        return {
            task: {name: metrics.estimate([groups[task]]) for name, groups in self._scores.items() if task in groups}
            for task in tasks
        }

    def to_dict(self) -> dict:
        """Plain types, numbers rounded to 4 digits: what a bundle remembers. Per task only the means."""
        overall = {name: plain(e) for name, e in self.overall.items()}
        per_task = {t: {k: _rounded(e.mean) for k, e in row.items()} for t, row in self.per_task.items()}
        return {"overall": overall, "per_task": per_task}

    def details(self) -> dict:
        """Likewise, with every interval."""
        return {
            "overall": {name: plain(e) for name, e in self.overall.items()},
            "across_tasks": {name: plain(e) for name, e in self.across_tasks.items()},
            "per_task": {t: {k: plain(e) for k, e in row.items()} for t, row in self.per_task.items()},
        }


def plain(estimate: metrics.Estimate) -> dict[str, float | int | None]:
    """An estimate as JSON takes it: 4 digits, None for what is not finite."""
    return {key: value if key == "n" else _rounded(value) for key, value in asdict(estimate).items()}


def _rounded(x: float) -> float | None:
    return round(float(x), 4) if np.isfinite(x) else None


def choose(store: EpisodeStore, tasks: Sequence[str], per_task: int = 0, outcomes: Sequence[str] = ()) -> list[int]:
    """Numbers of the episodes to look at.

    Args:
        store: where they are.
        tasks: names; empty for all of the store.
        per_task: at most so many of each task and outcome, the first ones; 0 for all.
        outcomes: which; empty for all.
    """
    seen: dict[tuple[str, str], int] = {}
    chosen = []
    for number, record in enumerate(store.records):
        key = (record.task, record.outcome)
        wanted = (not tasks or record.task in tasks) and (not outcomes or record.outcome in outcomes)
        if wanted and (not per_task or seen.get(key, 0) < per_task):
            seen[key] = seen.get(key, 0) + 1
            chosen.append(number)
    return chosen


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
        result.append(Embedded(episode.task, episode.outcome, np.concatenate(parts), number))
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
        scores, truth, _ = self._final_values(np.stack([self.goals[t] for t in self.tasks]))
        return np.stack([scores[truth == row].mean(axis=0) for row in range(len(self.tasks))])

    def failures(self, task: str) -> list[Embedded]:
        """Embedded episodes of a task that did not succeed."""
        return [e for e in self._episodes if e.task == task and e.outcome != "success"]

    def _each(self, score) -> dict[str, np.ndarray]:
        return {t: np.array([score(e) for e in episodes]) for t, episodes in self.successes.items()}

    def _success_auc(self) -> dict[str, np.ndarray]:
        """Per task (successes, failures): whether the success stands above the failure; their mean is the AUC."""
        result = {}
        for task, successes in self.successes.items():
            goal = self.goals[task]
            failures = [e.curve(goal) for e in self.failures(task)]
            if failures:
                good = [e.curve(goal) for e in successes]
                result[task] = np.array([[metrics.success_auc([g], [f]) for f in failures] for g in good])
        return result

    def _final_values(self, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Final values (N, G) of all successes under goals in the order of the tasks, truth (N,), tasks (N,)."""
        rows, truth = [], []
        for column, task in enumerate(self.tasks):
            for episode in self.successes[task]:
                curves = values(episode.embeddings, goals)  # (T, G)
                rows.append([metrics.final_value(c) for c in curves.T])
                truth.append(column)
        return np.array(rows), np.array(truth), np.array(self.tasks)[truth]

    def _discrimination(self) -> dict[str, dict[str, np.ndarray]]:
        if len(self.tasks) < 2:
            return {}
        scores, truth, owner = self._final_values(np.stack([self.goals[t] for t in self.tasks]))
        hit, margin = metrics.top1(scores, truth), metrics.diagonal_margin(scores, truth)
        return {
            "top1": {t: hit[owner == t] for t in self.tasks},
            "diagonal_margin": {t: margin[owner == t] for t in self.tasks},
        }

    def _antonyms(self) -> dict[str, dict[str, np.ndarray]]:
        """Only for tasks whose opposite is itself a known task: another text means nothing to the model yet."""
        contrast, opposite_voc = {}, {}
        for task, episodes in self.successes.items():
            words = load_tasks().get(task)
            if words is None or words.opposite not in self.goals:
                continue
            pairs = [(e.curve(self.goals[task]), e.curve(self.goals[words.opposite])) for e in episodes]
            contrast[task] = np.array([metrics.antonym_contrast(*pair) for pair in pairs])
            opposite_voc[task] = np.array([metrics.voc(opposite) for _, opposite in pairs])
        return {"antonym_contrast": contrast, "voc_opposite": opposite_voc}

    def _held_out(self) -> dict[str, dict[str, np.ndarray]]:
        """Paraphrases that training never saw: VOC, and top-1 with every task said in one of them."""
        table = load_tasks()
        if any(t not in table for t in self.tasks) or len(self.tasks) < 2:
            return {}
        rounds = min(len(table[t].held_out) for t in self.tasks)
        hits: dict[str, list[np.ndarray]] = {t: [] for t in self.tasks}
        vocs: dict[str, list[list[float]]] = {t: [] for t in self.tasks}
        for k in range(rounds):
            goals = self._encoder.encode_texts([table[t].held_out[k] for t in self.tasks])
            scores, truth, owner = self._final_values(goals)
            hit = metrics.top1(scores, truth)
            for task, goal in zip(self.tasks, goals, strict=True):
                hits[task].append(hit[owner == task])
                vocs[task].append([metrics.voc(e.curve(goal)) for e in self.successes[task]])
        return {  # (episodes, wordings)
            "held_out_top1": {t: np.stack(h, axis=1) for t, h in hits.items()},
            "held_out_voc": {t: np.array(v).T for t, v in vocs.items()},
        }
