# SPDX-License-Identifier: Apache-2.0
"""How good a model's rewards are on episodes it has not seen: ``liv evaluate BUNDLE --data STORE``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from liv_model import metrics
from liv_model.encoder import Encoder
from liv_model.errors import DataError
from liv_model.value import values
from training.episodes import EpisodeStore
from training.tasks import load_tasks

_BATCH = 64
_EPILOG = """examples:
  liv evaluate models/metaworld --data data/validation
  liv evaluate models/metaworld --data data/validation --tasks drawer-open drawer-close --json
"""


@dataclass(frozen=True)
class Embedded:
    """One episode as a model sees it: what it is, and its embeddings, float32 (T, D)."""

    task: str
    outcome: str
    embeddings: np.ndarray

    def curve(self, goal: np.ndarray) -> np.ndarray:
        """Values of all frames for a goal, float64 (T,)."""
        return values(self.embeddings, goal[None])[:, 0]


@dataclass(frozen=True)
class Report:
    """Every metric of section 6 of the design: the mean over tasks, and its means per task.

    Attributes:
        overall: metric to mean, interval and n.
        per_task: task to metric to mean over its episodes.
    """

    overall: dict[str, metrics.Estimate]
    per_task: dict[str, dict[str, float]]

    def to_dict(self) -> dict:
        """Plain types, numbers rounded to 4 digits."""
        overall = {
            name: {k: v if k == "n" else _rounded(v) for k, v in asdict(e).items()} for name, e in self.overall.items()
        }
        tasks = {t: {k: _rounded(v) for k, v in row.items()} for t, row in self.per_task.items()}
        return {"overall": overall, "per_task": tasks}


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


def embed(encoder: Encoder, store: EpisodeStore, numbers: Sequence[int]) -> list[Embedded]:
    """Encode episodes, every frame of them once."""
    result = []
    for number in numbers:
        episode = store[number]
        parts = [
            encoder.encode_images(np.ascontiguousarray(episode.frames[i : i + _BATCH]))
            for i in range(0, len(episode), _BATCH)
        ]
        result.append(Embedded(episode.task, episode.outcome, np.concatenate(parts)))
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
        self._encoder, self._texts, self._episodes = encoder, texts, episodes
        self._tasks = [t for t in texts if any(e.task == t and e.outcome == "success" for e in episodes)]
        if not self._tasks:
            raise DataError("evaluation", expected="at least one successful episode", got="none")
        self._goals = dict(zip(texts, encoder.encode_texts(list(texts.values())), strict=True))
        self._successes = {t: self._of(t, success=True) for t in self._tasks}

    def report(self) -> Report:
        """Every metric there is data for."""
        found: dict[str, dict[str, np.ndarray]] = {
            "language_voc": self._each(lambda e: metrics.voc(e.curve(self._goals[e.task]))),
            "image_voc": self._each(lambda e: metrics.voc(e.curve(e.embeddings[-1]))),
            "negative_rate": self._each(lambda e: metrics.negative_rate(e.curve(self._goals[e.task]))),
            "success_auc": self._success_auc(),
            **self._discrimination(),
            **self._antonyms(),
            **self._held_out(),
        }
        overall = {name: metrics.estimate(list(groups.values())) for name, groups in found.items() if groups}
        per_task = {
            task: {name: float(groups[task].mean()) for name, groups in found.items() if task in groups}
            for task in self._tasks
        }
        return Report(overall, per_task)

    def _of(self, task: str, *, success: bool) -> list[Embedded]:
        return [e for e in self._episodes if e.task == task and (e.outcome == "success") == success]

    def _each(self, score) -> dict[str, np.ndarray]:
        return {t: np.array([score(e) for e in episodes]) for t, episodes in self._successes.items()}

    def _success_auc(self) -> dict[str, np.ndarray]:
        """Per task and episode: the share of failures each success stands above; their mean is the AUC."""
        result = {}
        for task, successes in self._successes.items():
            goal = self._goals[task]
            failures = [e.curve(goal) for e in self._of(task, success=False)]
            if failures:
                result[task] = np.array([metrics.success_auc([e.curve(goal)], failures) for e in successes])
        return result

    def _scores(self, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Final values (N, G) of all successes under goals in the order of the tasks, truth (N,), tasks (N,)."""
        rows, truth = [], []
        for column, task in enumerate(self._tasks):
            for episode in self._successes[task]:
                curves = values(episode.embeddings, goals)  # (T, G)
                rows.append([metrics.final_value(c) for c in curves.T])
                truth.append(column)
        return np.array(rows), np.array(truth), np.array(self._tasks)[truth]

    def _discrimination(self) -> dict[str, dict[str, np.ndarray]]:
        if len(self._tasks) < 2:
            return {}
        scores, truth, owner = self._scores(np.stack([self._goals[t] for t in self._tasks]))
        hit, margin = metrics.top1(scores, truth), metrics.diagonal_margin(scores, truth)
        return {
            "top1": {t: hit[owner == t] for t in self._tasks},
            "diagonal_margin": {t: margin[owner == t] for t in self._tasks},
        }

    def _antonyms(self) -> dict[str, dict[str, np.ndarray]]:
        """Only for tasks whose opposite is itself a known task: another text means nothing to the model yet."""
        contrast, opposite_voc = {}, {}
        for task, episodes in self._successes.items():
            words = load_tasks().get(task)
            if words is None or words.opposite not in self._goals:
                continue
            pairs = [(e.curve(self._goals[task]), e.curve(self._goals[words.opposite])) for e in episodes]
            contrast[task] = np.array([metrics.antonym_contrast(*pair) for pair in pairs])
            opposite_voc[task] = np.array([metrics.voc(opposite) for _, opposite in pairs])
        return {"antonym_contrast": contrast, "voc_opposite": opposite_voc}

    def _held_out(self) -> dict[str, dict[str, np.ndarray]]:
        """Paraphrases that training never saw: VOC, and top-1 with every task said in one of them."""
        table = load_tasks()
        if any(t not in table for t in self._tasks) or len(self._tasks) < 2:
            return {}
        rounds = min(len(table[t].held_out) for t in self._tasks)
        hits: dict[str, list[np.ndarray]] = {t: [] for t in self._tasks}
        vocs: dict[str, list[float]] = {t: [] for t in self._tasks}
        for k in range(rounds):
            goals = self._encoder.encode_texts([table[t].held_out[k] for t in self._tasks])
            scores, truth, owner = self._scores(goals)
            hit = metrics.top1(scores, truth)
            for task, goal in zip(self._tasks, goals, strict=True):
                hits[task].append(hit[owner == task])
                vocs[task].extend(metrics.voc(e.curve(goal)) for e in self._successes[task])
        return {
            "held_out_top1": {t: np.concatenate(h) for t, h in hits.items()},
            "held_out_voc": {t: np.array(v) for t, v in vocs.items()},
        }


