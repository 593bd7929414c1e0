# SPDX-License-Identifier: Apache-2.0
"""How goals reach the encoder: three topics and two services; and how the accepted one is told and kept."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from liv_model.errors import ConfigError, GoalError, LivError
from liv_model.goal import Goal, ResolvedGoal
from liv_model.goal_store import GoalStore, StoredGoal
from liv_model.loaded_model import LoadedModel
from liv_model.worker import EncoderWorker
from liv_ros.awaitable import awaitable
from liv_ros.camera_input import CameraInput
from liv_ros.messages import LATCHED_QOS, active_goal_message, goal_from_message, goal_message
from liv_ros.msg import ActiveGoal
from liv_ros.msg import Goal as GoalMessage
from liv_ros.parameters import parameter
from liv_ros.srv import GoalFromCamera, SetGoal

LONGEST_ID = 200


class Serving(Protocol):
    """What goals are taken up by: the encoder node."""

    worker: EncoderWorker | None
    model: LoadedModel | None  # changes on the device's thread alone, as does the activation
    activation: str


class GoalInput:
    """Takes goals up on the device's thread and publishes the accepted one on ``active_goal``.

    Args:
        node: the encoder.
        serving: the encoder, too.
        cameras: by name, for goals that a camera shows.
        store: where the last goal is kept.
        session: names one launch: a respawn within it keeps the last goal.

    Attributes:
        active: as it was published last, or None.
        refused: how many goals were.
        last_refusal: why the last one was.
    """

    def __init__(
        self, node: Node, serving: Serving, cameras: Mapping[str, CameraInput], store: GoalStore, session: str
    ):
        self._node, self._serving, self._cameras = node, serving, cameras
        self._store, self._session = store, session
        self._disk = ThreadPoolExecutor(1, "liv_goal_store")  # a slow disk holds up no frame
        self.refused = 0
        self._counting = threading.Lock()  # goals are refused on the executor's and on the device's thread
        self.last_refusal = ""
        self.active: ActiveGoal | None = None
        self._accepted: tuple[StoredGoal, GoalMessage] | None = None
        self._initial = parameter(node, "goal", "", "goal in words to begin with; empty = the last one, kept on disk")
        self._publisher = node.create_publisher(ActiveGoal, "active_goal", LATCHED_QOS)
        self._subscriptions: list[Subscription] = []
        # a group of its own: while an answer is awaited, the node's default group would let nothing else run
        group = ReentrantCallbackGroup()
        node.create_service(SetGoal, "set_goal", self._on_set_goal, callback_group=group)
        node.create_service(GoalFromCamera, "goal/from_camera", self._on_from_camera, callback_group=group)

    def open(self) -> None:
        """Subscribe, and take up the goal to begin with.

        That is the one that was active here; else the last one of this launch, else the one given, else the last one.
        """
        subscribe = self._node.create_subscription
        self._subscriptions = [
            subscribe(GoalMessage, "goal", self._on_goal, 10),
            subscribe(String, "goal/text", self._on_text, 10),
            subscribe(Image, "goal/image", self._on_image, 10),
        ]
        if self._accepted is not None:
            goal, message = self._accepted
            self._take(lambda: goal, message.header)
        else:
            self._restore()

    def close(self) -> None:
        """Subscribe no longer; idempotent."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def finish(self) -> None:
        """Finish what is being written to disk."""
        self._disk.shutdown()

    def resolve_by(self, model: LoadedModel) -> ResolvedGoal | None:
        """What another model makes of the goal, None where there is none; GoalError if it cannot take it."""
        return model.resolver.resolve(self._accepted[0].goal) if self._accepted else None

    def publish_again(self, resolved: ResolvedGoal | None) -> None:
        """Tell of the same goal under the model and activation that now are. To be called by a job."""
        if resolved is not None:
            self._publish(self._accepted[1], resolved)

    def _restore(self) -> None:
        try:
            stored = self._store.load()
        except ConfigError as error:
            self._node.get_logger().warning(str(error))
            stored = None
        respawned = stored is not None and self._session and stored.session == self._session
        if self._initial and not respawned:
            self._take(lambda: StoredGoal("", Goal(self._initial)))
        elif stored is not None:
            self._take(lambda: stored)

    def _on_text(self, message: String) -> None:
        self._take(lambda: StoredGoal("", Goal(message.data)))

    def _on_image(self, message: Image) -> None:
        self._take(lambda: StoredGoal("", goal_from_message(GoalMessage(image=message))))

    def _on_goal(self, message: GoalMessage) -> None:
        self._take(lambda: StoredGoal(_checked_id(message.id), goal_from_message(message)), message.header)

    async def _on_set_goal(self, request: SetGoal.Request, response: SetGoal.Response) -> SetGoal.Response:
        """Answer once the goal is active or refused; the executor goes on meanwhile."""
        goal = request.goal
        return await self._answer(
            lambda: StoredGoal(_checked_id(goal.id), goal_from_message(goal)), goal.header, response
        )

    async def _on_from_camera(
        self, request: GoalFromCamera.Request, response: GoalFromCamera.Response
    ) -> GoalFromCamera.Response:
        return await self._answer(lambda: StoredGoal("", Goal(image=self._view(request.camera))), Header(), response)

    async def _answer(
        self, read: Callable[[], StoredGoal], header: Header, response: SetGoal.Response | GoalFromCamera.Response
    ) -> SetGoal.Response | GoalFromCamera.Response:
        response.familiarity = float("nan")
        try:
            active = await awaitable(self._accept(read(), header), self._node)
        except Exception as error:  # also what a device may raise: the caller is waiting for an answer
            self._refuse(error)
            response.message = str(error)
            return response
        response.accepted, response.goal_id = True, active.goal.id
        response.familiarity, response.message = active.familiarity, active.message
        response.nearest, response.nearest_familiarity = active.nearest, active.nearest_familiarity
        return response

    def _view(self, name: str):
        """What a camera sees now; GoalError if there is no such camera, or it has shown nothing yet."""
        if not name and len(self._cameras) == 1:
            [name] = self._cameras
        if name not in self._cameras:
            raise GoalError("goal from camera", expected=f"one of {', '.join(self._cameras)}", got=repr(name))
        view = self._cameras[name].view()
        if view is None:
            topic = self._cameras[name].topic
            raise GoalError(f"goal from camera {name}", expected=f"a frame on {topic}", got="none so far")
        return view

    def _take(self, read: Callable[[], StoredGoal], header: Header | None = None) -> None:
        """Accept what ``read`` gives; a goal that is refused, at once or by the model, is logged."""
        try:
            self._accept(read(), header or Header()).add_done_callback(self._on_done)
        except LivError as error:
            self._refuse(error)

    def _on_done(self, future: Future) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._refuse(error)

    def _accept(self, asked: StoredGoal, header: Header) -> Future:
        """Have a goal encoded and made active on the device's thread; the future gives the ActiveGoal."""
        if not self._subscriptions:
            remedy = "activate it first, or start it with autostart:=true"
            raise GoalError("goal", expected="an active encoder_node", got="one that is not", remedy=remedy)
        if not (header.stamp.sec or header.stamp.nanosec):
            header.stamp = self._node.get_clock().now().to_msg()
        goal = StoredGoal(asked.id or uuid.uuid4().hex[:12], asked.goal, self._session)
        message = goal_message(goal.id, header, goal.goal)

        def job() -> ActiveGoal:
            resolved = self._serving.model.resolver.resolve(goal.goal)
            self._accepted = (goal, message)
            self._publish(message, resolved)
            self._disk.submit(self._keep, goal)
            return self.active

        return self._serving.worker.submit(job)

    def _publish(self, goal: GoalMessage, resolved: ResolvedGoal) -> None:
        first = self._serving.worker.first_sequence()  # from here on the goal counts
        active = active_goal_message(goal, self._serving.model, self._serving.activation, resolved, first)
        self.active = active
        self._publisher.publish(active)
        name = repr(goal.text) if goal.text else "an image"
        self._node.get_logger().info(f"goal {goal.id}: {name}, familiarity {active.familiarity:.2f}")
        if active.message:
            self._node.get_logger().warning(active.message)

    def _keep(self, stored: StoredGoal) -> None:
        try:
            self._store.save(stored)
        except OSError as error:
            self._node.get_logger().warning(f"the goal will not survive a restart: {error}", throttle_duration_sec=60.0)

    def _refuse(self, error: BaseException) -> None:
        with self._counting:
            self.refused += 1
        self.last_refusal = str(error)
        self._node.get_logger().error(f"goal refused: {error}", throttle_duration_sec=1.0)


def _checked_id(goal_id: str) -> str:
    """An id that may stand in every reward and in the log; GoalError otherwise."""
    if len(goal_id) > LONGEST_ID or not goal_id.isprintable():
        got = f"{len(goal_id)} characters" if goal_id.isprintable() else "some that cannot be printed"
        raise GoalError("goal id", expected=f"at most {LONGEST_ID} printable characters", got=got)
    return goal_id
