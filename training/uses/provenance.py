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
from training.uses.plan import QUICK, Plan

_LIBRARIES = ("torch", "numpy", "metaworld", "mujoco")


def provenance(plan: Plan, folder: Path, pieces: Sequence[Piece], wall_s: float) -> list[str]:
    """Markdown lines."""
    ledger = Ledger(folder)
    entries = [entry for entry in map(ledger.read, pieces) if entry.get("done")]
    spent: dict[str, list[float]] = {}
    for entry in entries:
        spent.setdefault(entry["kind"], []).append(entry["seconds"])
    commits = list(dict.fromkeys(e["commit"][:12] + ("+changes" if "+" in e["commit"] else "") for e in entries))
    versions = ", ".join(f"{library} {importlib.metadata.version(library)}" for library in _LIBRARIES)
    each = ", ".join(f"{kind} {len(times)} x {sum(times) / len(times):.0f} s" for kind, times in spent.items())
    call = "make uses QUICK=1" if plan == QUICK else "make uses"
    return [
        f"- machine: {processor()}, shared with other work meanwhile; load when written "
        f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, {versions}; rendering in software",
        f"- command: `{call}`; {len(entries)} of {len(pieces)} pieces are done; {wall_s / 60:.0f} min from start to "
        f"end, {sum(map(sum, spent.values())) / 60:.0f} min of pieces of one thread by the clock ({each})",
        f"- commits: {_some(commits)}",
        "- before it: a smaller study with other tasks (imitation at the ceiling, planning with actions of one "
        "control step at the floor), and one search of 60 sequences in one scene with LIV, the bundle or both for each "
        "of drawer-close, door-close, window-close, faucet-close, handle-press-side, door-lock and door-unlock; sizes "
        "were settled after these",
        f"- networks: those of `make results` ([results.md](results.md)); imitation with seeds "
        f"{', '.join(map(str, plan.seeds))}; "
        "demonstrations in scenes from seed 0 on, judged in scenes from seed 100000 on",
    ]


def _some(commits: Sequence[str]) -> str:
    """All where they are few; else the first and the last, and how many."""
    if len(commits) <= 3:
        return ", ".join(commits) or "none"
    return f"{len(commits)}, from {commits[0]} to {commits[-1]}"
