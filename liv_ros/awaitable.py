# SPDX-License-Identifier: Apache-2.0
"""A future of another thread as one that a coroutine of rclpy's executor can await."""

from __future__ import annotations

from concurrent.futures import Future

from rclpy.node import Node
from rclpy.task import Future as RosFuture

from liv_model.errors import LivError


def awaitable(future: Future, node: Node) -> RosFuture:
    """Done when ``future`` is, with its result or exception; LivError if it was cancelled."""
    ours = RosFuture(executor=node.executor)
    ours.add_done_callback(lambda _: None)  # without one, being done does not wake the executor

    def hand_over(done: Future) -> None:
        if done.cancelled():
            ours.set_exception(LivError("goal", expected="a running encoder", got="one that is closing"))
        elif (error := done.exception()) is not None:
            ours.set_exception(error)
        else:
            ours.set_result(done.result())

    future.add_done_callback(hand_over)
    return ours
