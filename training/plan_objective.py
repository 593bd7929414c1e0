# SPDX-License-Identifier: Apache-2.0
"""What a search over action sequences aims at: the value of a picture, the simulator's own reward, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liv_model.errors import ConfigError
from liv_model.value import values
from training.live_scene import UNSEEN, LiveScene
from training.plan_rollouts import Outcomes
from training.representation import NOTHING, Representation, open_representation
from training.tasks import task as find_task

SIMULATOR = "simulator"
RIGHT, OPPOSITE = "right", "opposite"


@dataclass(frozen=True)
class Objective:
    """What makes one sequence of actions better than another.

    Attributes:
        representation: whose value of the last picture counts; None for the simulator's own reward.
        goal: float32 (D,), of the instruction; None likewise.
        is_blind: what is best is drawn by lot.
    """

    representation: Representation | None = None
    goal: np.ndarray | None = None
    is_blind: bool = False

    @property
    def size(self) -> int:
        """Side of the pictures, pixels."""
        return self.representation.size if self.representation else UNSEEN

    @property
    def model(self) -> str | None:
        """Identity of the network, ``name@digest``; None where no value is the objective."""
        return self.representation.encoder.model if self.representation else None

    def score(self, outcomes: Outcomes, rng: np.random.Generator) -> np.ndarray:
        """Float64 (N,), more is better; ``rng`` is the lot."""
        if self.representation is None:
            return rng.random(len(outcomes.rewards)) if self.is_blind else outcomes.rewards
        return self.values(outcomes.pictures)

    def values(self, pictures: np.ndarray) -> np.ndarray:
        """Of pictures uint8 (N, S, S, 3), float64 (N,)."""
        return values(self.representation.see(pictures), self.goal[None])[:, 0]

    def value_now(self, scene: LiveScene) -> float | None:
        """Of what the scene looks like; None where no value is the objective."""
        return float(self.values(scene.picture()[None])[0]) if self.representation else None


def open_objective(
    name: str, task: str, instruction: str, opened: dict[str, Representation], *, threads: int = 1
) -> Objective:
    """An objective by name.

    Args:
        name: ``simulator``, ``nothing`` (what chance does), or as for :func:`open_representation`.
        task: unversioned name.
        instruction: ``right``, ``opposite``, or a text of its own.
        opened: representations that are open already; this one is added.
        threads: as for :func:`open_representation`.

    Raises:
        ConfigError: the task has no opposite; or an instruction for what reads none.
    """
    if name in (SIMULATOR, NOTHING):
        if instruction != RIGHT:
            raise ConfigError("--instruction", expected=f"none, as {name} reads none", got=instruction)
        return Objective(is_blind=name == NOTHING)
    words = find_task(task)
    text = {RIGHT: words.text, OPPOSITE: words.opposite_text}.get(instruction, instruction)
    if text is None:
        raise ConfigError("--instruction", expected=f"one for {task}, which has no opposite", got=instruction)
    if name not in opened:
        opened[name] = open_representation(name, threads=threads)
    return Objective(opened[name], opened[name].encoder.encode_texts([text])[0])
