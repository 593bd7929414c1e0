# SPDX-License-Identifier: Apache-2.0
"""Scores of single attempts, and the means and intervals that are told of them."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property

import numpy as np

from liv_model import metrics


class Report:
    """Every metric of section 6 of the design, as means with intervals.

    Args:
        scores: metric to task to its numbers, (attempts,) or (attempts, others), as `metrics.estimate` takes them.

    Attributes:
        scores: likewise, without the metrics that there is no data for.
    """

    def __init__(self, scores: dict[str, dict[str, np.ndarray]]):
        self.scores = {name: groups for name, groups in scores.items() if groups}

    @cached_property
    def overall(self) -> dict[str, metrics.Estimate]:
        """Metric to its mean over tasks; the interval is of the mean over these tasks."""
        return {name: metrics.estimate(list(groups.values())) for name, groups in self.scores.items()}

    @cached_property
    def across_tasks(self) -> dict[str, metrics.Estimate]:
        """The same means; the interval is of the mean over other tasks of their kind."""
        return {
            name: metrics.estimate(list(groups.values()), across_tasks=True) for name, groups in self.scores.items()
        }

    @cached_property
    def per_task(self) -> dict[str, dict[str, metrics.Estimate]]:
        """Task to metric to its mean over the task's episodes, with its interval."""
        tasks = dict.fromkeys(task for groups in self.scores.values() for task in groups)
        return {
            task: {name: metrics.estimate([groups[task]]) for name, groups in self.scores.items() if task in groups}
            for task in tasks
        }

    def means(self) -> dict[str, float | None]:
        """Metric to its mean, rounded to 4 digits."""
        return {name: _rounded(e.mean) for name, e in self.overall.items()}

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
