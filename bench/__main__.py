# SPDX-License-Identifier: Apache-2.0
"""The command line of ``make bench``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

from bench import encoder, imports
from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_ros.demo import isolate

_EXAMPLES = """examples:
  make bench
  make bench ARGS="--seconds 60 --markdown docs/benchmarks.md"
  make bench ARGS="--bundle my_bundle --json"
"""


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure encoder, imports and the live graph on this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch the graph (default: 30)")
    parser.add_argument("--markdown", metavar="FILE", help="also write the report into a file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the report")
    arguments = parser.parse_args()
    try:
        report = measure(Bundle.load(arguments.bundle), arguments.seconds)
    except LivError as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 2
    text = markdown(report)
    print(json.dumps(report, indent=2) if arguments.json else text)
    if arguments.markdown:
        Path(arguments.markdown).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(bundle: Bundle, seconds: float) -> dict:
    """Measure everything; one dictionary of figures."""
    isolate()
    from bench import graph  # rclpy reads the environment that isolate() has set

    timings = encoder.measure(bundle)
    import_times = imports.measure()
    live, start = graph.measure(bundle, seconds)
    size = f"{graph.WIDTH}x{graph.HEIGHT} at {graph.RATE_HZ} Hz"
    return {
        "model": bundle.identity,
        "machine": machine(),
        "encoder": timings,
        "imports": import_times,
        f"live graph, raw images of {size}": live,
        "node start to first embedding, warm cache": start,
    }


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    versions = {name: importlib.import_module(name).__version__ for name in ("numpy", "openvino", "cv2")}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores",
        "load when done": f"{load:.1f}",
        "python": platform.python_version(),
        **versions,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def markdown(report: dict) -> str:
    """The report as a page."""
    lines = [
        "# Benchmarks",
        "",
        "Printed by `make bench` (times in ms unless said; `n` counts calls, frames or starts).",
        "",
    ]
    lines += [f"Model {report['model']}. " + ", ".join(f"{k}: {v}" for k, v in report["machine"].items()) + ".", ""]
    lines += ["| encoder | n | p50 | p99 |", "|---|---|---|---|"]
    lines += [f"| {name} | {row['n']} | {row['p50']} | {row['p99']} |" for name, row in report["encoder"].items()]
    lines += ["", "| imports | n | median (s) |", "|---|---|---|"]
    lines += [f"| {name} | {row['n']} | {row['median_s']} |" for name, row in report["imports"].items()]
    for name in (key for key in report if key.startswith(("live", "node"))):
        lines += ["", f"| {name} | |", "|---|---|"]
        lines += [f"| {key.replace('_', ' ')} | {value} |" for key, value in report[name].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
