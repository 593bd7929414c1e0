# SPDX-License-Identifier: Apache-2.0
"""Both studies in pieces of a minute or a few, each a command of its own; the networks come from ``make results``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from training.imitate_demos import REPEAT
from training.representation import RANDOM
from training.results import pieces as results
from training.results.pieces import Piece
from training.results.plan import ROOT
from training.scene import TEST_SEED
from training.uses.plan import IMITATION, Course, Plan, Row

_LIV = "liv_model.cli"
_PICTURE_S = 0.04  # to render one of 64 px on a core, about


def networks(plan: Plan, folder: Path) -> list[Piece]:
    """The pieces of ``make results`` that make the networks of this plan, in its own folder."""
    planned = {plan.network_seed(scene) for scene in range(plan.plan_scenes)}
    wanted = {"simulate-train", "simulate-new", f"subset-{plan.shots}"}
    planning = [row for course in plan.courses for row in course.rows]
    for rows, seeds in ((IMITATION, plan.seeds), (planning, planned)):
        for row, seed in product(filter(lambda row: row.arm, rows), seeds):
            wanted.add(f"pretrain-{results.run_folder(folder, row.arm, seed).name}")
            if row.is_tuned:
                wanted.add(f"finetune-{results.run_folder(folder, row.arm, seed, plan.shots).name}")
    return [piece for piece in results.cut(plan.results, folder) if piece.name in wanted]


def cut(plan: Plan, folder: Path, trained: Path) -> list[Piece]:
    """All pieces of both studies in the order they are best made: after a stop, both are there in part.

    Args:
        plan: what is compared.
        folder: of the results.
        trained: folder of ``make results`` with the networks.
    """
    imitation, planning = _imitation(plan, folder, trained), _planning(plan, folder, trained)
    share = len(imitation) / max(1, len(planning))
    order = [(n, 0, p) for n, p in enumerate(imitation)] + [(n * share, 1, p) for n, p in enumerate(planning)]
    return [*_demonstrations(plan, folder), *(piece for _, _, piece in sorted(order, key=lambda entry: entry[:2]))]


def encoder_of(plan: Plan, row: Row, seed: int, trained: Path) -> str:
    """What ``liv imitate`` and ``liv plan`` call it."""
    if row.arm is None:
        return os.path.relpath(ROOT / row.encoder) if row.is_bundle else row.encoder
    run = results.run_folder(trained, row.arm, seed, plan.shots if row.is_tuned else 0)
    return f"{RANDOM}{run}" if row.is_random else str(run)


def imitation_file(folder: Path, row: Row, count: int, seed: int) -> Path:
    """What one policy achieved."""
    return folder / "imitation" / f"{row.name}-{count}-{seed}.json"


def planning_file(folder: Path, course: Course, row: Row, scene: int) -> Path:
    """What planning achieved in one scene of every task."""
    return folder / "planning" / f"{course.name}-{row.name}-{scene}.jsonl"


def pictures_folder(folder: Path, course: Course, row: Row) -> Path:
    """Where pictures of the ends of planned episodes lie."""
    return folder / "pictures" / f"{course.name}-{row.name}"


def picture_file(folder: Path, course: Course, row: Row, task: str, scene: int) -> Path:
    """One of them."""
    return pictures_folder(folder, course, row) / f"{task}-{TEST_SEED + scene}.png"


def _demonstrations(plan: Plan, folder: Path) -> list[Piece]:
    pieces, size, count = [], plan.results.pretrain().network.image_size, max(plan.demonstrations)
    for task in plan.tasks:
        out = _data(folder) / f"{task}.npz"
        command = ("training.imitate_demos", task, "--count", str(count), "--size", str(size), "-o", str(out))
        guess_s = 5 + 30 * count * _PICTURE_S
        pieces.append(Piece(_demos(task), "demonstrate", command, makes=out, guess_s=guess_s))
    return pieces


def _demos(task: str) -> str:
    return f"demonstrations-{task}"


def _data(folder: Path) -> Path:
    return folder / "demonstrations"


def _imitation(plan: Plan, folder: Path, trained: Path) -> list[Piece]:
    pieces = []
    for seed in plan.seeds:
        for row in IMITATION:
            for count in plan.demonstrations:
                out = imitation_file(folder, row, count, seed)
                options = {
                    "encoder": encoder_of(plan, row, seed, trained),
                    "tasks": ",".join(plan.tasks),
                    "demonstrations": count,
                    "seed": seed,
                    "scenes": plan.scenes,
                    "train-steps": plan.train_steps,
                    "data": _data(folder),
                }
                pieces.append(
                    Piece(
                        f"imitate-{out.stem}",
                        "imitate" if row.arm else "imitate without pictures",
                        (_LIV, "imitate", *_words(options), "-o", str(out)),
                        makes=out,
                        after=tuple(_demos(task) for task in plan.tasks),
                        guess_s=20 + 45 * len(plan.tasks) * plan.scenes * _PICTURE_S,
                    )
                )
    return pieces


def _planning(plan: Plan, folder: Path, trained: Path) -> list[Piece]:
    return [
        _planned(plan, folder, trained, course, row, scene)
        for scene in range(plan.plan_scenes)
        for course in plan.courses
        for row in course.rows
    ]


def _planned(plan: Plan, folder: Path, trained: Path, course: Course, row: Row, scene: int) -> Piece:
    """One scene of every task of a course."""
    out, looks = planning_file(folder, course, row, scene), bool(row.arm or row.is_bundle)
    options = {
        "objective": encoder_of(plan, row, plan.network_seed(scene), trained),
        "tasks": ",".join(course.tasks),
        "instruction": row.instruction,
        "first-scene": scene,
        "scenes": 1,
        "sequences": plan.sequences,
        "horizon": plan.horizon,
        "iterations": plan.iterations,
        "execute": plan.execute,
        "steps": plan.steps,
        "pictures": pictures_folder(folder, course, row),
    }
    searches = plan.steps / plan.execute / REPEAT * len(course.tasks) * 0.7
    return Piece(
        f"plan-{out.stem}",
        "plan" if looks else "plan without pictures",
        (_LIV, "plan", *_words(options), "-o", str(out)),
        makes=out,
        guess_s=10 + searches * plan.sequences * plan.iterations * (_PICTURE_S if looks else 0.01),
    )


def _words(options: dict[str, object]) -> Sequence[str]:
    return [word for key, value in options.items() for word in (f"--{key}", str(value))]
