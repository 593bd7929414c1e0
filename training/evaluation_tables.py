# SPDX-License-Identifier: Apache-2.0
"""The findings of ``liv evaluate`` as tables on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_CELL = 16  # columns of the terminal that an interval takes


def show(findings: dict[str, Any]) -> None:
    """Print what `training.evaluate` found: means over tasks, per task with intervals, thresholds."""
    console = Console()
    console.print(escape("{model} on {backend}, {device}, {precision}; {episodes} episodes".format(**findings)))
    console.print(_overall(findings))
    if findings["per_camera"]:
        console.print(_per_camera(findings))
    room = console.width - max(map(len, findings["per_task"])) - 4
    for part in _per_task(findings, max(1, room // _CELL)):
        console.print(part)
    if findings["confusions"]:
        console.print(_confusions(findings["confusions"]))
    for name in ("familiarity", "task_state"):
        console.print(_thresholds(name.replace("_", " "), findings[name]))


def interval(estimate: dict[str, Any], digits: int = 3) -> str:
    """The interval of an estimate for people; empty where there is none."""
    if estimate["low"] is None:
        return ""
    return f"{estimate['low']:.{digits}f} .. {estimate['high']:.{digits}f}"


def _overall(findings: dict[str, Any]) -> Table:
    table = Table(title="mean over tasks")
    table.add_column("metric")
    for column in ("mean", "95 %, these tasks", "95 %, other tasks", "tasks", "n"):
        table.add_column(column, justify="right")
    for name, e in findings["overall"].items():
        tasks = sum(name in row for row in findings["per_task"].values())
        across = interval(findings["across_tasks"][name])
        table.add_row(name, _number(e["mean"], 3), interval(e), across, str(tasks), str(e["n"]))
    return table


def _per_camera(findings: dict[str, Any]) -> Table:
    table = Table(title="each camera alone, mean over tasks with 95 % interval")
    table.add_column("metric")
    cameras = findings["per_camera"]
    for camera in cameras:
        table.add_column(escape(camera), justify="right")
    for name in findings["overall"]:
        table.add_row(name, *(_cell(row[name], 3) if name in row else "" for row in cameras.values()))
    return table


def _confusions(found: list[dict[str, Any]]) -> Table:
    table = Table(title="most frequent confusions")
    for column in ("successes of", "taken for", "one scene"):
        table.add_column(column)
    table.add_column("share", justify="right")
    for pair in found:
        scene = "yes" if pair["same_scene"] else ""
        table.add_row(escape(pair["task"]), escape(pair["taken_for"]), scene, f"{pair['share']:.2f}")
    return table


def _per_task(findings: dict[str, Any], columns: int) -> list[Table]:
    """As many tables as the terminal's width asks for."""
    names = list(findings["overall"])
    tables = []
    for start in range(0, len(names), columns):
        shown = names[start : start + columns]
        table = Table(title="per task, with 95 % interval" if not start else None)
        table.add_column("task", no_wrap=True)
        for name in shown:
            table.add_column(name.replace("_", " "), justify="right")
        for task, row in findings["per_task"].items():
            table.add_row(escape(task), *(_cell(row[name]) if name in row else "" for name in shown))
        tables.append(table)
    return tables


def _cell(e: dict[str, Any], digits: int = 2) -> str:
    return f"{_number(e['mean'], digits)}\n[dim]{interval(e, digits)}[/]"


def _number(x: float | None, digits: int) -> str:
    return "" if x is None else f"{x:.{digits}f}"


def _thresholds(name: str, found: dict[str, Any]) -> str | Table:
    if "not_fitted" in found:
        return escape(f"{name}: not fitted, {found['not_fitted']}")
    table = Table(title=name)
    table.add_column("")
    for who in found:
        table.add_column({"bundle": "as the bundle has it", "fitted": "fitted here"}.get(who, who), justify="right")
    for key in dict.fromkeys(key for row in found.values() for key in row):
        table.add_row(key.replace("_", " "), *(f"{row[key]:.4g}" if key in row else "" for row in found.values()))
    return table
