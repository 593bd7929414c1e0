# SPDX-License-Identifier: Apache-2.0
"""``liv evaluate --task-state``: the findings of `task_state_trial` as a table, and as files with a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder
from liv_model.errors import ConfigError
from liv_model.progress_bar import progress_bar
from training.episodes import EpisodeStore
from training.task_state_streams import Streams, make_streams
from training.task_state_trial import TARGETS, curves, findings, fitted

_COLOURS = ("#0b7a75", "#c8553d", "#3a5ba0")


def judge_task_states(
    bundle: Bundle,
    encoder: Encoder,
    store: EpisodeStore,
    numbers: Sequence[int],
    validation: EpisodeStore | None = None,
) -> dict[str, Any]:
    """What a report says: plain types.

    Args:
        bundle: with thresholds.
        encoder: the model.
        store: whose episodes are judged.
        numbers: which of them.
        validation: where to fit thresholds anew; None for the bundle's alone.
    """
    streams = _streams(bundle, encoder, store, numbers, "episodes")
    tried = {"bundle": findings(bundle.task_state, streams)}
    chosen = bundle.task_state
    if validation is not None:
        chosen = fitted(_streams(bundle, encoder, validation, range(len(validation)), "validation"))
        tried["fitted"] = findings(chosen, streams)
    return {
        "model": encoder.model,
        "backend": encoder.backend,
        "task_state": tried,
        "targets": TARGETS,
        "curves": curves(chosen, streams),
    }


def show_task_states(report: dict[str, Any]) -> None:
    """Print tables."""
    console = Console()
    console.print(escape(f"{report['model']} on {report['backend']}"))
    console.print(_figures(report))
    for name, rows in report["curves"].items():
        table = Table(title=f"{name}, over thresholds")
        for column in rows[0]:
            table.add_column(column.replace("_", " "), justify="right")
        for row in rows:
            table.add_row(*(f"{number:.3g}" for number in row.values()))
        console.print(table)


def write_task_states(folder: Path, report: dict[str, Any]) -> None:
    """Write ``task_state.json`` and ``task_state.png``; ConfigError if the folder cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "task_state.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        _draw(report, folder / "task_state.png")
    except OSError as error:
        raise ConfigError(str(folder), expected="a folder that can be written", got=error.strerror) from error


def _streams(bundle: Bundle, encoder: Encoder, store: EpisodeStore, numbers: Sequence[int], label: str) -> Streams:
    with progress_bar(label, len(numbers)) as done:
        return make_streams(bundle, encoder, store, numbers, done)


def _figures(report: dict[str, Any]) -> Table:
    tried = report["task_state"]
    table = Table(title="task state, as the detector tells it frame by frame")
    table.add_column("")
    for who in tried:
        table.add_column({"bundle": "as the bundle has it", "fitted": "fitted on validation"}[who], justify="right")
    table.add_column("wanted", justify="right")
    wanted = report["targets"]
    rows: list[tuple[str, list[Any], str]] = [
        (name.replace("_", " "), [f["thresholds"][name] for f in tried.values()], "")
        for name in next(iter(tried.values()))["thresholds"]
    ]
    for name in ("precision", "recall", "f1"):
        goal = f">= {wanted[name]}" if name in wanted else ""
        rows.append((f"success {name}", [f["success"][name] for f in tried.values()], goal))
    rows.append(("successes told early", [f["success"]["early"] for f in tried.values()], ""))
    rows.append(
        ("success told after the end (s, median)", [f["success"]["median_delay_s"] for f in tried.values()], "")
    )
    for kind in next(iter(tried.values()))["success"]["taken_for_success"]:
        shares = [f["success"]["taken_for_success"][kind] for f in tried.values()]
        rows.append((f"{kind.replace('_', ' ')} taken for success", shares, ""))
    within_s = next(iter(tried.values()))["stall"]["within_s"]
    stalls = [f["stall"] for f in tried.values()]
    rows.append((f"stalls found within {within_s:g} s", [s["recall"] for s in stalls], f">= {wanted['stall_recall']}"))
    rows.append(("stall told after (s, median)", [s["median_delay_s"] for s in stalls], ""))
    alarms = [f["false_alarms"] for f in tried.values()]
    rows.append(("false alarms per success", [a["per_success"] for a in alarms], f"<= {wanted['false_alarms']}"))
    rows += [(f"of these {kind}", [a[kind] for a in alarms], "") for kind in ("stalled", "regressing")]
    for name, cells, goal in rows:
        table.add_row(name, *map(_cell, cells), goal)
    table.caption = "{successes} successes, {failures} failures, {stalls} stalls".format(
        **next(iter(tried.values()))["n"]
    )
    return table


def _cell(x: Any) -> str:
    if isinstance(x, dict):
        return f"{x['mean']:.3f}\n[dim]{x['low']:.3f} .. {x['high']:.3f}[/]"
    return "" if x is None else f"{x:.4g}"


def _draw(report: dict[str, Any], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = list(report["task_state"].values())[-1]
    figure = Figure(figsize=(10, 4), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = {
        "success": ("success_progress", "success: threshold on progress", report["targets"]["f1"]),
        "stall": ("stall_s", "stalls: stall_s (s)", report["targets"]["stall_recall"]),
    }
    for axes, (name, (over, title, target)) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        rows = report["curves"][name]
        x = [row[over] for row in rows]
        for colour, column in zip(_COLOURS, [c for c in rows[0] if c != over], strict=False):
            label = {"recall": "recall", "f1": "F1", "false_alarms": "false alarms per success"}.get(column, column)
            axes.plot(x, [row[column] for row in rows], color=colour, linewidth=2, label=label)
        axes.axhline(target, color="#888888", linewidth=0.9, linestyle=":")
        axes.axvline(chosen["thresholds"][over], color="#888888", linewidth=0.9, linestyle="--")
        axes.set(xlabel=title, ylim=(0, 1.02))
        axes.grid(True, color="#e6e6e6", linewidth=0.8)
        axes.legend(frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.suptitle(f"{report['model']}: dashed what is used, dotted what is wanted", fontsize=10)
    figure.savefig(path)
