# SPDX-License-Identifier: Apache-2.0
"""The figures of all runs, read back from the files that the pieces left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.metrics import Estimate
from training.results.compare import Comparison, compare, estimate
from training.results.paper import Claim, Model
from training.results.pieces import scores_file
from training.results.plan import ARMS, FINETUNED, Plan


@dataclass(frozen=True)
class Findings:
    """Everything measured, by model and metric.

    Attributes:
        plan: what was compared.
        folder: of the results.
    """

    plan: Plan
    folder: Path

    @cached_property
    def pretrained(self) -> list[Model]:
        """Networks as pre-trained, on their own tasks."""
        return [Model(arm) for arm in ARMS]

    @cached_property
    def finetuned(self) -> list[Model]:
        """Networks on the new tasks, the not fine-tuned ones first."""
        return [Model(arm, shots) for shots in self.plan.shots for arm in FINETUNED]

    def tasks(self, model: Model, metric: str) -> list[str]:
        """Tasks that a metric is of; the antonym contrast only of those that have an opposite."""
        return sorted(self._runs[model][0]["scores"].get(metric, {}))

    def scores(self, model: Model, metric: str) -> np.ndarray:
        """Means over episodes, (seeds, tasks)."""
        tasks = self.tasks(model, metric)
        return np.array([[run["scores"][metric][task]["mean"] for task in tasks] for run in self._runs[model]])

    def episodes(self, model: Model, metric: str) -> int:
        """How many episodes, each scored by the network of every seed."""
        return sum(task["n"] for task in self._runs[model][0]["scores"][metric].values())

    def estimate(self, model: Model, metric: str) -> Estimate:
        """Mean over seeds and tasks, with its interval."""
        return estimate(self.scores(model, metric))

    def compare(self, claim: Claim) -> dict[str, Comparison]:
        """Metric to what it says of a claim; metrics that there is no data for are left out."""
        return {
            metric: compare(self.scores(claim.better, metric), self.scores(claim.worse, metric), metric)
            for metric in claim.metrics
            if self.tasks(claim.better, metric)
        }

    def curve(self, model: Model, goal: str) -> np.ndarray:
        """Mean value over the way, over the tasks that have this goal: (seeds, points)."""
        curves = [[task[goal] for task in run["curves"].values() if goal in task] for run in self._runs[model]]
        return np.array(curves).mean(axis=1)

    @cached_property
    def _runs(self) -> dict[Model, list[dict[str, Any]]]:
        """Model to what was measured of each seed."""
        return {
            model: [
                json.loads(scores_file(self.folder, model.arm, seed, model.shots or 0).read_text())[
                    "test" if model.shots is None else "new-test"
                ]
                for seed in self.plan.seeds
            ]
            for model in (*self.pretrained, *self.finetuned)
        }
