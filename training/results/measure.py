# SPDX-License-Identifier: Apache-2.0
"""The metrics of one run on unseen episodes, task by task."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from liv_model import metrics
from liv_model.backends.torch import TorchEncoder
from liv_model.whole_file import replace_json
from training.episodes import EpisodeStore
from training.evaluate import evaluate
from training.evaluation import Evaluation
from training.export import load_run
from training.tasks import load_tasks


def measure(run: Path, store: EpisodeStore) -> dict[str, Any]:
    """Scores and mean curves of a run.

    Returns:
        ``scores``: metric to task to ``mean`` and ``n`` of its episodes. ``curves``: task to the mean over its
        successes of the value at 20 points of the way, for the goals ``right`` (its instruction), ``opposite`` and
        ``image`` (its last frame).
    """
    trained = load_run(run)
    evaluation = evaluate(TorchEncoder(trained.network, trained.tokenizer.encode), store)
    scores: dict[str, dict[str, Any]] = {}
    for task, row in evaluation.report().per_task.items():
        for metric, found in row.items():
            scores.setdefault(metric, {})[task] = {"mean": round(found.mean, 6), "n": found.n}
    return {"scores": scores, "curves": {task: _curves(evaluation, task) for task in evaluation.tasks}}


def _curves(evaluation: Evaluation, task: str) -> dict[str, list[float]]:
    opposite = load_tasks()[task].opposite
    goals = {"right": evaluation.goals[task]}
    if opposite in evaluation.goals:
        goals["opposite"] = evaluation.goals[opposite]
    episodes = evaluation.successes[task]
    curves = {name: [e.curve(goal) for e in episodes] for name, goal in goals.items()}
    curves["image"] = [e.curve(e.embeddings[-1]) for e in episodes]
    return {
        name: np.mean([metrics.resample(curve) for curve in found], axis=0).round(4).tolist()
        for name, found in curves.items()
    }


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python3 -m training.results.measure", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("stores", type=Path, nargs="+", help="episode stores")
    parser.add_argument("-o", "--out", type=Path, required=True, help="JSON file")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    found = {store.name: measure(arguments.run, EpisodeStore(store)) for store in arguments.stores}
    replace_json(arguments.out, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
