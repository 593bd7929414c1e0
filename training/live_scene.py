# SPDX-License-Identifier: Apache-2.0
"""A scene that is acted in step by step: what the arm feels, a picture of now, and a state to come back to.

A state is exact: from a restored one the same actions give the same trajectory, bit for bit, in this process or in
another with the scene of the same task and seed (``test_live_scene.py`` holds it for tasks of every kind, and for all
that ``make uses`` plans).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.scene import Scene, prepare, shoot, supersampling
from training.view import View

ACTION = 4  # x, y, z, gripper
FELT = 4  # hand x, y, z in metres, how far the gripper is open in [0, 1]
OBSERVED = 39
UNSEEN = 32  # side of pictures that nobody looks at, pixels


@dataclass(frozen=True)
class State:
    """All that the next step depends on; can be pickled.

    Attributes:
        physics: float64, MuJoCo's integration state, with what its solver begins from.
        python: what Meta-World keeps in attributes of its environment.
    """

    physics: np.ndarray
    python: dict[str, Any]


class LiveScene(Scene):
    """A scene of a task at its beginning. Close it, or use it as a context manager.

    Args:
        task: unversioned name.
        seed: what the places of the objects are drawn from.
        size: side of the pictures, pixels.
        view: how it is looked at (default: the default camera, in the scene's own light).
        supersample: whether small pictures are rendered at twice the size and halved, as those of recordings are.

    Attributes:
        succeeded: whether the task was done after the last step.
        reward: of the simulator for the last step, 0 to 10; 0 before the first.
        rendered: how many pictures were taken.
    """

    def __init__(self, task: str, seed: int, size: int, view: View | None = None, *, supersample: bool = True):
        super().__init__(task, seed)
        self.size, self.rendered = size, 0
        self._scale = supersampling(size, size) if supersample else 1
        self.succeeded, self.reward = False, 0.0
        self._view = view or View.plain()
        self._stack = ExitStack()
        self._renderer: Any = None

    @property
    def observation(self) -> np.ndarray:
        """The true state as the scripted policies see it, float64 (39,): hand, objects, those before, goal."""
        return self._observation.copy()

    @property
    def felt(self) -> np.ndarray:
        """What the arm knows of itself, float32 (4,): hand x, y, z in metres, gripper opening in [0, 1]."""
        return self._observation[:FELT].astype(np.float32)

    def act(self, action: np.ndarray, repeat: int = 1, *, until_done: bool = True) -> bool:
        """Do one action for ``repeat`` control steps, or until the task is done; whether it is.

        Args:
            action: (4,), x y z gripper, each within [-1, 1]; clipped.
            repeat: control steps of ``CONTROL_STEP_S``.
            until_done: False: success does not cut the action short.
        """
        command = np.clip(action, -1, 1).astype(np.float32)
        for _ in range(repeat):
            self._observation, self.reward, _, _, info = self._env.step(command)
            self.succeeded = bool(info["success"])
            if self.succeeded and until_done:
                break
        return self.succeeded

    def save(self) -> State:
        """Everything that the next step depends on."""
        import mujoco

        model, data = self._env.model, self._env.data
        physics = np.empty(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_getState(model, data, physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        python = {name: _copied(value) for name, value in vars(self._env).items() if _is_plain(value)}
        return State(physics, python | {"": (self._observation.copy(), self.succeeded, float(self.reward))})

    def restore(self, state: State) -> None:
        """Go back to a state of a scene of the same task and seed."""
        import mujoco

        model, data = self._env.model, self._env.data
        # twice: what is derived comes from the first, and leaves its mark on what the solver begins from
        mujoco.mj_setState(model, data, state.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        mujoco.mj_forward(model, data)
        mujoco.mj_setState(model, data, state.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        python = dict(state.python)
        observation, self.succeeded, self.reward = python.pop("")
        self._observation = observation.copy()
        vars(self._env).update({name: _copied(value) for name, value in python.items()})

    def picture(self) -> np.ndarray:
        """What the camera sees now, uint8 (size, size, 3) RGB: as :meth:`Scene.render` would show it."""
        import mujoco

        model, data = self._env.model, self._env.data
        if self._renderer is None:
            side = self.size * self._scale
            prepare(model, fine=self.size > 256, marker=self.words.marker)
            model.vis.global_.offheight = model.vis.global_.offwidth = side
            self._camera = self._stack.enter_context(self._view.set_up(model))
            self._renderer = self._stack.enter_context(mujoco.Renderer(model, side, side))
            self.restore(self.save())  # where things are, the moved camera too, is computed anew; nothing else changes
        self.rendered += 1
        return shoot(self._renderer, data, self._camera, self.size, self.size)

    def close(self) -> None:
        """Release the renderer."""
        self._stack.close()
        self._renderer = None

    def __enter__(self) -> LiveScene:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_plain(value: object) -> bool:
    """Whether an attribute is a value of its own: no model, no generator, and no window into MuJoCo's memory."""
    if isinstance(value, np.ndarray):
        return bool(value.flags.owndata)
    return value is None or isinstance(value, (bool, int, float, str, tuple, np.generic))


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value
