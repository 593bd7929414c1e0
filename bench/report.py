# SPDX-License-Identifier: Apache-2.0
"""What both benchmarks share: what they ran on, and how a report reaches people, machines and files."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from liv_model.errors import MISTAKE, LivError


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--markdown`` and ``--json``, which :func:`deliver` reads."""
    parser.add_argument("--markdown", metavar="FILE", help="also write the report into a file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the report")


def deliver(measure: Callable[[], dict], page: Callable[[dict], str], arguments: argparse.Namespace, name: str) -> int:
    """Measure, print, and write the report; returns the exit code."""
    try:
        report = measure()
    except LivError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return MISTAKE
    text = page(report)
    print(json.dumps(report, indent=2) if arguments.json else text)
    if arguments.markdown:
        Path(arguments.markdown).write_text(text + "\n", encoding="utf-8")
    return 0


def machine(*modules: str) -> dict[str, str]:
    """The processor, its load, Python, and the versions of these modules."""
    return {
        "cpu": f"{cpu_name()}, {os.cpu_count()} cores",
        "load when done": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        **{name: importlib.import_module(name).__version__ for name in modules},
    }


def cpu_name() -> str:
    """The processor, as it names itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
