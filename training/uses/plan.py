# SPDX-License-Identifier: Apache-2.0
"""What is compared in both uses: representations, objectives, tasks, scenes, sizes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from training.config import plain
from training.imitate import NOTHING as EYES_SHUT
from training.imitate import STATE
from training.imitate_demos import NOISE, REPEAT, STEPS
from training.plan_cem import Cem
from training.plan_objective import NOTHING, OPPOSITE, RIGHT, SIMULATOR
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
    Row("nothing", "nothing seen (floor)", encoder=EYES_SHUT),
)
_SHIPPED = "the shipped bundle (larger, 112 px, trained on all 50 tasks)"
_CEILING = Row("simulator", "the simulator's own reward (ceiling)", encoder=SIMULATOR)
_BUNDLES = (
    Row("shipped", _SHIPPED, encoder=BUNDLE),
    Row("shipped-wrong", f"{_SHIPPED}, the opposite instruction", encoder=BUNDLE, instruction=OPPOSITE),
)
_FLOOR = Row("nothing", "nothing (chance)", encoder=NOTHING)
KNOWN = (
    _CEILING,
    *_BUNDLES,
    Row("liv", "LIV", LIV),
    Row("wrong", "LIV, the opposite instruction", LIV, instruction=OPPOSITE),
    Row("infonce", "InfoNCE only", INFONCE),
    _FLOOR,
)
NEW = (  # not new to the shipped bundle
    _CEILING,
    Row("liv-tuned", "LIV, fine-tuned", LIV, is_tuned=True),
    Row("liv", "LIV, zero-shot", LIV),
    Row("wrong", "LIV, fine-tuned, the opposite instruction", LIV, is_tuned=True, instruction=OPPOSITE),
    Row("infonce-tuned", "InfoNCE only, fine-tuned", INFONCE, is_tuned=True),
    Row("infonce", "InfoNCE only, zero-shot", INFONCE),
    _FLOOR,
)


@dataclass(frozen=True)
class Course:
    """Tasks to plan, and objectives to plan them with.

    Attributes:
        name: of its files.
        tasks: unversioned names.
        rows: objectives.
    """

    name: str
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Plan:
    """Sizes of both studies.

    Attributes:
        tasks: to imitate; of those that the representations were trained on.
        demonstrations: of each task; one policy for each number.
        seeds: of representations and policies.
        scenes: unseen, of each task, to judge a policy in.
        train_steps: of a policy's optimizer.
        known_tasks: to plan; of those that the networks were trained on.
        new_tasks: to plan; of those that the networks were fine-tuned on.
        shots: episodes of each of these to fine-tune on.
        plan_scenes: of each task; each is planned with the network of another seed.
        sequences: drawn in each iteration of the search.
        horizon: actions of a sequence.
        iterations: of the search.
        execute: actions done before the next search.
        steps: control steps within which a task has to be done.
        bundle_plans: whether the shipped bundle takes part.
        results: the plan of ``make results`` that trains the networks.
    """

    tasks: tuple[str, ...]
    demonstrations: tuple[int, ...]
    seeds: tuple[int, ...]
    scenes: int
    train_steps: int
    known_tasks: tuple[str, ...]
    new_tasks: tuple[str, ...]
    shots: int
    plan_scenes: int
    sequences: int
    horizon: int
    iterations: int
    execute: int
    steps: int
    bundle_plans: bool
    results: results.Plan

    @property
    def courses(self) -> tuple[Course, Course]:
        """Of the second study: the known tasks, and the new ones."""
        known = tuple(row for row in KNOWN if self.bundle_plans or not row.is_bundle)
        return Course("known", self.known_tasks, known), Course("new", self.new_tasks, NEW)

    def network_seed(self, scene: int) -> int:
        """Whose network plans in a scene of this number: of every seed that there is, in turn."""
        return self.results.seeds[scene % len(self.results.seeds)]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, the networks' training and what demonstrations and actions are included: equal plans give equal
        results.
        """
        own = {key: value for key, value in asdict(self).items() if key != "results"}
        trained = {"pretrain": asdict(self.results.pretrain()), "finetune": asdict(self.results.finetune())}
        fixed = {"repeat": REPEAT, "imitate_steps": STEPS, "push": NOISE, "elites": Cem.elites, "spread": Cem.spread}
        return json.loads(json.dumps(plain({**own, **trained, **fixed})))


# About two hours of two cores.
FULL = Plan(
    tasks=("coffee-push", "coffee-pull", "drawer-open", "faucet-close", "door-open", "window-close"),
    demonstrations=(10, 50),
    seeds=(0, 1, 2),
    scenes=10,
    train_steps=3000,
    known_tasks=("drawer-close", "door-close", "window-open", "window-close", "faucet-open", "faucet-close"),
    new_tasks=results.FULL.new_tasks,
    shots=20,
    plan_scenes=3,
    sequences=100,  # twice: 200 a search, the paper's number for Meta-World
    horizon=20,  # the paper's
    iterations=2,
    execute=10,
    steps=120,
    bundle_plans=True,
    results=results.FULL,
)
CHOICE = (  # of the full plan's tasks, for the page
    "To imitate: the six of the networks' ten tasks in which looking helped most, in a trial with ten demonstrations, "
    "the true state and eyes shut, in the scenes of this study; a policy that sees nothing succeeded nearly always in "
    "the other four. To plan: of the known tasks those that need no grasp, nor to reach behind a handle; all the new."
)
# Every step of the way in ten minutes; the figures mean nothing.
QUICK = replace(
    FULL,
    tasks=results.QUICK.tasks,
    demonstrations=(2,),
    seeds=(0, 1),
    scenes=1,
    train_steps=200,
    known_tasks=results.QUICK.tasks[:1],
    new_tasks=results.QUICK.new_tasks,
    shots=2,
    plan_scenes=1,
    sequences=4,
    horizon=5,
    iterations=1,
    execute=5,
    steps=30,
    bundle_plans=False,
    results=results.QUICK,
)
