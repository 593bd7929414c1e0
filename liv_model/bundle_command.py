# SPDX-License-Identifier: Apache-2.0
"""``liv bundle``: show what a bundle holds, and verify it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from liv_model.bundle import Bundle

_EXAMPLES = """examples:
  liv bundle
  liv bundle models/metaworld --json
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="liv bundle",
        description="Verify a bundle and show what it holds.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", nargs="?", help="the folder (default: the shipped models/metaworld)")
    parser.add_argument("--json", action="store_true", help="print liv.yaml and the identity as JSON")
    arguments = parser.parse_args(argv)
    bundle = Bundle.load(arguments.bundle)
    if arguments.json:
        print(json.dumps({"model": bundle.identity, **bundle.manifest}, indent=2, default=str))
    else:
        _show(bundle)
    return 0


def _show(bundle: Bundle) -> None:
    console = Console()
    size = bundle.image.size
    console.print(
        f"{bundle.identity}: {size}x{size} px -> {bundle.dim} numbers, {bundle.precision}; all files verified"
    )
    table = Table("known instruction", "opposite", "value at start", "value at goal")
    for known in bundle.instructions:
        table.add_row(Text(known.text), Text(known.opposite or "-"), f"{known.start:.2f}", f"{known.goal:.2f}")
    console.print(table)
    metrics = bundle.manifest.get("provenance", {}).get("metrics", {})
    if metrics.get("overall"):
        console.print(_metrics_table(metrics))


def _metrics_table(metrics: dict[str, Any]) -> Table:
    """Means on unseen episodes, as they were measured at export; `liv evaluate` measures anew."""
    table = Table(f"measured at export, {metrics.get('of', 'validation')} episodes", "mean", "95 % interval", "n")
    for name, metric in metrics["overall"].items():
        interval = f"{metric['low']:.3f} .. {metric['high']:.3f}"
        table.add_row(Text(name.replace("_", " ")), f"{metric['mean']:.3f}", interval, str(metric["n"]))
    return table
