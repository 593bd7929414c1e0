# SPDX-License-Identifier: Apache-2.0
"""How goals reach the encoder: three topics and a service; and how the accepted one is told and kept."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future as RosFuture
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from liv_model.errors import ConfigError, LivError
from liv_model.folders import state_folder
from liv_model.goal import Goal, GoalResolver
from liv_model.goal_store import GoalStore, StoredGoal
from liv_model.worker import EncoderWorker
from liv_ros.messages import LATCHED_QOS, active_goal_message, goal_from_message, goal_message
from liv_ros.msg import ActiveGoal
from liv_ros.msg import Goal as GoalMessage
from liv_ros.parameters import parameter
from liv_ros.srv import SetGoal


class GoalInput:
    """Takes goals up on the device's thread and publishes the accepted one on ``active_goal``.

    Args:
        node: the encoder.
        resolver: encodes goals; used on the device's thread only.
        model: identity of the model.
        activation: of the encoder.
        worker: whose thread encodes.
    """

    def __init__(self, node: Node, resolver: GoalResolver, model: str, activation: str, worker: EncoderWorker):
        self._node = node
        self._resolver = resolver
        self._model, self._activation = model, activation
        self._worker = worker
        self._disk = ThreadPoolExecutor(1, "liv_goal_store")  # a slow disk holds up no frame
        self.refused = 0
        self._counting = threading.Lock()  # goals are refused on the executor's and on the device's thread
        self.last_refusal = ""
        self.active: ActiveGoal | None = None
        self._initial = parameter(node, "goal", "", "goal in words to begin with; empty = the last one, kept on disk")
        self._session = parameter(node, "session", "", "names one launch: a respawn within it keeps the last goal")
        folder = parameter(node, "state_folder", "", "where the last goal is kept; empty = ~/.local/state/liv_ros")
        self._store = GoalStore(_store_file(folder, node))
        self._publisher = node.create_publisher(ActiveGoal, "active_goal", LATCHED_QOS)
        node.create_subscription(GoalMessage, "goal", self._on_goal, 10)
        node.create_subscription(String, "goal/text", self._on_text, 10)
        node.create_subscription(Image, "goal/image", self._on_image, 10)
        # a group of its own: while the answer is awaited, the node's default group would let nothing else run
        group = ReentrantCallbackGroup()
        node.create_service(SetGoal, "set_goal", self._on_set_goal, callback_group=group)

    def restore(self) -> None:
        """Take up the goal to begin with: the last one of this launch, else the one given, else the last one."""
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
        self._take(lambda: StoredGoal(message.id, goal_from_message(message)), message.header)

    async def _on_set_goal(self, request: SetGoal.Request, response: SetGoal.Response) -> SetGoal.Response:
        """Answer once the goal is active or refused; the executor goes on meanwhile."""
        response.familiarity = float("nan")
        try:
            goal = StoredGoal(request.goal.id, goal_from_message(request.goal))
            active = await _ros_future(self._accept(goal, request.goal.header), self._node)
        except Exception as error:  # also what a device may raise: the caller is waiting for an answer
            self._refuse(error)
            response.message = str(error)
            return response
        response.accepted, response.goal_id = True, active.goal.id
        response.familiarity, response.message = active.familiarity, active.message
        response.nearest, response.nearest_familiarity = active.nearest, active.nearest_familiarity
        return response

    def _take(self, read: Callable[[], StoredGoal], header: Header | None = None) -> None:
        """Accept what ``read`` gives; a goal that is refused, at once or by the model, is logged."""
        try:
            self._accept(read(), header or Header()).add_done_callback(self._on_accepted)
        except LivError as error:
            self._refuse(error)

    def _on_accepted(self, future: Future) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._refuse(error)

    def _accept(self, asked: StoredGoal, header: Header) -> Future:
        """Have a goal encoded and made active on the device's thread; the future gives the ActiveGoal."""
        if not (header.stamp.sec or header.stamp.nanosec):
            header.stamp = self._node.get_clock().now().to_msg()
        goal = StoredGoal(asked.id or uuid.uuid4().hex[:12], asked.goal, self._session)
        message = goal_message(goal.id, header, goal.goal)

        def job() -> ActiveGoal:
            resolved = self._resolver.resolve(goal.goal)
            first = self._worker.first_sequence()  # from here on the goal counts
            self._activate(active_goal_message(message, self._model, self._activation, resolved, first))
            self._disk.submit(self._keep, goal)
            return self.active

        return self._worker.submit(job)

    def _activate(self, active: ActiveGoal) -> None:
        self.active = active
        self._publisher.publish(active)
        name = repr(active.goal.text) if active.goal.text else "an image"
        self._node.get_logger().info(f"goal {active.goal.id}: {name}, familiarity {active.familiarity:.2f}")
        if active.message:
            self._node.get_logger().warning(active.message)

    def _keep(self, stored: StoredGoal) -> None:
        try:
            self._store.save(stored)
        except OSError as error:
            self._node.get_logger().warning(f"the goal will not survive a restart: {error}", throttle_duration_sec=60.0)

    def close(self) -> None:
        """Finish what is being written."""
        self._disk.shutdown()

    def _refuse(self, error: BaseException) -> None:
        with self._counting:
            self.refused += 1
        self.last_refusal = str(error)
        self._node.get_logger().error(f"goal refused: {error}", throttle_duration_sec=1.0)


def _store_file(folder: str, node: Node) -> Path:
    base = Path(folder).expanduser() if folder else state_folder()
    return base / (node.get_fully_qualified_name().strip("/").replace("/", "_") + "_goal.json")


def _ros_future(future: Future, node: Node) -> RosFuture:
    """A future of the device's thread as one that a coroutine of rclpy's executor can await."""
    awaitable = RosFuture(executor=node.executor)
    awaitable.add_done_callback(lambda _: None)  # without one, being done does not wake the executor

    def hand_over(done: Future) -> None:
        if done.cancelled():
            awaitable.set_exception(LivError("goal", expected="a running encoder", got="one that is closing"))
        elif (error := done.exception()) is not None:
            awaitable.set_exception(error)
        else:
            awaitable.set_result(done.result())

    future.add_done_callback(hand_over)
    return awaitable