def evaluate(
    encoder: Encoder,
    store: EpisodeStore,
    *,
    tasks: Sequence[str] = (),
    per_task: int = 0,
    outcomes: Sequence[str] = (),
) -> Report:
    """All metrics of a model over a store; the arguments are those of :func:`choose`.

    Raises:
        DataError: no successful episode among them.
    """
    numbers = choose(store, tasks, per_task, outcomes)
    return Evaluation(encoder, embed(encoder, store, numbers), instructions(store, numbers)).report()


def show(report: Report) -> None:
    """Print a report as two tables: overall with intervals, and per task."""
    from rich.console import Console
    from rich.table import Table

    overall = Table(title="mean over tasks")
    for column in ("metric", "mean", "95 % interval", "n"):
        overall.add_column(column, justify="left" if column == "metric" else "right")
    for name, e in report.overall.items():
        overall.add_row(name, f"{e.mean:.3f}", f"{e.low:.3f} .. {e.high:.3f}", str(e.n))
    tasks = Table(title="per task")
    tasks.add_column("task")
    for name in report.overall:
        tasks.add_column(name.replace("_", "\n"), justify="right")
    for task, row in report.per_task.items():
        tasks.add_row(task, *(f"{row[name]:.2f}" if name in row else "" for name in report.overall))
    console = Console()
    console.print(overall)
    console.print(tasks)


def main(argv: list[str] | None = None) -> int:
    """Run ``liv evaluate``."""
    parser = argparse.ArgumentParser(
        prog="liv evaluate",
        description="Measure a model's rewards on episodes: VOC, success AUC, goal discrimination and more.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", type=Path, help="folder of the model")
    parser.add_argument("--data", type=Path, required=True, help="episode store")
    parser.add_argument("--tasks", nargs="+", default=(), help="only these tasks")
    parser.add_argument("--episodes", type=int, default=0, help="at most so many per task and outcome (0: all)")
    parser.add_argument("--backend", default="auto", help="auto, openvino, tensorrt or torch")
    parser.add_argument("--device", default="auto", help="the backend's name of a device")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args(argv)

    from liv_model.bundle import Bundle
    from liv_model.encoder import open_encoder

    encoder = open_encoder(Bundle.load(arguments.bundle), arguments.backend, arguments.device)
    store = EpisodeStore(arguments.data)
    report = evaluate(encoder, store, tasks=arguments.tasks, per_task=arguments.episodes)
    if arguments.json:
        print(json.dumps({"model": encoder.model, **report.to_dict()}, indent=2))
    else:
        show(report)
    encoder.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
