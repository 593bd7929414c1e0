# SPDX-License-Identifier: Apache-2.0
"""The command line of ``make bench-training``: how fast training reads and steps, side by side in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import reader_memory, sampler, training_step
from liv_model.errors import LivError

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
    parser.add_argument("--json", action="store_true", help="print JSON instead of the report")
    parser.add_argument("--markdown", metavar="FILE", help="also write the report into a file")
    arguments = parser.parse_args(argv)
    try:
        report = measure(arguments.only or list(SECTIONS))
    except LivError as error:
        print(f"make bench-training: {error}", file=sys.stderr)
        return 2
    text = markdown(report)
    print(json.dumps(report, indent=2) if arguments.json else text)
    if arguments.markdown:
        Path(arguments.markdown).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(names: list[str]) -> dict[str, dict]:
    """The figures of these sections, after what they were measured on."""
    report: dict[str, dict] = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="liv_bench_") as folder:
            report[name] = SECTIONS[name](Path(folder))
    return {"machine": machine(), **report}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    found = {"cores": str(os.cpu_count()), "load when done": f"{os.getloadavg()[0]:.1f}"}
    found["python"] = platform.python_version()
    for name in ("numpy", "torch", "accelerate", "opencv-python-headless"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


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
