# SPDX-License-Identifier: Apache-2.0
"""The life of a node's process: Ctrl-C leaves nothing broken, a user's mistake is one line and exit code 2."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from liv_model.errors import MISTAKE, ConfigError, LivError

_LOOK_EVERY_S = 0.1


def run_node(
    make: Callable[[], Node], argv: list[str] | None = None, *, has_ended: Callable[[Node], bool] | None = None
) -> int:
    """Make a node, spin it until it is told to stop or has ended, close it; returns the exit code.

    The signals are ours: rclpy's own handlers take the context away while threads still publish.

    Args:
        make: the node's class.
        argv: the command line.
        has_ended: asked now and then whether the node is done by itself; may raise the LivError that ended it.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    node = None
    try:
        init_rclpy(argv)
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stop.is_set() and not (has_ended and has_ended(node)):
            executor.spin_once(timeout_sec=_LOOK_EVERY_S)
    except NameValidationException as error:
        return _mistake(make, ConfigError("name", expected="a valid ROS name", got=error))
    except LivError as error:
        return _mistake(make, error)
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def init_rclpy(argv: list[str] | None = None) -> None:
    """``rclpy.init`` without its signal handlers; ConfigError for arguments that it does not take."""
    try:
        rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # what it raises has no public name
        raise ConfigError("--ros-args", expected="arguments that rclpy takes", got=error) from error


def _mistake(make: Callable[[], Node], error: LivError) -> int:
    print(f"{make.__name__}: {error}", file=sys.stderr)
    return MISTAKE
