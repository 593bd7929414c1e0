# SPDX-License-Identifier: Apache-2.0
"""Old model against new on the same episodes: every metric, its difference with an interval, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from liv_model import metrics
from liv_model.encoder import Encoder
from liv_model.metrics import Estimate
from training.evaluation import Evaluation
from training.evaluation_tables import interval
from training.metric_report import plain

BETTER, WORSE, OPEN = "better", "worse", "open"
LOWER_IS_BETTER = ("negative_rate",)
# Worse in one of these beyond its interval: not recommended.
DECIDE = ("language_voc", "image_voc", "top1", "top1_known", "success_auc")
_SHOWN = (*DECIDE, "antonym_contrast", "held_out_top1", "negative_rate")


@dataclass(frozen=True)
class Row:
    """One metric of both models.

    Attributes:
        metric: its name.
        old: mean over tasks.
        new: likewise.
        difference: new less old, attempt by attempt; positive is better but for `LOWER_IS_BETTER`.
    """

    metric: str
    old: Estimate
    new: Estimate
    difference: Estimate

    @property
    def verdict(self) -> str:
        """Whether the interval of the difference leaves out 0, and on which side."""
        low, high = self.difference.low, self.difference.high
        if self.metric in LOWER_IS_BETTER:
            low, high = -high, -low
        return WORSE if high < 0 else BETTER if low > 0 else OPEN


@dataclass(frozen=True)
class Judged:
    """A model, and what it makes of the episodes kept aside; the encoder is open."""

    encoder: Encoder
    evaluation: Evaluation


def compare(old: Judged, new: Judged, known: Sequence[str] = ()) -> list[Row]:
    """Every metric that there is data for.

    Args:
        old: the model before.
        new: the model after, over the same episodes in the same order.
        known: instructions of the model before. Goals have to be told apart from these, too (``top1_known``): it
            says something where all episodes are of one task.
    """
    before, after = ({**m.evaluation.report().scores, "top1_known": top1_known(m, known)} for m in (old, new))
    return [_row(name, before[name], after[name]) for name in _SHOWN if name in before and name in after]


def top1_known(model: Judged, known: Sequence[str]) -> dict[str, np.ndarray]:
    """Task to whether its instruction scores highest, alone, among those of all tasks and ``known``: (attempts,)."""
    evaluation = model.evaluation
    own = [evaluation.texts[task] for task in evaluation.tasks]
    goals = model.encoder.encode_texts([*own, *sorted(set(known) - set(own))])
    found = {}
    for column, task in enumerate(evaluation.tasks):
        attempts: dict[object, list[float]] = {}
        for episode in evaluation.successes[task]:
            finals = np.array([[metrics.final_value(episode.curve(goal)) for goal in goals]])  # (1, G)
            attempts.setdefault(episode.attempt, []).append(float(metrics.top1(finals, np.array([column]))[0]))
        found[task] = np.array([np.mean(hits) for hits in attempts.values()])
    return found


def _row(metric: str, before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> Row:
    tasks = [task for task in before if task in after]
    groups = [before[t] for t in tasks], [after[t] for t in tasks], [after[t] - before[t] for t in tasks]
    return Row(metric, *map(metrics.estimate, groups))


def reasons_against(rows: list[Row]) -> list[str]:
    """Why the new model is not recommended; none where it is."""
    return [
        f"worse in {row.metric.replace('_', ' ')}: {row.difference.mean:+.3f} ({_span(row)}), n {row.difference.n}"
        for row in rows
        if row.metric in DECIDE and row.verdict == WORSE
    ]


def to_dict(rows: list[Row]) -> dict[str, Any]:
    """Plain types: metric to ``old``, ``new``, ``difference`` and ``verdict``."""
    return {
        row.metric: {
            "old": plain(row.old),
            "new": plain(row.new),
            "difference": plain(row.difference),
            "verdict": row.verdict,
            "decides": row.metric in DECIDE,
        }
        for row in rows
    }


def show(findings: dict[str, Any]) -> None:
    """Print the table of a fine-tuning's findings, and the verdict."""
    split = findings["episodes"]
    table = Table(
        "metric",
        *("old", "new", "new less old", "95 %", "n"),
        "",
        title=f"{split['held_out_successes']} successes and {split['held_out_failures']} failures kept aside",
    )
    for metric, row in findings["metrics"].items():
        name = metric.replace("_", " ") + (" *" if row["decides"] else "")
        numbers = (f"{row['old']['mean']:.3f}", f"{row['new']['mean']:.3f}", f"{row['difference']['mean']:+.3f}")
        table.add_row(name, *numbers, interval(row["difference"]), str(row["difference"]["n"]), row["verdict"])
    console = Console()
    console.print(f"old: {escape(findings['old'])}   new: {escape(findings['new'])}")
    console.print(table, width=None if console.is_terminal else 100)
    if findings["recommended"]:
        console.print(f"recommended: in none of those with * is it worse beyond doubt. {escape(findings['bundle'])}")
    else:
        console.print(f"[bold]not recommended[/]: {escape('; '.join(findings['against']))}")
        console.print(f"kept at {escape(findings['bundle'])}; `liv deploy` takes it with --force only")


def _span(row: Row) -> str:
    return interval(asdict(row.difference))
