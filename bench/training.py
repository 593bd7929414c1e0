# SPDX-License-Identifier: Apache-2.0
"""The command line of ``make bench-training``: how fast training reads and steps, side by side in one run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import reader_memory, sampler, training_step
from bench.report import add_output_options, deliver, machine

_EXAMPLES = """examples:
  make bench-training
  make bench-training ARGS="--only sampler --json"
"""

# title -> what measures it in an empty folder: rows of figures by name. A new measurement is a module and a row here.
SECTIONS: dict[str, Callable[[Path], dict[str, dict]]] = {
    "sampler": sampler.measure,
    "memory": reader_memory.measure,
    "step": training_step.measure,
}
_ABOUT = {
    "sampler": "Five-frame samples at 224 px with random crops, one thread, n batches of each side in turns",
    "memory": "Growth of a process that draws samples from all over a store (median of n processes)",
    "step": "Steps of `liv train` with the settings of the shipped model, one thread, n of each side in turns",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench-training",
        description="Measure how fast training reads its data and makes its steps, on data made on the spot.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=tuple(SECTIONS), action="append", help="measure only this")
    add_output_options(parser)
    arguments = parser.parse_args(argv)
    names = arguments.only or list(SECTIONS)
    return deliver(lambda: measure(names), markdown, arguments, "make bench-training")


def measure(names: list[str]) -> dict[str, dict]:
    """The figures of these sections, after what they were measured on."""
    report: dict[str, dict] = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="liv_bench_") as folder:
            report[name] = SECTIONS[name](Path(folder))
    return {"machine": machine("numpy", "torch", "accelerate", "cv2"), **report}


def markdown(report: dict[str, dict]) -> str:
    """The report as a page."""
    lines = ["# Training benchmarks", "", "Printed by `make bench-training`.", ""]
    lines += [", ".join(f"{key}: {value}" for key, value in report["machine"].items()) + "."]
    for section, rows in report.items():
        if section != "machine":
            lines += ["", f"## {section}", "", _ABOUT.get(section, "") + ".", "", *_table(rows)]
    return "\n".join(lines)


def _table(rows: dict[str, dict]) -> list[str]:
    """Rows of one set of columns as a table; rows of others as lines below it."""
    figures = {name: row for name, row in rows.items() if "n" in row}
    columns = list(dict.fromkeys(column for row in figures.values() for column in row))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"] if figures else []
    lines += [f"| {name} | " + " | ".join(str(row.get(c, "")) for c in columns) + " |" for name, row in figures.items()]
    for name, row in rows.items():
        if name not in figures:
            lines += ["", f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()) + "."]
    return lines


if __name__ == "__main__":
    sys.exit(main())
