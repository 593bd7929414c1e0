# SPDX-License-Identifier: Apache-2.0
"""``liv episodes show``: what an episode store holds, and whether it is whole."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from training.episodes import EpisodeStore

EXAMPLES = """examples:
  liv episodes show data/train
  liv episodes show data/train --verify --json
"""


def describe(store: EpisodeStore) -> dict:
    """Counts and sizes of a store, ready for JSON. Reads the index only.

    Returns:
        Episodes and frames by task (with its instructions) and outcome, by the first part of the sources,
        quantiles of the lengths, size of the frames in pixels and of the store in bytes.
    """
    tasks: dict[str, dict] = {}
    for record in store.records:
        row = tasks.setdefault(record.task, {"texts": [], "frames": 0, "outcomes": Counter()})
        row["texts"] += [] if record.text in row["texts"] else [record.text]
        row["frames"] += record.count
        row["outcomes"][record.outcome] += 1
    lengths = [record.count for record in store.records]
    quantiles = np.quantile(lengths, [0, 0.5, 1]).round().astype(int).tolist() if lengths else None
    return {
        "store": str(store.path),
        "episodes": len(store),
        "frames": store.frame_count,
        "height": store.height,
        "width": store.width,
        "bytes": store.frame_count * store.height * store.width * 3,
        "length": dict(zip(("least", "median", "greatest"), quantiles, strict=True)) if quantiles else None,
        "outcomes": dict(Counter(record.outcome for record in store.records).most_common()),
        "sources": dict(Counter(_family(record.source) for record in store.records).most_common()),
        "tasks": dict(sorted(tasks.items())),
    }


def _family(source: str) -> str:
    """The data set of a source: ``realrobot`` of ``realrobot/video0``, ``metaworld`` of ``metaworld, policy ...``."""
    return source.split("/")[0].split(",")[0] or "unknown"


def _print(about: dict) -> None:
    print(
        f"{about['store']}: {about['episodes']} episodes, {about['frames']} frames of "
        f"{about['width']}x{about['height']}, {about['bytes'] / 1e6:.1f} MB"
    )
    if not about["episodes"]:
        return
    print("  lengths: " + ", ".join(f"{name} {value}" for name, value in about["length"].items()))
    print("  outcomes: " + ", ".join(f"{count} {name}" for name, count in about["outcomes"].items()))
    print("  sources: " + ", ".join(f"{count} {name}" for name, count in about["sources"].items()))
    table = Table("task", "instruction", "frames", *about["outcomes"], box=None, pad_edge=False)
    for name, row in about["tasks"].items():
        text = row["texts"][0] + (f" (and {len(row['texts']) - 1} more)" if len(row["texts"]) > 1 else "")
        table.add_row(name, text, str(row["frames"]), *(str(row["outcomes"][o]) for o in about["outcomes"]))
    console = Console(highlight=False, markup=False)
    console.print(table, width=None if console.is_terminal else 200)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="liv episodes show",
        description="Show what an episode store holds.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", type=Path, help="folder of the store")
    parser.add_argument("--verify", action="store_true", help="read every frame and compare the checksums")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    store = EpisodeStore(arguments.store)
    if arguments.verify:
        store.verify()
    about = {**describe(store), "verified": arguments.verify}
    if arguments.json:
        print(json.dumps(about, indent=2))
        return 0
    _print(about)
    if arguments.verify:
        print("  every checksum is right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
