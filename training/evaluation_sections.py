# SPDX-License-Identifier: Apache-2.0
"""The tables of the page of ``liv evaluate``, each as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from training.evaluation_tables import interval

# metric: what it is called, what is best, what it says
METRICS = {
    "language_voc": ("language VOC", "1", "rank correlation of value and time on successes, the goal in words"),
    "image_voc": ("image VOC", "1", "the same with the episode's last frame as the goal"),
    "negative_rate": ("negative rate", "0", "share of the steps of a success on which its value falls"),
    "success_auc": ("success AUC", "1", "chance that a success ends at a higher value than a failure of its task"),
    "top1": ("top-1", "1", "share of successes whose own instruction ends highest of all"),
    "top1_in_scene": ("top-1 in its scene", "1", "the same among the instructions of the tasks that share its scene"),
    "diagonal_margin": ("diagonal margin", "1", "by how much, of the span between highest and lowest instruction"),
    "antonym_contrast": ("antonym contrast", "2", "VOC of the right instruction minus VOC of its opposite"),
    "voc_opposite": ("VOC of the opposite", "-1", "VOC of a success under the opposite instruction"),
    "held_out_top1": ("held-out top-1", "1", "top-1 in wordings that training never used"),
    "held_out_voc": ("held-out VOC", "1", "language VOC in wordings that training never used"),
}


FAMILIARITY = {
    "threshold": "texts whose cosine to a known one is at least this count as known; fitted on the very texts it is "
    "judged by here",
    "accepted": "share of held-out wordings of known tasks that are",
    "refused": "share of unrelated texts that are not",
    "known": "held-out wordings",
    "unrelated": "unrelated texts",
}
TASK_STATE = {
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


def overall(findings: dict[str, Any]) -> str:
    """The means over tasks with both intervals, and what each metric says."""
    rows = []
    for name, e in findings["overall"].items():
        label, best, meaning = METRICS.get(name, (name, "", ""))
        tasks = sum(name in row for row in findings["per_task"].values())
        numbers = (interval(e), interval(findings["across_tasks"][name]), best, str(tasks), str(e["n"]))
        cells = "".join(f"<td>{_minus(text)}</td>" for text in numbers)
        rows.append(
            f"<tr><th>{escape(label)}<small>{escape(meaning)}</small></th>"
            f"<td><b>{number(e['mean'], 3)}</b></td>{cells}</tr>"
        )
    head = "".join(
        f"<th>{h}</th>"
        for h in ("", "mean over tasks", "95 %, these tasks", "95 %, other tasks", "best", "tasks", "attempts")
    )
    return (
        f'<div class="wide"><table class="overall"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        '</div><p class="note">Percentile bootstrap. <i>These tasks</i>: episodes (and failures, wordings) drawn again '
        "within each task. <i>Other tasks</i>: the tasks drawn again too. An interval without width means that all "
        "attempts were alike, not that the model never errs: after n right of n, up to 3 / n may still be wrong.</p>"
    )


def per_camera(findings: dict[str, Any]) -> str:
    """The means of each camera's episodes alone; empty where there is but one camera."""
    cameras = findings["per_camera"]
    if not cameras:
        return ""
    head = "".join(f"<th>{escape(camera)}</th>" for camera in cameras)
    rows = []
    for name in findings["overall"]:
        cells = "".join(_estimate(row.get(name), 3) for row in cameras.values())
        rows.append(f"<tr><th>{escape(METRICS.get(name, (name,))[0])}</th>{cells}</tr>")
    return (
        f'<h2>Each camera alone</h2><div class="wide"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _estimate(e: dict[str, Any] | None, digits: int) -> str:
    if e is None:
        return "<td></td>"
    return f"<td>{number(e['mean'], digits)}<small>{_minus(interval(e, digits))}</small></td>"


def confusions(found: list[dict[str, Any]]) -> str:
    """Which tasks are taken for which; empty where none is."""
    if not found:
        return ""
    rows = "".join(
        f"<tr><th>{escape(pair['task'])}</th><th>{escape(pair['taken_for'])}</th>"
        f"<td>{'yes' if pair['same_scene'] else ''}</td><td>{pair['share']:.2f}</td></tr>"
        for pair in found
    )
    return (
        '<h3>Most frequent confusions</h3><div class="wide"><table><thead><tr><th>successes of</th><th>taken for</th>'
        f"<th>one scene</th><th>share</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def per_task(findings: dict[str, Any], tasks: Sequence[str]) -> str:
    """Every metric of these tasks."""
    names = list(findings["overall"])
    head = "".join(f"<th>{escape(METRICS.get(name, (name,))[0])}</th>" for name in names)
    rows = []
    for task in tasks:
        row = findings["per_task"][task]
        cells = "".join(_estimate(row.get(n), 2) for n in names)
        rows.append(f"<tr><th>{escape(task)}</th>{cells}</tr>")
    return (
        f'<h2>Every task</h2><div class="wide"><table><thead><tr><th></th>{head}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table></div><p class="note">Mean over the task\'s episodes, below it its '
        "95 % bootstrap interval. With the few episodes of one task such an interval is rather too narrow.</p>"
    )


def thresholds(title: str, found: dict[str, Any], meanings: dict[str, str]) -> str:
    """One group of thresholds, as the bundle has them and as fitted here."""
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


def number(x: float | None, digits: int) -> str:
    """A number with a true minus; empty for None."""
    return "" if x is None else _minus(f"{x:.{digits}f}")


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}").replace(" .. ", " … ")
