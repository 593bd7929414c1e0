# SPDX-License-Identifier: Apache-2.0
"""What is compared in both uses: representations, objectives, tasks, scenes, sizes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from training.imitate import STATE
from training.plan import NOTHING, OPPOSITE, RIGHT, SIMULATOR
from training.results import plan as results
from training.results.plan import INFONCE, LIV, VIP_IMAGE, Arm

BUNDLE = "models/metaworld"
RANDOM_ARM = "random"


@dataclass(frozen=True)
class Row:
    """One representation or objective.

    Attributes:
        name: of its files.
        label: in the document.
        arm: of ``make results``, whose networks of each seed it is; None for something else.
        encoder: that something else: what ``liv imitate`` and ``liv plan`` call it.
        is_random: the arm's network with the weights that it begins with.
        is_tuned: planning: fine-tuned on a few episodes of the tasks.
        instruction: planning: right or opposite.
    """

    name: str
    label: str
    arm: Arm | None = None
    encoder: str = ""
    is_random: bool = False
    is_tuned: bool = False
    instruction: str = RIGHT

    @property
    def is_bundle(self) -> bool:
        """Whether it is the shipped bundle, whose pictures are larger: a further row, which others do not wait for."""
        return self.encoder == BUNDLE


IMITATION = (
    Row("liv", "LIV", LIV),
    Row("infonce", "InfoNCE only", INFONCE),
    Row("vip-image", "VIP-image only", VIP_IMAGE),
    Row("random", "random weights", LIV, is_random=True),
    Row("state", "true state (ceiling)", encoder=STATE),
)
_SHIPPED = "the shipped bundle (larger, 112 px, trained on all 50 tasks)"
SHIPPED = Row("shipped", _SHIPPED, encoder=BUNDLE)
SHIPPED_WRONG = Row("shipped-wrong", f"{_SHIPPED}, the opposite instruction", encoder=BUNDLE, instruction=OPPOSITE)
PLANNING = (
    Row("simulator", "the simulator's own reward (ceiling)", encoder=SIMULATOR),
    Row("liv-tuned", "LIV, fine-tuned", LIV, is_tuned=True),
    Row("liv", "LIV, zero-shot", LIV),
    Row("wrong", "LIV, fine-tuned, the opposite instruction", LIV, is_tuned=True, instruction=OPPOSITE),
    Row("infonce-tuned", "InfoNCE only, fine-tuned", INFONCE, is_tuned=True),
    Row("infonce", "InfoNCE only, zero-shot", INFONCE),
    Row("nothing", "nothing (chance)", encoder=NOTHING),
)


@dataclass(frozen=True)
class Plan:
    """Sizes of both studies.

    Attributes:
        tasks: to imitate; among those that the representations were trained on.
        demonstrations: of each task; one policy for each number.
        seeds: of representations and policies.
        scenes: unseen, of each task, to judge a policy in.
        train_steps: of a policy's optimizer.
        new_tasks: to plan; not among those that the representations were trained on.
        shots: episodes of each new task to fine-tune on.
        plan_scenes: of each new task; each is planned with the network of another seed.
        sequences: drawn in each iteration of the search.
        horizon: actions of a sequence.
        iterations: of the search.
        execute: actions done before the next search.
        steps: control steps within which a task has to be done.
        bundle_imitates: whether the shipped bundle takes part in the first study.
        bundle_plans: likewise in the second.
        results: the plan of ``make results`` that trains the networks.
    """

    tasks: tuple[str, ...]
    demonstrations: tuple[int, ...]
    seeds: tuple[int, ...]
    scenes: int
    train_steps: int
    new_tasks: tuple[str, ...]
    shots: int
    plan_scenes: int
    sequences: int
    horizon: int
    iterations: int
    execute: int
    steps: int
    bundle_imitates: bool
    bundle_plans: bool
    results: results.Plan

    @property
    def imitation(self) -> tuple[Row, ...]:
        """Rows of the first study."""
        return (*IMITATION, SHIPPED) if self.bundle_imitates else IMITATION

    @property
    def planning(self) -> tuple[Row, ...]:
        """Rows of the second study."""
        return (*PLANNING[:1], SHIPPED, SHIPPED_WRONG, *PLANNING[1:]) if self.bundle_plans else PLANNING

    def network_seed(self, scene: int) -> int:
        """Whose network plans in a scene of this number: of every seed that there is, in turn."""
        return self.results.seeds[scene % len(self.results.seeds)]

    def to_dict(self) -> dict[str, Any]:
        """Plain types: equal plans give equal results. What of `make results` it does not need is left out."""
        own = {key: value for key, value in asdict(self).items() if key != "results"}
        return json.loads(json.dumps(own))


# About four hours of two cores; planning as in the paper: 200 sequences, horizon 20.
FULL = Plan(
    tasks=("drawer-open", "drawer-close", "window-open", "window-close", "door-open", "door-close"),
    demonstrations=(3, 10, 50),  # with three, the representation matters most
    seeds=(0, 1, 2),
    scenes=10,
    train_steps=3000,
    new_tasks=results.FULL.new_tasks,
    shots=20,
    plan_scenes=3,
    sequences=200,
    horizon=20,
    iterations=2,
    execute=10,
    steps=150,
    bundle_imitates=True,
    bundle_plans=True,
    results=results.FULL,
)
# The same comparison for an hour of one core: fewer scenes and seeds, and a search of a tenth of the pictures.
SMALL = replace(FULL, seeds=(0,), scenes=4, plan_scenes=3, sequences=24, execute=15, steps=120, bundle_imitates=False)
# Every step of the way in ten minutes; the figures mean nothing.
QUICK = replace(
    FULL,
    tasks=results.QUICK.tasks,
    demonstrations=(2,),
    seeds=(0, 1),
    scenes=1,
    train_steps=200,
    new_tasks=results.QUICK.new_tasks,
    shots=2,
    plan_scenes=1,
    sequences=4,
    horizon=5,
    iterations=1,
    execute=5,
    steps=20,
    bundle_imitates=False,
    bundle_plans=False,
    results=results.QUICK,
)
PLANS = {"full": FULL, "small": SMALL, "quick": QUICK}
