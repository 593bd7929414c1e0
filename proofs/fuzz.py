# SPDX-License-Identifier: Apache-2.0
"""``make fuzz``: messages that nobody should send, to what takes messages."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from liv_model.errors import LivError
from liv_model.progress_bar import progress_bar
from proofs import report

PATHS, LIVE = 100_000, 2_000
QUICK_PATHS, QUICK_LIVE = 2_000, 160
_EXAMPLES = """examples:
  make fuzz                          some minutes, into proofs/results and docs/reliability.md
  make fuzz QUICK=1                  half a minute, docs untouched
  make fuzz ARGS="--seed 7 --logs fuzz_logs"
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    made = report.parser("fuzz", "Mutated Image, CompressedImage, Goal and String messages.", _EXAMPLES)
    made.add_argument("--seed", type=int, default=0, help="of the mutations (default: 0)")
    arguments = made.parse_args(argv)
    return report.run("fuzz", lambda folder, rows: _fuzz(folder, rows, arguments), arguments)


def _fuzz(folder: Path, rows: report.Rows, arguments: argparse.Namespace) -> None:
    from liv_ros.demo import isolate

    isolate()  # before anything reads the environment that this sets
    from liv_model.bundle import Bundle
    from liv_model.encoder import open_encoder
    from proofs.fuzz_live import fuzz_live
    from proofs.fuzz_paths import Paths, fuzz

    paths, live = (QUICK_PATHS, QUICK_LIVE) if arguments.quick else (PATHS, LIVE)
    bundle = Bundle.load(arguments.bundle)
    encoder = open_encoder(bundle, "openvino", threads=1)
    try:
        with report.libraries_into(folder / "libraries.log"), progress_bar("messages, in process", paths) as done:
            rows.append(fuzz(Paths(bundle, encoder), paths, arguments.seed, done))
    finally:
        encoder.close()
    if rows[-1].get("interrupted"):
        return
    try:
        with progress_bar("messages, live nodes", live) as done:
            rows.append(fuzz_live(folder / "live", str(bundle.path), live, arguments.seed + 1, done))
    except LivError as error:
        rows.append({"part": "live nodes", "n": 0, "crashes": [str(error)], "passed": False})


if __name__ == "__main__":
    sys.exit(main())
