# SPDX-License-Identifier: Apache-2.0
"""How a simulated scene is looked at: through which camera, how far off its place, and in what light.

No two robots have their camera and their lamps at the same place. A network that saw one camera in one light has
learned that camera; these small changes, the same all through an episode, are what it should not care about.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from liv_model.errors import DataError

DEFAULT_CAMERA = "corner2"
# The stock corner2 stands far off, half the picture is floor. This is where the community puts it.
CAMERA_POSITIONS_M = {"corner2": (0.75, 0.075, 0.7)}
TINT = 0.25  # the colour of the light varies by this share of how much its strength does


@dataclass(frozen=True)
class Jitter:
    """How much the views of episodes differ.

    Attributes:
        camera_m: the camera is off its place by up to this along each axis, metres.
        camera_deg: and turned by up to this about each of its axes, degrees.
        light: each lamp is stronger or weaker by up to this share, and turned by up to as many radians.
    """

    camera_m: float = 0.0
    camera_deg: float = 0.0
    light: float = 0.0


@dataclass(frozen=True)
class View:
    """One view of a scene.

    Attributes:
        camera: name of a camera of the scene.
        shift_m: float64 (3,), metres added to the camera's position.
        turn_rad: float64 (3,), rotation vector in the camera's own axes.
        strength: float64 (lamps, 3), factors on the red, green and blue of each lamp; the first is the headlight.
        lean: float64 (lamps, 3), added to the direction of each lamp before it is normalised.
    """

    camera: str
    shift_m: np.ndarray
    turn_rad: np.ndarray
    strength: np.ndarray
    lean: np.ndarray

    @classmethod
    def draw(cls, camera: str, jitter: Jitter, rng: np.random.Generator, lamps: int = 8) -> View:
        """A view through a camera, drawn uniformly within the jitter."""
        grey, tint = rng.uniform(-1, 1, (lamps, 1)), rng.uniform(-TINT, TINT, (lamps, 3))
        return cls(
            camera,
            shift_m=jitter.camera_m * rng.uniform(-1, 1, 3),
            turn_rad=np.deg2rad(jitter.camera_deg) * rng.uniform(-1, 1, 3),
            strength=1 + jitter.light * (grey + tint),
            lean=jitter.light * rng.uniform(-1, 1, (lamps, 3)),
        )

    @classmethod
    def plain(cls, camera: str = DEFAULT_CAMERA) -> View:
        """The camera at its place, in the scene's own light."""
        return cls.draw(camera, Jitter(), np.random.default_rng(0))

    @contextmanager
    def set_up(self, model: Any) -> Iterator[int]:
        """Have a MuJoCo model looked at like this for a while; yields the camera's id.

        Raises:
            DataError: the model has no such camera.
        """
        names = [model.camera(number).name for number in range(model.ncam)]
        if self.camera not in names:
            raise DataError("camera", expected=f"one of {', '.join(names)}", got=repr(self.camera))
        camera_id = names.index(self.camera)
        headlight = model.vis.headlight
        fields = (model.cam_pos, model.cam_quat, model.light_diffuse, model.light_specular, model.light_dir)
        fields += (headlight.ambient, headlight.diffuse)
        before = [values.copy() for values in fields]
        try:
            self._move_camera(model, camera_id)
            self._change_light(model)
            yield camera_id
        finally:
            for values, value in zip(fields, before, strict=True):
                values[:] = value

    def _move_camera(self, model: Any, camera_id: int) -> None:
        import mujoco

        if self.camera in CAMERA_POSITIONS_M:
            model.cam_pos[camera_id] = CAMERA_POSITIONS_M[self.camera]
        model.cam_pos[camera_id] += self.shift_m
        turn, turned = np.zeros(4), np.zeros(4)
        angle = float(np.linalg.norm(self.turn_rad))
        axis = self.turn_rad / angle if angle else np.array([0.0, 0.0, 1.0])
        mujoco.mju_axisAngle2Quat(turn, axis, angle)
        mujoco.mju_mulQuat(turned, model.cam_quat[camera_id], turn)
        model.cam_quat[camera_id] = turned

    def _change_light(self, model: Any) -> None:
        headlight, lamps = model.vis.headlight, model.nlight
        headlight.ambient *= self.strength[0]
        headlight.diffuse *= self.strength[0]
        model.light_diffuse *= self.strength[1 : lamps + 1]
        model.light_specular *= self.strength[1 : lamps + 1]
        direction = model.light_dir + self.lean[1 : lamps + 1]
        model.light_dir[:] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
