# SPDX-License-Identifier: Apache-2.0
"""What an operator shows as start and goal: the service ``calibrate``, and how its answers are kept."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from liv_model.calibration import Calibration, ShownValue
from liv_model.calibration_store import CalibrationKey, CalibrationStore
from liv_model.errors import ConfigError, LivError
from liv_ros.awaitable import awaitable
from liv_ros.camera_rewards import CameraRewards
from liv_ros.messages import calibration_from_message
from liv_ros.msg import ActiveGoal
from liv_ros.parameters import parameter
from liv_ros.srv import Calibrate
from liv_ros.state_file import state_file

ENDS = {Calibrate.Request.START: "start", Calibrate.Request.GOAL: "goal"}


class OperatorCalibration:
    """Takes the present value of a camera as an end of the active goal's scale, and keeps it by goal and model.

    Args:
        node: reward_node; gets the parameter ``state_folder`` and the service ``calibrate``.
        cameras: by name.
    """

    def __init__(self, node: Node, cameras: Mapping[str, CameraRewards]):
        self._node, self._cameras = node, cameras
        folder = parameter(
            node, "state_folder", "", "where operators' calibrations are kept; empty = ~/.local/state/liv_ros"
        )
        self._store = CalibrationStore(state_file(node, folder, "calibrations"))
        self._disk = ThreadPoolExecutor(1, "liv_calibration_store")  # a slow disk holds up no reward
        self._shown = self._load()
        # a group of its own: while the disk is awaited, the node's default group would let nothing else run
        node.create_service(Calibrate, "calibrate", self._on_calibrate, callback_group=ReentrantCallbackGroup())

    def of(self, goal: ActiveGoal, camera: str) -> Calibration:
        """How the values of a camera read as progress to a goal: as an operator showed it, else as the model knows."""
        return calibration_from_message(goal).overridden(self._shown.get(_key(goal, camera), Calibration()))

    def close(self) -> None:
        """Finish what is being written."""
        self._disk.shutdown()

    def _load(self) -> dict[CalibrationKey, Calibration]:
        try:
            return self._store.load()
        except ConfigError as error:
            self._node.get_logger().warning(f"{error}. The next calibration replaces it")
            return {}

    async def _on_calibrate(self, request: Calibrate.Request, response: Calibrate.Response) -> Calibrate.Response:
        try:
            beware = self._calibrate(request)
        except LivError as error:
            self._node.get_logger().error(str(error))
            response.message = str(error)
            return response
        try:
            await awaitable(self._disk.submit(self._store.save, dict(self._shown)), self._node)
        except Exception as error:  # in use all the same
            beware.append(f"it will not survive a restart: {error}")
        response.success, response.message = True, "; ".join(beware)
        if beware:
            self._node.get_logger().warning(f"calibrated, but {response.message}")
        return response

    def _calibrate(self, request: Calibrate.Request) -> list[str]:
        """Use the present value at once; what to beware of, in words."""
        if request.point not in ENDS:
            raise ConfigError("point", expected="0 (start) or 1 (goal)", got=request.point)
        camera = self._camera(request.camera)
        shown, end = camera.shown(), ENDS[request.point]
        key = _key(camera.goal, camera.camera)
        self._shown[key] = self._shown.get(key, Calibration()).with_end(end, shown)
        now = self.of(camera.goal, camera.camera)
        camera.recalibrate(now)
        self._node.get_logger().info(
            f"{key.camera}: the {end} of {key.goal!r} is at {shown.mean:.4f} (mean of {shown.count}, "
            f"standard deviation {shown.noise:.4f}); progress runs from {now.start:.4f} to {now.goal:.4f}"
        )
        return _beware(now, shown)

    def _camera(self, name: str) -> CameraRewards:
        if not name and len(self._cameras) == 1:
            return next(iter(self._cameras.values()))
        if name not in self._cameras:
            raise ConfigError("camera", expected=" | ".join(self._cameras), got=repr(name))
        return self._cameras[name]


def _beware(now: Calibration, shown: ShownValue) -> list[str]:
    beware = []
    if not now.is_known:
        beware.append("progress is not known until the goal is shown, too")
    elif math.isnan(now.start):
        beware.append("progress counts from each episode's first value until the start is shown, too")
    if shown.count == 1:
        beware.append("one picture alone was to be had")
    return beware


def _key(goal: ActiveGoal, camera: str) -> CalibrationKey:
    text = " ".join(goal.goal.text.split())
    if not text:  # a picture keeps its pixels where the encoder kept it over a restart
        text = f"picture {hashlib.sha256(goal.goal.image.data).hexdigest()[:16]}"
    return CalibrationKey(goal.model, text, camera)
