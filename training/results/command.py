# SPDX-License-Identifier: Apache-2.0
"""``liv results``, ``make results``: run the whole comparison, or go on with it, and write the document."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from liv_model.errors import ConfigError
from liv_model.whole_file import replace_json
from training import kept_plan
from training.results.pieces import Piece, cut
from training.results.plan import FULL, QUICK, ROOT, Plan
from training.results.work import work

WALL = "wall.json"
_EPILOG = """examples:
  make results                          about an hour of one core; call it again after a stop, it goes on
  make results QUICK=1                  every step in a few minutes; its figures mean nothing
  make results RESULTS=runs/other ARGS="--workers 4"
"""


def main(argv: list[str] | None = None) -> int:
    """Run ``liv results``."""
    arguments = _parser().parse_args(argv)
    if arguments.workers < 1:
        raise ConfigError("--workers", expected="1 or more", got=arguments.workers)
    plan = QUICK if arguments.quick else FULL
    folder = arguments.folder or ROOT / "runs" / ("results-quick" if arguments.quick else "results")
    folder = Path(os.path.relpath(folder))  # short, and alike on every machine, in the commands that are kept
    page = arguments.document or (folder / "results.md" if arguments.quick else ROOT / "docs" / "results.md")
    keep_plan(plan, folder)
    pieces = cut(plan, folder)
    status = Status(folder / WALL)
    work(pieces, folder, workers=arguments.workers, progress=status.show)
    status.end()
    _write(plan, folder, page, pieces)
    print(page)
    return 0


def _write(plan: Plan, folder: Path, page: Path, pieces: Sequence[Piece]) -> None:
    from training.results.document import document  # matplotlib takes a while
    from training.results.figures import write_figures
    from training.results.findings import Findings
    from training.results.provenance import provenance

    findings = Findings(plan, folder)
    figures = write_figures(findings, page.parent / "results")
    made = provenance(plan, folder, pieces, wall_s(folder / WALL), page.parent)
    page.write_text(document(findings, figures, page.parent, made), encoding="utf-8")


def keep_plan(plan: Plan, folder: Path) -> None:
    """Write down what a folder is for; ConfigError if it is for another plan, whose pieces would be mixed in."""
    remedy = "name another folder with RESULTS=..., or delete this one"
    told = {"expected": "pieces of this plan", "got": "those of another one", "remedy": remedy}
    kept_plan.keep_plan(folder, plan.to_dict(), "results folder", **told)


def wall_s(path: Path) -> float:
    """Seconds that the calls so far took, all together."""
    return json.loads(path.read_text())["seconds"] if path.is_file() else 0.0


class Status:
    """One line: which piece of how many, what is left. It is written anew where there is a terminal.

    Args:
        wall: file that counts the time of all calls, kept up to date so that a call that is killed counts too.
    """

    def __init__(self, wall: Path):
        self._wall, self._before_s, self._began_s = wall, wall_s(wall), time.monotonic()
        self._shown: tuple[str, ...] = ("nothing yet",)
        self._next_s = 0.0

    def show(self, done: int, total: int, names: Sequence[str], left_s: float) -> None:
        """As `training.results.work.Progress`; cheap to call often."""
        is_new = tuple(names) != self._shown
        if not is_new and time.monotonic() < self._next_s:
            return
        self._shown, self._next_s = tuple(names), time.monotonic() + 1.0
        self._keep()
        terminal = sys.stderr.isatty()
        if not (is_new or terminal):
            return
        line = status_line(done, total, names, left_s)
        print(f"\r\x1b[2K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line, count the time."""
        self._keep()
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def _keep(self) -> None:
        seconds = self._before_s + time.monotonic() - self._began_s
        replace_json(self._wall, {"seconds": round(seconds, 1)})


def status_line(done: int, total: int, names: Sequence[str], left_s: float) -> str:
    """``piece 13 of 77: pretrain-liv-0, about 31 min left``; all that are being made, where there are several."""
    if not names:
        return f"{done} of {total} pieces done"
    which = " and ".join(str(done + 1 + i) for i in range(len(names)))
    left = f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"
    return f"piece {which} of {total}: {', '.join(names)}; about {left} left"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv results",
        description="The paper's comparisons at small scale: simulate, train, measure, write docs/results.md.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", help="of all runs and figures (default: runs/results)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="pieces at a time, a thread each (2)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, runs/results-quick, the document there too")
    parser.add_argument("--document", type=Path, metavar="FILE", help="where to write (default: docs/results.md)")
    return parser
