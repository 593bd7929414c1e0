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
from training.evaluation_tables import interval
from training.exhibits import Exhibit, TaskExhibits
from training.svg_chart import curve_chart, heat_map

_STYLE = Path(__file__).with_name("evaluation_page.css")
_TALLEST = 128  # pixels of a frame on the page

# metric: what it is called, what is best, what it says
METRICS = {
    "language_voc": ("language VOC", "1", "rank correlation of value and time on successes, the goal in words"),
    "image_voc": ("image VOC", "1", "the same with the episode's last frame as the goal"),
    "negative_rate": ("negative rate", "0", "share of the steps of a success on which its value falls"),
    "success_auc": ("success AUC", "1", "chance that a success ends at a higher value than a failure of its task"),
    "top1": ("top-1", "1", "share of successes whose own instruction ends highest of all"),
    "diagonal_margin": ("diagonal margin", "1", "by how much, of the span between highest and lowest instruction"),
    "antonym_contrast": ("antonym contrast", "2", "VOC of the right instruction minus VOC of its opposite"),
    "voc_opposite": ("VOC of the opposite", "-1", "VOC of a success under the opposite instruction"),
    "held_out_top1": ("held-out top-1", "1", "top-1 in wordings that training never used"),
    "held_out_voc": ("held-out VOC", "1", "language VOC in wordings that training never used"),
}


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
            _overall(findings),
            "<h2>Does each instruction know its own task?</h2>",
            "<p>Mean final value of the successes of a task (row) under the instruction of each task (column). "
            "A model that tells goals apart is strongest on the outlined diagonal; tasks of one scene stand close.</p>",
            f'<div class="wide">{heat}</div>',
            "<h2>Value over time</h2>",
            "<p>Of each task the success of median VOC and the failure of median final value. "
            "Thin vertical lines stand where the frames were taken.</p>",
            *(_task(entry, findings["per_task"][entry.task], animations.get(entry.task)) for entry in shown),
            _per_task(findings, [entry.task for entry in shown]),
            "<h2>Thresholds</h2>",
            _thresholds("Familiarity of a text", findings["familiarity"], _FAMILIARITY),
            _thresholds("Task state", findings["task_state"], _TASK_STATE),
            "</main></body></html>\n",
        ]
    )


def _left_out(tasks: int, shown: int) -> str:
    """What to know of a page that has not every task."""
    return "" if shown == tasks else f" Single tasks are shown for {shown} of them; report.json has all."


def _overall(findings: dict[str, Any]) -> str:
    rows = []
    for name, e in findings["overall"].items():
        label, best, meaning = METRICS.get(name, (name, "", ""))
        tasks = sum(name in row for row in findings["per_task"].values())
        numbers = (interval(e), interval(findings["across_tasks"][name]), best, str(tasks), str(e["n"]))
        cells = "".join(f"<td>{_minus(text)}</td>" for text in numbers)
        rows.append(
            f"<tr><th>{escape(label)}<small>{escape(meaning)}</small></th>"
            f"<td><b>{_number(e['mean'], 3)}</b></td>{cells}</tr>"
        )
    head = "".join(
        f"<th>{h}</th>"
        for h in ("", "mean over tasks", "95 %, these tasks", "95 %, other tasks", "best", "tasks", "episodes")
    )
    return (
        f'<div class="wide"><table class="overall"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        '</div><p class="note">Percentile bootstrap. <i>These tasks</i>: episodes (and failures, wordings) drawn again '
        "within each task. <i>Other tasks</i>: the tasks drawn again too. An interval without width means that all "
        "episodes were alike, not that the model never errs: after n right of n, up to 3 / n may still be wrong.</p>"
    )


