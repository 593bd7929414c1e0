# SPDX-License-Identifier: Apache-2.0
"""One Meta-World scene: the simulated arm at one task, and pictures of it.

Needs ``metaworld`` and an offscreen OpenGL. Rendering is in software (OSMesa) unless MUJOCO_GL says otherwise.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from liv_model.errors import DataError
from training.tasks import task as find_task
from training.view import View

CONTROL_STEP_S = 0.0125
STEP_LIMIT = 400
TEST_SEED = 100_000  # where the seeds of the scenes begin that nothing is trained in
SIMULATED_STEPS = 500  # after so many Meta-World wants a reset

Act = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Rollout:
    """What the scene did while the arm acted.

    Attributes:
        qpos: float64 (N + 1, nq), joint positions at the start and after each of N control steps.
        mocap_pos: float64 (N + 1, nmocap, 3), metres.
        success_step: the first control step (from 1) after which the task counted as done; None if none did.
    """

    qpos: np.ndarray
    mocap_pos: np.ndarray
    success_step: int | None

    @property
    def steps(self) -> int:
        """Number of control steps N."""
        return len(self.qpos) - 1


@cache
def load_simulator() -> tuple[dict[str, Any], dict[str, Any]]:
    """Import the simulator: Meta-World's environment and policy classes by versioned task name.

    Raises:
        DataError: metaworld is not installed, or nothing can be rendered offscreen.
    """
    _require_metaworld()
    _load_triton_before_mesa()
    _require_rendering()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS
        from metaworld.policies import ENV_POLICY_MAP

    # The scripted policies ask for more than the arm can do and say so at every step; that is how they work.
    warnings.filterwarnings("ignore", message="Constant.s. may be too high")
    return ALL_V3_ENVIRONMENTS, ENV_POLICY_MAP


def _require_metaworld() -> None:
    missing = [name for name in ("mujoco", "metaworld", "packaging") if not _installed(name)]
    if missing:
        raise DataError(
            "Meta-World simulator",
            expected="the Python packages metaworld and packaging",
            got=f"no module {', '.join(missing)}",
            remedy="pip install 'metaworld>=3.1' packaging",
        )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:
        return False


def _load_triton_before_mesa() -> None:
    """Where torch has Triton (CUDA builds), it has to come first: its LLVM crashes on finding Mesa's loaded.

    google-deepmind/mujoco#644: ``import torch`` ends in a segmentation fault after MuJoCo has rendered in software.
    """
    if "mujoco" not in sys.modules and _installed("triton"):
        with suppress(ImportError):
            import triton  # noqa: F401


def _require_rendering() -> None:
    if "mujoco" in sys.modules and "MUJOCO_GL" not in os.environ:  # it would crash when it renders
        raise DataError(
            "offscreen rendering",
            expected="MUJOCO_GL to be set before MuJoCo is imported",
            got="mujoco imported",
            remedy="set MUJOCO_GL=osmesa",
        )
    backend = os.environ.setdefault("MUJOCO_GL", "osmesa")
    try:
        import mujoco

        mujoco.GLContext(16, 16).free()
    except Exception as error:  # each GL loader fails in its own way when its library is not there
        raise DataError(
            "offscreen rendering",
            expected=f"an OpenGL for MUJOCO_GL={backend}",
            got=repr(error),
            remedy="apt install libosmesa6 and set MUJOCO_GL=osmesa (or libegl1 and MUJOCO_GL=egl with a GPU)",
        ) from error


def rng_of(task: str, seed: int) -> np.random.Generator:
    """What is drawn at random in one scene: of its own for each task and seed."""
    return np.random.default_rng([seed, zlib.crc32(task.encode())])


def scripted_policy(task: str) -> Any:
    """A fresh scripted policy for a task: ``get_action(observation (39,)) -> float32 (4,)``, x y z gripper."""
    _, policies = load_simulator()
    return policies[f"{find_task(task).name}-v3"]()


class Scene:
    """A freshly reset scene of one task. The same task, seed and actions give the same rollout.

    Args:
        task: unversioned name.
        seed: what the places of the objects are drawn from.
    """

    def __init__(self, task: str, seed: int):
        environments, _ = load_simulator()
        self.words = find_task(task)
        self._env = env = environments[f"{task}-v3"]()
        env._partially_observable = False
        # Cached while the goal was hidden, it would clip the goal in every observation to zero.
        env.__dict__.pop("sawyer_observation_space", None)
        env._set_task_called = True
        env._freeze_rand_vec = False
        env.seeded_rand_vec = True
        env.seed(seed)
        self._observation, _ = env.reset()

    def roll_out(self, act: Act, steps: int, after_success: int | None = None) -> Rollout:
        """Act for ``steps`` control steps, or until ``after_success`` steps after the task was first done.

        Args:
            act: (observation float64 (39,), step from 0) -> action (4,), each within [-1, 1].
            steps: at most this many control steps of ``CONTROL_STEP_S``.
            after_success: None: success does not end the rollout.
        """
        env, observation, success_step = self._env, self._observation, None
        qpos, mocap_pos = [env.data.qpos.copy()], [env.data.mocap_pos.copy()]
        for step in range(steps):
            action = np.clip(act(observation.copy(), step), -1, 1).astype(np.float32)
            observation, _, _, _, info = env.step(action)
            qpos.append(env.data.qpos.copy())
            mocap_pos.append(env.data.mocap_pos.copy())
            if success_step is None and info["success"]:
                success_step = step + 1
            if success_step and after_success is not None and step + 1 >= success_step + after_success:
                break
        return Rollout(np.array(qpos), np.array(mocap_pos), success_step)

    def render(self, rollout: Rollout, steps: Sequence[int], view: View, height: int, width: int) -> np.ndarray:
        """Pictures of the scene at these control steps of a rollout made in it: uint8 (len(steps), H, W, 3) RGB.

        See :func:`supersampling`.
        """
        import mujoco

        model, data = self._env.model, self._env.data
        scale = supersampling(height, width)
        prepare(model, fine=scale == 1, marker=self.words.marker)
        frames = np.empty((len(steps), height, width, 3), np.uint8)
        model.vis.global_.offheight, model.vis.global_.offwidth = height * scale, width * scale
        with view.set_up(model) as camera, mujoco.Renderer(model, height * scale, width * scale) as renderer:
            for frame, step in zip(frames, steps, strict=True):
                data.qpos[:], data.mocap_pos[:] = rollout.qpos[step], rollout.mocap_pos[step]
                mujoco.mj_forward(model, data)
                frame[:] = shoot(renderer, data, camera, height, width)
        return frames


def supersampling(height: int, width: int) -> int:
    """How many times the size a picture is rendered at.

    Small ones at twice the size and halved by area: sharper than multisampling, and closer to what a camera image looks
    like once it has been brought to the network's size.
    """
    return 2 if max(height, width) <= 256 else 1


def shoot(renderer: Any, data: Any, camera: int, height: int, width: int) -> np.ndarray:
    """What a camera of a scene sees as it is now, the right way up: uint8 (height, width, 3) RGB."""
    renderer.update_scene(data, camera)
    picture = renderer.render()
    if data.cam_xmat[camera].reshape(3, 3)[2, 1] < 0:  # the camera's up points down
        picture = picture[::-1, ::-1]
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)


def prepare(model: Any, fine: bool, marker: bool) -> None:
    """Set up the quality of the pictures and the markers of a MuJoCo model."""
    # Measured with OSMesa at 224 px: 4096 px shadows cost twice the frame, multisampling as much again.
    model.vis.quality.shadowsize = 4096 if fine else 1024
    model.vis.quality.offsamples = 4 if fine else 0
    # Coloured dots show where the goal is: a camera would not see them, and they would give the goal away.
    for site in range(model.nsite):
        if not (marker and model.site(site).name.startswith("goal")):
            model.site_rgba[site, 3] = 0
