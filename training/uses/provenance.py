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
from training.results.work import Ledger
from training.uses.plan import Plan

_LIBRARIES = ("torch", "numpy", "metaworld", "mujoco")


def provenance(plan: Plan, name: str, folder: Path, pieces: Sequence[Piece], wall_s: float) -> list[str]:
    """Markdown lines."""
    ledger = Ledger(folder)
    entries = [entry for entry in map(ledger.read, pieces) if entry.get("done")]
    spent: dict[str, list[float]] = {}
    for entry in entries:
        spent.setdefault(entry["kind"], []).append(entry["seconds"])
    commits = list(dict.fromkeys(e["commit"][:12] + ("+changes" if "+" in e["commit"] else "") for e in entries))
    versions = ", ".join(f"{library} {importlib.metadata.version(library)}" for library in _LIBRARIES)
    each = ", ".join(f"{kind} {len(times)} x {sum(times) / len(times):.0f} s" for kind, times in spent.items())
    call = {"full": "make uses", "quick": "make uses QUICK=1"}.get(name, f"make uses SIZE={name}")
    return [
        f"- machine: {processor()}, shared with other work meanwhile; load when written "
        f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, {versions}; rendering in software",
        f"- command: `{call}`; {len(entries)} of {len(pieces)} pieces are done; {wall_s / 60:.0f} min from start to "
        f"end, {sum(map(sum, spent.values())) / 60:.0f} min of pieces of one thread by the clock ({each})",
        f"- commits: {_some(commits)}",
        "- the sizes were settled while the first run went on: policies of three demonstrations and planning with the "
        "shipped bundle came in once the first rows were seen to be at the ceiling and at the floor, and the search "
        "was made smaller before any planning was counted",
        f"- networks: those of `make results` ([results.md](results.md)); imitation with seeds "
        f"{', '.join(map(str, plan.seeds))}; "
        "demonstrations in scenes from seed 0 on, judged in scenes from seed 100000 on",
    ]


def _some(commits: Sequence[str]) -> str:
    """All where they are few; else the first and the last, and how many."""
    if len(commits) <= 3:
        return ", ".join(commits) or "none"
    return f"{len(commits)}, from {commits[0]} to {commits[-1]}"
