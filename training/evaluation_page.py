# SPDX-License-Identifier: Apache-2.0
"""The findings of ``liv evaluate`` as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from liv_model.thumbnails import COUNT, evenly, thumbnail
from training import evaluation_sections as sections
from training.episodes import Episode
from training.exhibits import Exhibit, TaskExhibits
from training.svg_chart import curve_chart, heat_map

_STYLE = Path(__file__).with_name("evaluation_page.css")
_TALLEST = 128  # pixels of a frame on the page


def page(
    findings: dict[str, Any],
    matrix: np.ndarray,
    instructions: Sequence[str],
    shown: Sequence[TaskExhibits],
    animations: dict[str, str],
) -> str:
    """The page as text.

    Args:
        findings: what `training.evaluate` found.
        matrix: (T, T), mean final values as of `Evaluation.matrix`, for the T tasks of ``shown``.
        instructions: T texts, its columns.
        shown: the tasks to show.
        animations: task to the address of its animation, where there is one.
    """
    heat = heat_map(matrix, [s.task for s in shown], instructions, title="final value of each task's successes")
    title = escape(f"How good are the rewards of {findings['model']}?")
    count = len(findings["per_task"])
    about = "{model}, {precision}, run by {backend} on {device}; {episodes} episodes of {tasks} tasks."
    about = about.format(**findings, tasks=count) + _left_out(count, len(shown))
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title><style>{_STYLE.read_text(encoding='utf-8')}</style></head><body><main>",
            f"<h1>{title}</h1><p>{escape(about)}</p>",
            sections.overall(findings),
            sections.per_camera(findings),
            "<h2>Does each instruction know its own task?</h2>",
            "<p>Mean final value of the successes of a task (row) under the instruction of each task (column). "
            "A model that tells goals apart is strongest on the outlined diagonal; tasks of one scene stand close.</p>",
            f'<div class="wide">{heat}</div>',
            sections.confusions(findings["confusions"]),
            "<h2>Value over time</h2>",
            "<p>Of each task the success of median VOC and the failure of median final value. "
            "Thin vertical lines stand where the frames were taken.</p>",
            *(_task(entry, findings, animations.get(entry.task)) for entry in shown),
            sections.per_task(findings, [entry.task for entry in shown]),
            "<h2>Thresholds</h2>",
            sections.thresholds("Familiarity of a text", findings["familiarity"], sections.FAMILIARITY),
            sections.thresholds("Task state", findings["task_state"], sections.TASK_STATE),
            "</main></body></html>\n",
        ]
    )


def _left_out(tasks: int, shown: int) -> str:
    """What to know of a page that has not every task."""
    return "" if shown == tasks else f" Single tasks are shown for {shown} of them; report.json has all."


def _task(entry: TaskExhibits, findings: dict[str, Any], animation: str | None) -> str:
    limits, row = _limits(entry), findings["per_task"][entry.task]
    shown = [exhibit for exhibit in (entry.success, entry.failure) if exhibit]
    figures = [_figure(exhibit, _caption(exhibit.episode, bool(findings["per_camera"])), limits) for exhibit in shown]
    link = f' <a href="{escape(animation)}">animated</a>' if animation else ""
    said = f"language VOC {sections.number(row['language_voc']['mean'], 2)}"
    if "success_auc" in row:
        said += f", success AUC {sections.number(row['success_auc']['mean'], 2)}"
    opposite = entry.success.opposite
    legend = f'<span class="key right">{escape(entry.success.text)}</span>'
    legend += f'<span class="key opposite">{escape(opposite)}</span>' if opposite else ""
    return (
        f'<section><h3>{escape(entry.task)}<small>{said}{link}</small></h3><p class="legend">{legend}</p>'
        f'<div class="pair">{"".join(figures)}</div></section>'
    )


def _caption(episode: Episode, many_cameras: bool) -> str:
    outcome = episode.outcome.replace("_", " ")
    said = outcome if outcome in ("success", "failure") else f"failure: {outcome}"
    return f"{said}, {episode.camera}" if many_cameras else said


def _limits(entry: TaskExhibits) -> tuple[float, float]:
    """One value axis for both episodes of a task, with the calibrated ends on it."""
    values = [entry.success.value, entry.success.opposite_value]
    if entry.failure:
        values += [entry.failure.value, entry.failure.opposite_value]
    if entry.success.known:
        values.append(np.array([entry.success.known.start, entry.success.known.goal]))
    seen = np.concatenate(values)
    seen = seen[np.isfinite(seen)]
    if not len(seen):
        return -1.0, 1.0
    margin = max(0.06 * (seen.max() - seen.min()), 0.01)
    return float(seen.min() - margin), float(seen.max() + margin)


def _figure(exhibit: Exhibit, caption: str, limits: tuple[float, float]) -> str:
    episode = exhibit.episode
    frames = evenly(list(range(len(episode))), COUNT)
    curves = [("right", exhibit.value)]
    if exhibit.opposite:
        curves.insert(0, ("opposite", exhibit.opposite_value))
    levels = [("progress 0", exhibit.known.start), ("progress 1", exhibit.known.goal)] if exhibit.known else []
    chart = curve_chart(
        episode.time_s,
        curves,
        limits=limits,
        levels=levels,
        marks_s=[float(episode.time_s[i]) for i in frames],
        title=f"{episode.task}, {caption}: value over time for {exhibit.text!r}",
    )
    strip = "".join(_frame(episode.frames[i], float(episode.time_s[i])) for i in frames)
    return f'<figure><figcaption>{escape(caption)}</figcaption><div class="strip">{strip}</div>{chart}</figure>'


def _frame(rgb: np.ndarray, time_s: float) -> str:
    picture = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb if len(rgb) <= _TALLEST else thumbnail(rgb))).save(
        picture, "JPEG", quality=82
    )
    data = base64.b64encode(picture.getvalue()).decode()
    return f'<span><img alt="" src="data:image/jpeg;base64,{data}"><small>{time_s:.1f} s</small></span>'
