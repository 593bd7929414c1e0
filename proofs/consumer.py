# SPDX-License-Identifier: Apache-2.0
"""A node of the proof itself, in the proof's own process: hears what comes only while it is spun or waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from liv_model.errors import LivError

_LOOK_EVERY_S = 0.05


class Consumer:
    """A node with a ROS context of its own. A context manager.

    Args:
        name: of the node.
        namespace: of the node.
        folder: with the logs of what is listened to: where an error points to.

    Attributes:
        node: to make publishers and subscriptions with.
    """

    node: Node

    def __init__(self, name: str, namespace: str, folder: Path):
        self._name, self._namespace, self._folder = name, namespace, folder
        self._stack = ExitStack()

    def __enter__(self) -> Consumer:
        context = rclpy.Context()
        context.init()
        self._stack.callback(context.shutdown)
        self.node = rclpy.create_node(self._name, context=context, namespace=self._namespace)
        self._stack.callback(self.node.destroy_node)
        self._executor = SingleThreadedExecutor(context=context)
        self._stack.callback(self._executor.shutdown)
        self._executor.add_node(self.node)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def spin(self, seconds: float) -> None:
        """Hear what comes for some seconds."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left_s, _LOOK_EVERY_S))

    def wait(
        self,
        condition: Callable[[], Any],
        what: str,
        within_s: float = 30.0,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Any:
        """Hear what comes until a condition gives something true, and return that.

        Args:
            condition: looked at after everything that comes.
            what: is waited for, for people.
            within_s: seconds.
            meanwhile: called each time; may raise what ends the waiting.

        Raises:
            LivError: it does not come true in time.
        """
        end_s = time.monotonic() + within_s
        while not (result := condition()):
            meanwhile()
            if time.monotonic() > end_s:
                raise LivError(what, expected=f"within {within_s:g} s", got="none", remedy=f"see {self._folder}")
            self._executor.spin_once(timeout_sec=_LOOK_EVERY_S)
        return result
