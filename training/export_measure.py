# SPDX-License-Identifier: Apache-2.0
"""What a bundle says of itself that has to be measured: calibration, thresholds, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from liv_model.bundle import Bundle, seal
from liv_model.calibration import Calibration
from liv_model.encoder import Encoder
from liv_model.progress_bar import progress_bar
from training.calibrate import calibrate_tasks, fit_familiarity, image_goal_ceiling
from training.episodes import EpisodeStore
from training.evaluation import Embedded, Evaluation, choose, embed
from training.export_stores import Stores
from training.paraphrases import Paraphrases, store_paraphrases
from training.sampler import training_texts
from training.tasks import load_tasks
from training.thresholds import task_state

# Where there are no successes and failures to fit the task-state thresholds to.
PROVISIONAL_TASK_STATE = {"stall_s": 2.0, "hold_s": 0.5, "success_progress": 0.9}


def measured(
    draft: Path,
    manifest: dict[str, Any],
    encoder: Encoder,
    stores: Stores,
    numbers: Sequence[int],
    texts: dict[str, str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest with what was measured, and what the provenance says of it.

    Args:
        draft: folder of the bundle under way, of graphs and samples.
        manifest: of it, with stand-ins for what is measured here.
        encoder: the graphs.
        stores: with ``train``.
        numbers: the episodes of ``train`` to calibrate with.
        texts: task to instruction.

    Returns:
        Manifest, and ``task_state`` (on what its thresholds rest) and ``metrics`` for the provenance.
    """
    episodes = _embedded(encoder, stores.train, numbers, "train")
    ends, fit = calibrate_tasks(encoder, episodes, texts), fit_familiarity(encoder, texts)
    manifest = {
        **manifest,
        "instructions": instruction_entries(texts, ends, store_paraphrases(stores.train.path)),
        "image_goal": round(image_goal_ceiling(episodes), 4),
        "familiarity": round(fit.threshold, 4),
    }
    evaluations = {
        name: Evaluation(encoder, _embedded(encoder, store, choose(store, tuple(texts)), name), texts)
        for name, store in stores.named.items()
        if name != "train"
    }
    manifest["task_state"], basis = _task_state(seal(draft, manifest), stores.validation, evaluations)
    metrics = _metrics(seal(draft, manifest), stores, evaluations)
    familiarity = {key: round(value, 4) for key, value in asdict(fit).items()}
    return manifest, {"task_state": basis, "metrics": {**metrics, "familiarity": familiarity}}


def instruction_entries(
    texts: dict[str, str], ends: dict[str, Calibration], paraphrases: Paraphrases | None = None
) -> list[dict[str, Any]]:
    """The key ``instructions`` of the manifest.

    Args:
        texts: task to instruction.
        ends: of each task's progress.
        paraphrases: those of the store; they come after those of tasks.yaml. All are such as people wrote.
    """
    entries = []
    for task, text in texts.items():
        words = load_tasks().get(task)
        opposite = words.opposite_text if words is not None and words.text == text else None
        entries.append(
            {
                "text": text,
                "task": task,
                **({"opposite": opposite} if opposite else {}),
                "paraphrases": [*training_texts(task, text)[1:], *(paraphrases or {}).get(text, ())],
                "start": round(ends[task].start, 4),
                "goal": round(ends[task].goal, 4),
            }
        )
    return entries


def _embedded(encoder: Encoder, store: EpisodeStore, numbers: Sequence[int], name: str) -> list[Embedded]:
    with progress_bar(f"{name} frames", sum(store.records[i].count for i in numbers)) as done:
        return embed(encoder, store, numbers, done=done)


def _task_state(
    bundle: Bundle, validation: EpisodeStore | None, evaluations: dict[str, Evaluation]
) -> tuple[dict[str, float], dict[str, Any]]:
    """The thresholds and on what they rest: shares are of halves of the episodes that they were not fitted on."""
    if validation is None:
        return PROVISIONAL_TASK_STATE, {"provisional": "no validation episodes"}
    found = task_state(bundle, validation, evaluations["validation"])
    if "not_fitted" in found:
        return PROVISIONAL_TASK_STATE, {"provisional": found["not_fitted"]}
    fitted = found["fitted"]
    return {key: fitted.pop(key) for key in PROVISIONAL_TASK_STATE}, {"fitted_on": "validation", **fitted}


def _metrics(bundle: Bundle, stores: Stores, evaluations: dict[str, Evaluation]) -> dict[str, Any]:
    name = stores.measured
    if name is None:
        return {}
    evaluation = evaluations[name]
    cameras = {camera: alone.report().means() for camera, alone in evaluation.of_cameras().items()}
    metrics = {"of": name, **evaluation.report().to_dict(), **({"per_camera": cameras} if cameras else {})}
    if name == "test":
        metrics["task_state"] = task_state(bundle, stores.test, evaluation).get("bundle", {})
    return metrics
