# SPDX-License-Identifier: Apache-2.0
"""How both studies were made: machine, versions, commit, commands, time."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from liv_model.machine import processor
from training.results.pieces import Piece
from training.results.plan import ROOT
from training.results.work import Ledger
from training.scene import TEST_SEED
from training.uses.plan import CHOICE, FULL, QUICK, Plan

NOTES = "notes.md"
_LIBRARIES = ("torch", "numpy", "metaworld", "mujoco")


def provenance(plan: Plan, folder: Path, pieces: Sequence[Piece], wall_s: float, here: Path) -> list[str]:
    """Markdown lines for a page in the folder ``here``; with those of ``notes.md`` in the folder of the results."""
    ledger = Ledger(folder)
    entries = [entry for entry in map(ledger.read, pieces) if entry.get("done")]
    spent: dict[str, list[float]] = {}
    for entry in entries:
        spent.setdefault(entry["kind"], []).append(entry["seconds"])
    commits = sorted({e["commit"][:12] + ("+changes" if "+" in e["commit"] else "") for e in entries})
    versions = ", ".join(f"{library} {importlib.metadata.version(library)}" for library in _LIBRARIES)
    each = ", ".join(f"{kind} {len(times)} x {sum(times) / len(times):.0f} s" for kind, times in spent.items())
    call = "make uses QUICK=1" if plan == QUICK else "make uses"
    results = os.path.relpath(ROOT / "docs" / "results.md", here)
    return [
        f"- machine: {processor()}; load when written {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
        f"{versions}",
        f"- command: `{call}`; {len(entries)} of {len(pieces)} pieces are done; {wall_s / 60:.0f} min from start to "
        f"end, {sum(map(sum, spent.values())) / 60:.0f} min of pieces of one thread by the clock ({each})",
        f"- commits: {', '.join(commits) or 'none'}",
        f"- networks: those of `make results` ([results.md]({results})); imitation with seeds "
        f"{', '.join(map(str, plan.seeds))}; demonstrations in scenes from seed 0 on, judged in scenes from seed "
        f"{TEST_SEED} on",
        *([f"- tasks: {CHOICE}"] if plan == FULL else []),
        *_notes(folder / NOTES),
    ]


def _notes(path: Path) -> list[str]:
    """What whoever ran it has to say of it."""
    return [f"- {line}" for line in path.read_text(encoding="utf-8").splitlines() if line] if path.is_file() else []
