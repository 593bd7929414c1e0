# SPDX-License-Identifier: Apache-2.0
"""The command line of ``make bench``."""

from __future__ import annotations

import argparse
import sys

from bench import encoder, imports
from bench.report import add_output_options, deliver, machine
from liv_model.bundle import Bundle
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
    add_output_options(parser)
    arguments = parser.parse_args()
    return deliver(lambda: measure(Bundle.load(arguments.bundle), arguments.seconds), markdown, arguments, "make bench")


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
        "machine": machine("numpy", "openvino", "cv2"),
        "encoder": timings,
        "imports": import_times,
        f"live graph, raw images of {size}": live,
        "node start to first embedding, warm cache": start,
    }


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
