# SPDX-License-Identifier: Apache-2.0
"""What ``liv evaluate`` found, as plain types, and the folder it is written to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liv_model import metrics
from liv_model.bundle import Bundle
from liv_model.encoder import Encoder
from liv_model.errors import ConfigError
from liv_model.progress_bar import progress_bar
from training.animation import animate
from training.episodes import EpisodeStore
from training.evaluation import Evaluation
from training.evaluation_page import page
from training.exhibits import TaskExhibits
from training.metric_report import plain
from training.thresholds import thresholds

MOST_CONFUSIONS = 20


def judge(bundle: Bundle, encoder: Encoder, store: EpisodeStore, evaluation: Evaluation) -> dict[str, Any]:
    """Everything a report says: which model, run by what, the metrics with every interval, the thresholds."""
    return {
        "model": encoder.model,
        "backend": encoder.backend,
        "device": encoder.device,
        "precision": encoder.precision,
        "episodes": evaluation.count,
        **evaluation.report().details(),
        "per_camera": {
            camera: {name: plain(e) for name, e in alone.report().overall.items()}
            for camera, alone in evaluation.of_cameras().items()
        },
        "confusions": confusions(evaluation),
        **thresholds(bundle, encoder, store, evaluation),
    }


def confusions(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Which tasks are taken for which others, the most frequent first: ``task``, ``taken_for``, ``share`` of the
    task's successes, ``same_scene``.
    """
    if len(evaluation.tasks) < 2:
        return []
    shares = metrics.confusions(*evaluation.final_values)
    order = np.argsort(-shares, axis=None, kind="stable")[:MOST_CONFUSIONS]
    return [
        {
            "task": evaluation.tasks[row],
            "taken_for": evaluation.tasks[column],
            "share": round(float(shares[row, column]), 4),
            "same_scene": bool(evaluation.in_scene[row, column]),
        }
        for row, column in zip(*np.unravel_index(order, shares.shape), strict=True)
        if shares[row, column] > 0
    ]


def write_report(
    folder: Path,
    findings: dict[str, Any],
    evaluation: Evaluation,
    shown: Sequence[TaskExhibits],
    animation: str | None = None,
) -> None:
    """Write ``report.json`` and ``index.html``, and ``animations/`` if asked for; what was there is replaced.

    Args:
        folder: made if it is not there.
        findings: of :func:`judge`.
        evaluation: where they are from.
        shown: the tasks to show, of `exhibits`.
        animation: ``webp`` or ``gif``; None for none.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(findings, indent=2) + "\n", encoding="utf-8")
        moving = _write_animations(folder, shown, animation) if animation else {}
        places = [evaluation.tasks.index(entry.task) for entry in shown]
        texts = [evaluation.texts[entry.task] for entry in shown]
        html = page(findings, evaluation.matrix()[np.ix_(places, places)], texts, shown, moving)
        (folder / "index.html").write_text(html, encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(folder), expected="a folder that can be written", got=error.strerror) from error


def _write_animations(folder: Path, shown: Sequence[TaskExhibits], ending: str) -> dict[str, str]:
    """One of each task's success; task to its address relative to the folder."""
    (folder / "animations").mkdir(exist_ok=True)
    written = {}
    with progress_bar("animations", len(shown)) as done:
        for number, entry in enumerate(shown):
            safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in entry.task)
            written[entry.task] = f"animations/{number:02d}-{safe}.{ending}"
            animate(entry.success, folder / written[entry.task])
            done(1)
    return written