def _per_task(findings: dict[str, Any], tasks: Sequence[str]) -> str:
    names = list(findings["overall"])
    head = "".join(f"<th>{escape(METRICS.get(name, (name,))[0])}</th>" for name in names)
    rows = []
    for task in tasks:
        row = findings["per_task"][task]
        cells = "".join(
            f"<td>{_number(row[n]['mean'], 2)}<small>{_minus(interval(row[n], 2))}</small></td>"
            if n in row
            else "<td></td>"
            for n in names
        )
        rows.append(f"<tr><th>{escape(task)}</th>{cells}</tr>")
    return (
        f'<h2>Every task</h2><div class="wide"><table><thead><tr><th></th>{head}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table></div><p class="note">Mean over the task\'s episodes, below it its '
        "95 % bootstrap interval. With the few episodes of one task such an interval is rather too narrow.</p>"
    )


def _task(entry: TaskExhibits, row: dict[str, Any], animation: str | None) -> str:
    limits = _limits(entry)
    figures = [_figure(entry.success, "success", limits)]
    if entry.failure:
        outcome = entry.failure.episode.outcome.replace("_", " ")
        figures.append(_figure(entry.failure, "failure" if outcome == "failure" else f"failure: {outcome}", limits))
    link = f' <a href="{escape(animation)}">animated</a>' if animation else ""
    said = f"language VOC {_number(row['language_voc']['mean'], 2)}"
    if "success_auc" in row:
        said += f", success AUC {_number(row['success_auc']['mean'], 2)}"
    opposite = entry.success.opposite
    legend = f'<span class="key right">{escape(entry.success.text)}</span>'
    legend += f'<span class="key opposite">{escape(opposite)}</span>' if opposite else ""
    return (
        f'<section><h3>{escape(entry.task)}<small>{said}{link}</small></h3><p class="legend">{legend}</p>'
        f'<div class="pair">{"".join(figures)}</div></section>'
    )


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


_FAMILIARITY = {
    "threshold": "texts whose cosine to a known one is at least this count as known; fitted on the very texts it is "
    "judged by here",
    "accepted": "share of held-out wordings of known tasks that are",
    "refused": "share of unrelated texts that are not",
    "known": "held-out wordings",
    "unrelated": "unrelated texts",
}
_TASK_STATE = {
    "success_progress": "succeeded: progress at or above this ...",
    "hold_s": "... for so long (s); recordings that end at once when the task is done favour a short one",
    "stall_s": "stalled: no new highest progress for so long (s)",
    "recognised": "share of successes that are called succeeded",
    "refused": "share of failures that are not",
    "false_stalls": "share of successes that are called stalled on their way",
    "stalls_found": "share of failures that are called stalled (not all of them stall)",
    "successes": "successes",
    "failures": "failures",
}


def _thresholds(title: str, found: dict[str, Any], meanings: dict[str, str]) -> str:
    if "not_fitted" in found:
        return f"<h3>{escape(title)}</h3><p>Not fitted: {escape(found['not_fitted'])}.</p>"
    rows = "".join(
        f"<tr><th>{escape(key.replace('_', ' '))}<small>{escape(meaning)}</small></th>"
        + "".join(f"<td>{_threshold(found[who][key])}</td>" for who in ("bundle", "fitted"))
        + "</tr>"
        for key, meaning in meanings.items()
    )
    halves = (
        "<p class='note'>Shares of <i>fitted here</i> are of episodes that the thresholds were not fitted on "
        "(fitted on one half, judged on the other, both ways).</p>"
        if "hold_s" in meanings
        else ""
    )
    return (
        f'<h3>{escape(title)}</h3><div class="wide"><table><thead><tr><th></th><th>as the bundle has it</th>'
        f"<th>fitted here</th></tr></thead><tbody>{rows}</tbody></table></div>{halves}"
    )


def _threshold(x: float) -> str:
    return str(x) if isinstance(x, int) else f"{x:.3g}"


def _number(x: float | None, digits: int) -> str:
    return "" if x is None else _minus(f"{x:.{digits}f}")


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}").replace(" .. ", " … ")
