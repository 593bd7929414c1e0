# SPDX-License-Identifier: Apache-2.0
"""What the live rewards of attempts say of a model: metrics before and after, and their difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from liv_model import metrics
from proofs.episodes import SUM_TOLERANCE
from training.metric_report import plain

Attempt = dict[str, Any]  # proofs.circle_robot.Attempt as plain types
Scores = dict[str, dict[str, np.ndarray]]  # metric to task to a number per attempt
METRICS = ("voc", "antonym contrast", "success AUC", "top-1")


def scores(attempts: Sequence[Attempt]) -> Scores:
    """Every metric of attempts at tasks that are each other's opposites; texts of the goal set are their goals."""
    by_task: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_task[attempt["task"]].append(attempt)
    found: Scores = {name: {} for name in METRICS}
    for task, group in by_task.items():
        good = [a for a in group if a["outcome"] == "success"]
        bad = [np.array(a["values"]) for a in group if a["outcome"] != "success"]
        found["voc"][task] = _each(good, lambda a: metrics.voc(np.array(a["values"])))
        found["antonym contrast"][task] = _each(good, _contrast)
        found["success AUC"][task] = np.array(
            [[metrics.success_auc([np.array(a["values"])], [b]) for b in bad] for a in good]
        )  # (S, F)
        found["top-1"][task] = _each(good, _first)
    return found


def compare(before: Scores, after: Scores) -> dict[str, dict[str, Any]]:
    """Metric to ``before``, ``after`` and ``difference``: estimates as plain types."""
    rows = {}
    for name in METRICS:
        tasks = sorted(before[name])
        old, new = [before[name][t] for t in tasks], [after[name][t] for t in tasks]
        groups = {"before": old, "after": new, "difference": [n - o for n, o in zip(new, old, strict=True)]}
        rows[name] = {key: plain(metrics.estimate(group)) for key, group in groups.items()}
    return rows


def mean_of_seeds(parts: Sequence[Scores]) -> Scores:
    """The mean of several seeds, attempt by attempt: the same attempts judge them, so there are not more of them."""
    return {n: {t: np.mean([part[n][t] for part in parts], axis=0) for t in parts[0][n]} for n in METRICS}


def broken_sums(attempts: Sequence[Attempt]) -> int:
    """Attempts whose rewards do not sum to last value less first (rule 1 of docs/semantics.md)."""
    off = [abs(a["summed"] - (a["values"][-1] - a["values"][0])) for a in attempts]
    return sum(not error <= SUM_TOLERANCE for error in off)


def _each(attempts: Sequence[Attempt], score: Callable[[Attempt], float]) -> np.ndarray:
    return np.array([score(attempt) for attempt in attempts])


def _contrast(attempt: Attempt) -> float:
    right = np.array(attempt["scores"][attempt["text"]])
    wrong = [np.array(curve) for text, curve in attempt["scores"].items() if text != attempt["text"]]
    return float(np.mean([metrics.antonym_contrast(right, curve) for curve in wrong]))


def _first(attempt: Attempt) -> float:
    texts = list(attempt["scores"])
    finals = np.array([[metrics.final_value(np.array(attempt["scores"][text])) for text in texts]])  # (1, G)
    return float(metrics.top1(finals, np.array([texts.index(attempt["text"])]))[0])
