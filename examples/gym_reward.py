#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LIV as a reward in Gymnasium: a scripted arm does a Meta-World task, and the value of it rises.

`Arm` shows how to make an environment that the shipped model can read: the pictures come from the camera that it was
trained with (Meta-World's stock cameras stand elsewhere, and their pictures come upside down), one for every 37.5 ms.
Needs what training needs (make train-env):

    scripts/run python3 examples/gym_reward.py
    scripts/run python3 examples/gym_reward.py --task window-close --goal "open the window"
"""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium
import numpy as np

from liv_model.errors import LivError
from liv_model.gym import LivReward, load
from training.live_scene import ACTION, OBSERVED, LiveScene
from training.scene import TEST_SEED, load_simulator, scripted_policy
from training.tasks import select_tasks

REPEAT, STEPS = 3, 120  # control steps of 12.5 ms an action; actions an episode


class Arm(gymnasium.Env):
    """One task in a new scene each episode; it ends when the task is done.

    Args:
        task: unversioned Meta-World name.
        size: side of the pictures, pixels: the model's own is enough.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 27}  # noqa: RUF012
    render_mode = "rgb_array"
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVED,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (ACTION,), np.float32)

    def __init__(self, task: str, size: int):
        load_simulator()
        self._task, self._size = task, size
        self._scene: LiveScene | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """A scene that the model was not trained in."""
        super().reset(seed=seed)
        self.close()
        self._scene = LiveScene(self._task, TEST_SEED + int(self.np_random.integers(1000)), self._size)
        return self._scene.observation, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """The reward is the simulator's own."""
        done = self._scene.act(action, REPEAT)
        return self._scene.observation, float(self._scene.reward), done, False, {}

    def render(self) -> np.ndarray:
        """uint8 (size, size, 3) RGB, the right way up."""
        return self._scene.picture()

    def close(self) -> None:
        """Release the renderer."""
        if self._scene is not None:
            self._scene.close()


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="drawer-close", help="unversioned Meta-World name (default: %(default)s)")
    parser.add_argument("--goal", help="an instruction (default: the task's own)")
    parser.add_argument("--seed", type=int, default=0, help="of the scene (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        run(arguments.task, arguments.goal, arguments.seed)
    except LivError as error:
        parser.error(str(error))


def run(name: str, goal: str | None, seed: int) -> None:
    """One episode, a line for every fifth action."""
    [task] = select_tasks([name])
    model, policy = load(), scripted_policy(name)
    arm = gymnasium.wrappers.TimeLimit(Arm(name, model.bundle.image.size), STEPS)
    env = LivReward(arm, model, goal or task.text)
    observation, info = env.reset(seed=seed)
    step, ended, first, total = 0, False, info["liv_value"], 0.0
    while not ended:
        if step % 5 == 0:
            _show(step, info)
        observation, _, done, late, info = env.step(np.clip(policy.get_action(observation), -1, 1))
        step, ended, total = step + 1, done or late, total + info["liv_reward"]
    _show(step, info)
    print(f"{'done' if done else 'not done'} after {step} actions; rewards sum to {total:+.3f}", end=", ")
    print(f"the value rose by {info['liv_value'] - first:+.3f}")
    env.close()
    model.close()


def _show(step: int, info: dict[str, Any]) -> None:
    value = info["liv_value"]
    print(f"{step:4d}  value {value:+.2f}  progress {info['liv_progress']:.2f}  {'#' * round(40 * max(value, 0))}")


if __name__ == "__main__":
    main()
