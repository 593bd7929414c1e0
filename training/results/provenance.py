# SPDX-License-Identifier: Apache-2.0
"""How the results were made: machine, versions, commit, commands, time."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from liv_model.machine import processor
from training.commit import current_commit
from training.results.pieces import Piece
from training.results.plan import ROOT, Plan
from training.results.work import Ledger

_LIBRARIES = ("torch", "numpy", "metaworld", "mujoco", "matplotlib")


def provenance(plan: Plan, folder: Path, pieces: Sequence[Piece], wall_s: float, here: Path) -> list[str]:
    """Markdown lines for a page that lies in the folder ``here``."""
    training = os.path.relpath(ROOT / "training", here)
    ledger = Ledger(folder)
    entries = [ledger.read(piece) for piece in pieces]
    commits = sorted({entry["commit"] for entry in entries} | {current_commit()})
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    kinds = list(dict.fromkeys(entry["kind"] for entry in entries))
    spent = {kind: [e["seconds"] for e in entries if e["kind"] == kind] for kind in kinds}
    total = sum(map(sum, spent.values()))
    each = ", ".join(f"{kind} {len(seconds)} x {_mean(seconds)}" for kind, seconds in spent.items())
    train = plan.pretrain()
    return [
        f"- machine: {processor()}, load when done {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, "
        f"{versions}",
        f"- commits: {', '.join(commit[:12] + ('+changes' if '+' in commit else '') for commit in commits)}",
        f"- command: `make results`, {len(pieces)} pieces; {_time(wall_s)} from start to end, {_time(total)} of "
        f"pieces of one thread by the clock ({each})",
        f"- frames: {plan.size} px, every {plan.stride * 12.5:g} ms, one camera; training scenes from seed 0 on, test "
        "scenes from seed 100000 on",
        f"- training: batches of {train.batch}, AdamW at {train.optimizer.learning_rate:g}; no step is chosen on "
        "held-out episodes: the last one counts",
        f"- settings: [results.yaml]({training}/configs/results.yaml) and "
        f"[results_finetune.yaml]({training}/configs/results_finetune.yaml); tasks, seeds and sizes: "
        f"[plan.py]({training}/results/plan.py)",
        "",
        "One piece of each kind (all of them stand in the results folder, under `pieces/`):",
        "",
        "```sh",
        *(" ".join(next(e for e in entries if e["kind"] == kind)["command"]) for kind in kinds),
        "```",
    ]


def parameters(plan: Plan) -> int:
    """How many the network has."""
    from liv_model.network import LivNetwork  # torch

    return sum(p.numel() for p in LivNetwork(plan.pretrain().network).parameters())


def _mean(seconds: Sequence[float]) -> str:
    return _time(sum(seconds) / len(seconds))


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
