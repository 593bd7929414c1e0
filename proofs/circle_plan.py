# SPDX-License-Identifier: Apache-2.0
"""What the proof of the circle does: sizes, and the commands that it runs, which are those of docs/loop.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.tasks import load_tasks

NEW_TASKS = ("drawer-open", "drawer-close")  # a scene that the first model has never seen: its robot's afternoon
# Scenes kept out of the first model's training: that one, and two more.
LEFT_OUT = (*NEW_TASKS, "faucet-open", "faucet-close", "plate-slide", "plate-slide-back")
FAILURES = ("truncated", "random")
UNSEEN_FAILURES = (*FAILURES, "wrong_task")
ROBOT_SEED, UNSEEN_SEED = 500_000, 600_000  # no other command of this repository simulates these


@dataclass(frozen=True)
class Plan:
    """Sizes of the proof.

    Attributes:
        base_tasks: that the first model learns.
        base_config: settings of its training, a file in training/configs.
        base_settings: changes to them, ``key=value``.
        base_episodes: successes of each of its tasks and camera, where they have to be simulated.
        base_size: side of their pictures, pixels, as the configuration has it.
        seeds: of the robot's attempts, the split and the fine-tuning; the circle is gone through with each.
        successes: of each new task that the robot plays.
        failures: of each new task and kind.
        unseen_successes: of each new task, to judge by.
        unseen_failures: of each new task and kind.
        size: side of the robot's pictures, pixels.
        stride: steps of 12.5 ms per picture.
        finetune_settings: changes to the settings of the fine-tuning.
    """

    base_tasks: tuple[str, ...] = tuple(name for name in load_tasks() if name not in LEFT_OUT)
    base_config: str = "metaworld.yaml"
    base_settings: tuple[str, ...] = ("steps=1500", "validate_every=500", "validate_episodes=1")
    base_episodes: int = 18
    base_size: int = 112
    seeds: tuple[int, ...] = (0, 1, 2)
    successes: int = 8
    failures: int = 2
    unseen_successes: int = 10
    unseen_failures: int = 4
    size: int = 160
    stride: int = 5
    finetune_settings: tuple[str, ...] = ()


FULL = Plan()
QUICK = Plan(
    base_tasks=("window-open", "window-close"),
    base_config="tutorial.yaml",
    base_settings=("steps=12", "validate_every=0"),
    base_episodes=2,
    base_size=32,
    seeds=(0,),
    successes=3,
    failures=1,
    unseen_successes=2,
    unseen_failures=1,
    size=64,
    finetune_settings=("steps=4", "batch=8"),
)


@dataclass(frozen=True)
class Command:
    """One command of ``liv``.

    Attributes:
        name: of what it makes.
        words: after ``liv``.
        may_fail: whether exit code 1 (not recommended) is an outcome too.
    """

    name: str
    words: tuple[str, ...]
    may_fail: bool = False


@dataclass(frozen=True)
class Stores:
    """Where the first model's episodes are."""

    train: Path
    validation: Path


def base(plan: Plan, work: Path, given: Stores | None) -> Iterator[Command]:
    """The first model, which does not know the robot's task; ``given`` are episodes that are there already."""
    stores = given or Stores(work / "train", work / "validation")
    if given is None:
        tasks = ",".join(plan.base_tasks)
        for store, seed, count in ((stores.train, 0, plan.base_episodes), (stores.validation, 300_000, 1)):
            for number, camera in enumerate(("corner2", "corner3")):
                words = ["--tasks", tasks, "--camera", camera, "--seed", str(seed + 1000 * number), "--stride", "5"]
                words += ["--episodes-per-task", str(count), "--outcomes", "success", "--workers", "2"]
                words += [
                    "--size",
                    str(plan.base_size),
                    "--camera-jitter-m",
                    "0.04",
                    "--camera-jitter-deg",
                    "3",
                    "--light-jitter",
                    "0.3",
                ]
                yield Command(f"{store.name}-{camera}", ("episodes", "simulate", "-o", str(store), *words))
    data = ("--data", str(stores.train), "--validation", str(stores.validation))
    config = ("--config", f"training/configs/{plan.base_config}", *settings(plan.base_settings))
    tasks = ("--set", "tasks=" + json.dumps(list(plan.base_tasks)))
    run = work / "base_run"
    resume = ("--resume",) if (run / "config.yaml").exists() else ()
    yield Command("base_run", ("train", *data, "-o", str(run), *config, *tasks, "--set", "threads=1", *resume))
    yield Command("base", ("export", str(run), "-o", str(work / "base"), *data, "--made-by", "make loop"))


def attempts(plan: Plan, work: Path) -> Iterator[Command]:
    """What the robot does with each seed, and what both models are judged by."""
    for seed in plan.seeds:
        store, first = work / f"robot{seed}", ROBOT_SEED + 1000 * seed
        yield _simulate(plan, store, first, plan.successes, ("success",))
        yield _simulate(plan, store, first, plan.failures, FAILURES)
    yield _simulate(plan, work / "unseen", UNSEEN_SEED, plan.unseen_successes, ("success",))
    yield _simulate(plan, work / "unseen", UNSEEN_SEED, plan.unseen_failures, UNSEEN_FAILURES)


def _simulate(plan: Plan, store: Path, seed: int, count: int, outcomes: tuple[str, ...]) -> Command:
    words = ["--tasks", ",".join(NEW_TASKS), "--seed", str(seed), "--episodes-per-task", str(count)]
    words += ["--outcomes", ",".join(outcomes), "--size", str(plan.size), "--stride", str(plan.stride)]
    return Command(f"{store.name}-{outcomes[0]}", ("episodes", "simulate", "-o", str(store), *words))


def finetune(plan: Plan, work: Path, seed: int) -> Command:
    """The fine-tuning on the bag of one seed."""
    words = ["--bags", str(work / f"bag{seed}"), "--from", str(work / "base"), "-o", str(work / f"mine{seed}")]
    words += ["--seed", str(seed), "--set", f"seed={seed}", "--set", "threads=1", *settings(plan.finetune_settings)]
    return Command(f"mine{seed}", ("finetune", *words), may_fail=True)


def settings(changes: tuple[str, ...]) -> tuple[str, ...]:
    """As words of a command line."""
    return tuple(word for change in changes for word in ("--set", change))
