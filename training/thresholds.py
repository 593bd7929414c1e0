# SPDX-License-Identifier: Apache-2.0
"""What a bundle's thresholds should be by the episodes at hand, and how good those it has are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from liv_model.bundle import Bundle
from liv_model.calibration import Calibration
from liv_model.encoder import Encoder
from liv_model.familiarity import fit_threshold
from liv_model.instruction_scale import instruction_scale
from liv_model.task_state import ProgressScale
from liv_model.task_state_fit import ProgressCurve, TaskStateJudgement, fit_task_state, judge_task_state
from training.calibrate import familiarities
from training.episodes import EpisodeStore
from training.evaluation import Evaluation

_LEAST = 4  # successes and failures each, below which nothing is fitted


def thresholds(bundle: Bundle, encoder: Encoder, store: EpisodeStore, evaluation: Evaluation) -> dict[str, Any]:
    """Familiarity and task state, fitted and judged: plain types for the report.

    Either is ``{"not_fitted": reason}`` where the bundle or the episodes do not have what it takes.
    """
    return {"familiarity": _familiarity(bundle, encoder), "task_state": task_state(bundle, store, evaluation)}


def _familiarity(bundle: Bundle, encoder: Encoder) -> dict[str, Any]:
    if not bundle.instructions:
        return {"not_fitted": "the bundle knows no instruction"}
    known, unrelated = familiarities(encoder, {i.task: i.text for i in bundle.instructions})
    shipped = {
        "threshold": bundle.familiarity,
        "accepted": float((known >= bundle.familiarity).mean()),
        "refused": float((unrelated < bundle.familiarity).mean()),
    }
    texts = {"known": len(known), "unrelated": len(unrelated)}
    return {"bundle": {**_rounded(shipped), **texts}, "fitted": _rounded(asdict(fit_threshold(known, unrelated)))}


def task_state(bundle: Bundle, store: EpisodeStore, evaluation: Evaluation) -> dict[str, Any]:
    """The task-state thresholds of a ``bundle`` and those ``fitted`` here, with the shares that they get right."""
    successes, failures = progress_curves(bundle, store, evaluation)
    if min(len(successes), len(failures)) < _LEAST:
        return {
            "not_fitted": f"progress of {_LEAST} successes and {_LEAST} failures of tasks the bundle knows is needed, "
            f"there is that of {len(successes)} and {len(failures)}"
        }
    halves = [fit_task_state(successes[i::2], failures[i::2]) for i in (0, 1)]
    unseen = [judge_task_state(fit, successes[1 - i :: 2], failures[1 - i :: 2]) for i, fit in enumerate(halves)]
    return {
        "bundle": {**asdict(bundle.task_state), **_shares(judge_task_state(bundle.task_state, successes, failures))},
        "fitted": {**_rounded(asdict(fit_task_state(successes, failures))), **_mean_shares(unseen)},
    }


def progress_curves(
    bundle: Bundle, store: EpisodeStore, evaluation: Evaluation
) -> tuple[list[ProgressCurve], list[ProgressCurve]]:
    """Progress of the successes and of the failures of every task that the bundle has a scale for."""
    successes: list[ProgressCurve] = []
    failures: list[ProgressCurve] = []
    for known in bundle.instructions:
        if known.task not in evaluation.tasks or evaluation.texts[known.task] != known.text:
            continue
        scale, goal = instruction_scale(known, bundle.instructions), evaluation.goals[known.task]
        if not scale.is_known:
            continue
        for episodes, curves in (
            (evaluation.successes[known.task], successes),
            (evaluation.failures(known.task), failures),
        ):
            for episode in episodes:
                curves.append(progress_curve(scale, store.records[episode.number].time_s, episode.curve(goal)))
    return successes, failures


def progress_curve(scale: Calibration, time_s: Sequence[float], value: np.ndarray) -> ProgressCurve:
    """The curve of one episode, of its frames' times (T,) and values (T,)."""
    reader = ProgressScale(scale)
    reader.begin(float(value[0]))
    return ProgressCurve(np.asarray(time_s), np.array([reader.position(v, scale.progress(v)) for v in value.tolist()]))


def _shares(judgement: TaskStateJudgement) -> dict[str, Any]:
    return _rounded(asdict(judgement))


def _mean_shares(judgements: Sequence[TaskStateJudgement]) -> dict[str, Any]:
    """Of thresholds fitted on one half of the episodes and judged on the other, both ways; counts are summed."""
    rows = [asdict(j) for j in judgements]
    return _rounded(
        {key: (sum if isinstance(rows[0][key], int) else np.mean)([row[key] for row in rows]) for key in rows[0]}
    )


def _rounded(numbers: dict[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, int) else round(float(v), 4) for k, v in numbers.items()}
