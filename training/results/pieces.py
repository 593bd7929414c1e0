# SPDX-License-Identifier: Apache-2.0
"""A plan cut into pieces that can each be made, or taken up again, alone: one command each."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from training import checkpoint
from training.results.plan import ARMS, FINETUNED, Arm, Plan
from training.scene import TEST_SEED

TRAIN_SEED = 0  # where the seeds of the scenes to train in begin
FAILURES = ("truncated", "random", "wrong_task")
_LIV = "liv_model.cli"


@dataclass(frozen=True)
class Piece:
    """One command, run once.

    Attributes:
        name: unique, fit for a file name.
        kind: pieces of one kind take times that can be compared.
        command: words after ``python3 -m``.
        makes: a file or folder that is there once it is done.
        after: names of the pieces that it needs.
        guess_s: how long it takes, to weigh pieces with until some of them have been made.
        is_run: whether ``makes`` is the run folder of a training that ``--resume`` takes up again.
    """

    name: str
    kind: str
    command: tuple[str, ...]
    makes: Path
    after: tuple[str, ...] = ()
    guess_s: float = 10.0
    is_run: bool = False

    def words(self) -> tuple[str, ...]:
        """The command as it has to be called now; a training that was cut goes on, one cut at its birth begins again.

        A run can be taken up from the moment its first checkpoint is whole.
        """
        if not self.is_run:
            return self.command
        if (self.makes / checkpoint.LAST).exists():
            data = self.command.index("--data")
            return (*self.command[:2], *self.command[data : data + 2], "-o", str(self.makes), "--resume")
        shutil.rmtree(self.makes, ignore_errors=True)
        return self.command


def cut(plan: Plan, folder: Path) -> list[Piece]:
    """All pieces of a plan in the order they are best made; results of each lie under ``folder``."""
    return [*_simulations(plan, folder), *_pretraining(plan, folder), *_finetuning(plan, folder)]


def stores(folder: Path) -> dict[str, Path]:
    """Where the episodes lie: to train on and to test with, of old tasks and new."""
    return {name: folder / "data" / name for name in ("train", "test", "new", "new-test")}


def run_folder(folder: Path, arm: Arm, seed: int, shots: int = 0) -> Path:
    """Where a run lies: pre-training, or fine-tuning with so many episodes of each new task."""
    return folder / "runs" / (f"{arm.name}-{shots}-{seed}" if shots else f"{arm.name}-{seed}")


def scores_file(folder: Path, arm: Arm, seed: int, shots: int = 0) -> Path:
    """Where the figures of a run lie, of every test store."""
    return folder / "scores" / f"{run_folder(folder, arm, seed, shots).name}.json"


def _simulations(plan: Plan, folder: Path) -> list[Piece]:
    data = stores(folder)
    pieces = [
        _simulation(plan, "train", data["train"], plan.tasks, plan.episodes, TRAIN_SEED),
        _simulation(plan, "new", data["new"], plan.new_tasks, max(plan.shots), TRAIN_SEED),
    ]
    for name, tasks in (("test", plan.tasks), ("new-test", plan.new_tasks)):
        first = _simulation(plan, name, data[name], tasks, plan.test_successes, TEST_SEED)
        pieces.append(first)
        if plan.test_failures:
            pieces.append(
                _simulation(plan, f"{name}-failures", data[name], tasks, plan.test_failures, TEST_SEED, first.name)
            )
    return [*pieces, *(_subset(folder, shots) for shots in plan.some_shots)]


def _simulation(
    plan: Plan, name: str, store: Path, tasks: tuple[str, ...], count: int, seed: int, first: str = ""
) -> Piece:
    """Successes; failures where there is something that comes first, as one store has one writer."""
    outcomes = FAILURES if first else ("success",)
    options = {
        "tasks": ",".join(tasks),
        "episodes-per-task": count,
        "outcomes": ",".join(outcomes),
        "seed": seed,
        "size": plan.size,
        "stride": plan.stride,
    }
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return Piece(
        f"simulate-{name}",
        "simulate",
        (_LIV, "episodes", "simulate", *words, "-o", str(store)),
        makes=store,
        after=(first,) if first else (),
        guess_s=1.6 * count * len(tasks) * len(outcomes),
    )


def _subset(folder: Path, shots: int) -> Piece:
    out = folder / "data" / f"new-{shots}"
    command = ("training.results.subset", str(stores(folder)["new"]), "--per-task", str(shots), "-o", str(out))
    return Piece(f"subset-{shots}", "subset", command, makes=out, after=("simulate-new",), guess_s=3.0)


def _pretraining(plan: Plan, folder: Path) -> list[Piece]:
    pieces = []
    for seed in plan.seeds:
        for arm in ARMS:
            run = run_folder(folder, arm, seed)
            settings = (*plan.settings, f"seed={seed}", *_weights(arm.weights))
            command = _train(stores(folder)["train"], run, plan.pretrain_config, settings)
            train = Piece(
                f"pretrain-{run.name}",
                "pretrain",
                command,
                makes=run,
                after=("simulate-train",),
                guess_s=0.3 * plan.pretrain().steps,
                is_run=True,
            )
            pieces += [train, _measure(plan, folder, arm, seed, 0, train)]
    return pieces


def _finetuning(plan: Plan, folder: Path) -> list[Piece]:
    pieces = []
    for seed in plan.seeds:
        for shots in plan.some_shots:
            for arm in FINETUNED:
                run, base = run_folder(folder, arm, seed, shots), run_folder(folder, arm, seed)
                settings = (*plan.finetune_settings, f"seed={seed}", *_weights(arm.finetune))
                store = folder / "data" / f"new-{shots}"
                train = Piece(
                    f"finetune-{run.name}",
                    "finetune",
                    (*_train(store, run, plan.finetune_config, settings), "--init", str(base)),
                    makes=run,
                    after=(f"pretrain-{base.name}", f"subset-{shots}"),
                    guess_s=0.2 * plan.finetune().steps,
                    is_run=True,
                )
                pieces += [train, _measure(plan, folder, arm, seed, shots, train)]
    return pieces


def _train(store: Path, run: Path, config: Path, settings: tuple[str, ...]) -> tuple[str, ...]:
    changes = [word for setting in settings for word in ("--set", setting)]
    return (_LIV, "train", "--data", str(store), "-o", str(run), "--config", os.path.relpath(config), *changes)


def _weights(weights: tuple[float, float, float] | None) -> list[str]:
    names = ("vision", "language", "contrast")
    return [f"objective.weight_{name}={weight}" for name, weight in zip(names, weights or (), strict=True)]


def _measure(plan: Plan, folder: Path, arm: Arm, seed: int, shots: int, train: Piece) -> Piece:
    """A fine-tuned network is looked at on the new tasks, a pre-trained one on the old ones too."""
    tests = ("new-test",) if shots else ("test", "new-test")
    ending = "-failures" if plan.test_failures else ""
    out = scores_file(folder, arm, seed, shots)
    paths = [str(stores(folder)[name]) for name in tests]
    return Piece(
        f"measure-{train.makes.name}",
        "measure",
        ("training.results.measure", str(train.makes), *paths, "-o", str(out)),
        makes=out,
        after=(train.name, *(f"simulate-{name}{ending}" for name in tests)),
    )
