# SPDX-License-Identifier: Apache-2.0
"""The report as a page, to attach to an issue."""

from __future__ import annotations

from typing import Any


def page(report: dict[str, Any]) -> str:
    """Markdown: the verdict, the machine, then a section per engine."""
    lines = ["# GPU check", "", f"**{report['verdict']}**", ""]
    lines += [f"Model {report['model']}, {report['date']}, `{report['command']}`.", ""]
    lines += ["| machine | |", "|---|---|", *_rows(report["environment"])]
    lines += ["", *(f"- {note}" for note in report["notes"])] if report["notes"] else []
    for precision, engine in report.get("engines", {}).items():
        lines += ["", f"## {precision}", "", _verdict(engine), ""]
        for name, result in engine["steps"].items():
            lines += ["", f"### {name}", "", "| | |", "|---|---|", *_rows(result)]
    for name in ("trial of TensorRT for RTX", "benchmark"):
        if name in report:
            lines += ["", f"## {name}", "", "| | |", "|---|---|", *_rows(report[name])]
    return "\n".join(lines) + "\n"


def _verdict(engine: dict[str, Any]) -> str:
    gate = engine["steps"].get("gate")
    judged = f"Gate {gate['said']}." if gate else "It did not come to the gate."
    return f"{judged} {'Failed: ' + '; '.join(engine['failed']) + '.' if engine['failed'] else 'Nothing failed.'}"


def _rows(table: dict[str, Any], prefix: str = "") -> list[str]:
    rows = []
    for key, value in table.items():
        if isinstance(value, dict):
            rows += _rows(value, f"{prefix}{key}: ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            rows += [row for index, entry in enumerate(value) for row in _rows(entry, f"{prefix}{key} {index}: ")]
        else:
            rows.append(f"| {prefix}{key} | {_shown(value)} |")
    return rows


def _shown(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").split())
