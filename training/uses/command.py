# SPDX-License-Identifier: Apache-2.0
"""``liv uses``, ``make uses``: run both studies, or go on with them, and write the document."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from liv_model.bundle import Bundle, sha256
from liv_model.errors import ConfigError
from liv_model.whole_file import replace_text
from training import checkpoint, kept_plan
from training.results import command as results
from training.results.command import WALL, Status
from training.results.pieces import Piece
from training.results.plan import ROOT
from training.results.work import Ledger, work
from training.uses.pieces import cut, networks
from training.uses.plan import BUNDLE, FULL, QUICK, Plan
from training.writable import require_file, require_folder

NETWORKS = "networks.json"
_EPILOG = """examples:
  make uses                             about two hours of two cores; call it again after a stop, it goes on
  make uses QUICK=1                     every step in ten minutes; its figures mean nothing
  make uses USES=runs/mine RESULTS=runs/results ARGS="--workers 1"

The networks that are compared are those of `make results`; what is there already is not trained again.
"""


def main(argv: list[str] | None = None) -> int:
    """Run ``liv uses``."""
    arguments = _parser().parse_args(argv)
    if arguments.workers < 1:
        raise ConfigError("--workers", expected="1 or more", got=arguments.workers)
    plan, ending = (QUICK, "-quick") if arguments.quick else (FULL, "")
    folder = Path(os.path.relpath(arguments.folder or ROOT / "runs" / f"uses{ending}"))
    trained = Path(os.path.relpath(arguments.results or ROOT / "runs" / f"results{ending}"))
    page = arguments.document or (folder / "uses.md" if arguments.quick else ROOT / "docs" / "uses.md")
    for where, option in ((folder, "FOLDER"), (trained, "--results")):
        require_folder(where, option)
    require_file(page, "--document")
    _require_own_picture(page)
    keep_plan(plan, folder)
    if arguments.only_document:
        _require_done(plan, folder, trained)
    else:
        _work(plan, folder, trained, arguments.workers)
    _write(plan, folder, trained, page)
    print(page)
    return 0


def _work(plan: Plan, folder: Path, trained: Path, workers: int) -> None:
    results.keep_plan(plan.results, trained)
    _make(networks(plan, trained), trained, workers)
    keep_networks(plan, folder, trained)
    _make(cut(plan, folder, trained), folder, workers)


def _make(pieces: Sequence[Piece], where: Path, workers: int) -> None:
    status = Status(where / WALL)
    work(pieces, where, workers=workers, progress=status.show)
    status.end()


def _require_done(plan: Plan, folder: Path, trained: Path) -> None:
    """Or a page of what was measured elsewhere would be replaced by one that says nothing."""
    ledger = Ledger(folder)
    if not any(ledger.is_done(piece) for piece in cut(plan, folder, trained)):
        raise ConfigError(
            "--only-document", expected=f"pieces that are done in {folder}", got="none", remedy="make uses"
        )


def _write(plan: Plan, folder: Path, trained: Path, page: Path) -> None:
    from training.uses.document import document
    from training.uses.ends import write_ends
    from training.uses.findings import Findings
    from training.uses.provenance import provenance

    pieces = cut(plan, folder, trained)
    made = provenance(plan, folder, pieces, results.wall_s(folder / WALL), page.parent)
    picture = _picture(page)
    ends = picture.name if write_ends(plan, folder, picture) else None
    if ends is None:
        picture.unlink(missing_ok=True)  # of an earlier page
    replace_text(page, document(Findings(plan, folder), page.parent, made, ends))


def _picture(page: Path) -> Path:
    return page.with_suffix(".png")


def _require_own_picture(page: Path) -> None:
    """Or somebody else's picture of that name would be replaced, or removed."""
    picture = _picture(page)
    if picture.exists() and not (page.is_file() and f"({picture.name})" in page.read_text(encoding="utf-8")):
        got = "one that no earlier page shows"
        raise ConfigError("--document", expected=f"no {picture.name} beside it", got=got, remedy="name another file")


def keep_plan(plan: Plan, folder: Path) -> None:
    """Write down what a folder is for; ConfigError if it is for another plan, whose pieces would be mixed in."""
    remedy = "name another folder with USES=..., or delete this one"
    told = {"expected": "pieces of this plan", "got": "those of another one", "remedy": remedy}
    kept_plan.keep_plan(folder, plan.to_dict(), "folder of uses", **told)


def keep_networks(plan: Plan, folder: Path, trained: Path) -> None:
    """Write down which networks a folder's pieces are of; ConfigError if they were trained, or built, anew since."""
    runs = [piece.makes for piece in networks(plan, trained) if piece.is_run]
    identities = {run.name: sha256(run / checkpoint.BEST) for run in runs}
    if plan.bundle_plans:
        identities[BUNDLE] = Bundle.load(ROOT / BUNDLE).identity
    told = {"expected": "pieces of these networks", "got": "those of others", "file": NETWORKS}
    remedy = "name the --results that they are of, or another folder with USES=..., or delete this one"
    kept_plan.keep_plan(folder, identities, "folder of uses", remedy=remedy, **told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv uses",
        description="What LIV is for, measured: imitation on its embeddings, planning with its values; docs/uses.md.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="?", help="of all that is measured (default: runs/uses)")
    add("--results", type=Path, metavar="FOLDER", help="of `make results`, for its networks (default: runs/results)")
    add("--workers", type=int, default=2, metavar="N", help="pieces at a time, a thread each (2)")
    add("--quick", action="store_true", help="every step, small; the document goes beside the figures")
    add("--document", type=Path, metavar="FILE", help="where to write (default: docs/uses.md)")
    add("--only-document", action="store_true", help="write it from what is there, and say what is missing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
