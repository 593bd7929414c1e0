# SPDX-License-Identifier: Apache-2.0
"""How a planned episode ended, beside how it should have: the scripted policy's success in the same scene.

The success is looked at a little after it is reached, where recordings of it end: that is what networks have learned of
success. Both with what they are valued, so that a search that failed tells what it took for success.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from liv_model.whole_file import replacing
from training.attempt import Settings
from training.live_scene import LiveScene, State
from training.plan_objective import Objective
from training.scene import CONTROL_STEP_S, STEP_LIMIT, scripted_policy

SIDE = 192  # pixels of each picture
_STRIP = 18  # of the line below it
_DONE, _NOT_DONE = (42, 157, 92), (209, 73, 91)


@dataclass(frozen=True)
class Moment:
    """One state of a scene.

    Attributes:
        state: of it.
        value: that the objective gives its picture; None where no value is the objective.
        succeeded: whether the task was done then, or a little before.
    """

    state: State
    value: float | None
    succeeded: bool


@dataclass(frozen=True)
class End:
    """Where an episode ended, and where it should have.

    Attributes:
        task: unversioned name.
        seed: of the scene.
        reached: by the search.
        success: of the scripted policy; None where it fails in this scene.
    """

    task: str
    seed: int
    reached: Moment
    success: Moment | None

    @classmethod
    def of(cls, task: str, seed: int, objective: Objective, state: State) -> End:
        """That of an episode which ended in ``state``."""
        with LiveScene(task, seed, objective.size) as scene:
            policy = scripted_policy(task)
            for _ in range(STEP_LIMIT):
                if scene.act(policy.get_action(scene.observation)):
                    break
            success = None
            if scene.succeeded:
                for _ in range(round(Settings().after_success_s / CONTROL_STEP_S)):
                    scene.act(policy.get_action(scene.observation))
                success = Moment(scene.save(), objective.value_now(scene), succeeded=True)
            scene.restore(state)
            return cls(task, seed, Moment(state, objective.value_now(scene), scene.succeeded), success)

    @property
    def value_of_success(self) -> float | None:
        """None where there is no success, or no value is the objective."""
        return self.success.value if self.success else None


def picture(end: End) -> np.ndarray:
    """Both as the camera sees them, a line below: uint8 (210, 384, 3) RGB; half as wide where there is no success."""
    moments = [("search", end.reached), *([("success", end.success)] if end.success else [])]
    canvas = Image.new("RGB", (len(moments) * SIDE, SIDE + _STRIP), "white")
    draw = ImageDraw.Draw(canvas)
    with LiveScene(end.task, end.seed, SIDE) as scene:
        for column, (name, moment) in enumerate(moments):
            scene.restore(moment.state)
            canvas.paste(Image.fromarray(scene.picture()), (column * SIDE, 0))
            value = "" if moment.value is None else f", value {moment.value:.2f}"
            told = f"{name}{value}" if column else f"{name}{value}, {'done' if moment.succeeded else 'not done'}"
            draw.text((column * SIDE + 4, SIDE + 3), told, fill=_DONE if moment.succeeded else _NOT_DONE)
    return np.asarray(canvas)


def write_picture(end: End, path: Path) -> None:
    """As PNG."""
    with replacing(path) as file:
        Image.fromarray(picture(end)).save(file, format="png")
