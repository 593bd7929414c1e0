# SPDX-License-Identifier: Apache-2.0
"""The life of a node's process: Ctrl-C leaves nothing broken, a user's mistake is one line and exit code 2."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from liv_model.errors import MISTAKE, ConfigError, LivError
from liv_ros.dead_participants import bury_dead_participants

_stop: Future | None = None  # of this process's node


class StoppedError(LivError):
    """A signal came while the node was being made; it ends as it was told to."""

    def __init__(self) -> None:
        super().__init__("told to stop before it had begun")


def is_stopping() -> bool:
    """Whether this process's node has been told to end. For what takes long before it spins."""
    return _stop is not None and _stop.done()


def run_node(
    make: Callable[[], Node], argv: list[str] | None = None, *, ended: Callable[[Node], Future] | None = None
) -> int:
    """Make a node, spin it until it is told to stop or has ended, close it; returns the exit code.

    Args:
        make: the node's class.
        argv: the command line.
        ended: of a node that ends by itself, the future that tells so; its exception may be the LivError that
            ended it.
    """
    global _stop
    stop = _stop = _stop_on_signal()
    node = None
    try:
        init_rclpy(argv)
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if ended is not None:
            ended(node).add_done_callback(lambda _: stop.set_result(None))
        _spin(executor, stop)
        if ended is not None:
            ended(node).result()
    except NameValidationException as error:
        return _mistake(make, ConfigError("name", expected="a valid ROS name", got=error))
    except StoppedError:
        return 0
    except LivError as error:
        return _mistake(make, error)
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _spin(executor: SingleThreadedExecutor, stop: Future) -> None:
    """What ``spin_until_future_complete`` does; that leaves a callback in the future at every turn: 60 MB an hour."""
    stop.add_done_callback(lambda _: executor.create_task(lambda: None))  # a task wakes the executor
    while not stop.done():
        executor.spin_once()


def _stop_on_signal() -> Future:
    """A future that is done at SIGINT or SIGTERM.

    A thread hears of them, since a Python handler does not run while the executor waits. rclpy's own handlers will
    not do: they take the context away while our threads still publish.
    """
    stop = Future()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())  # written to by the signal itself, whatever Python is doing
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)

    def listen(reader: socket.socket, _kept_open: socket.socket) -> None:
        while reader.recv(1):
            stop.set_result(None)

    threading.Thread(target=listen, args=(reader, writer), name="signals", daemon=True).start()
    return stop


def init_rclpy(argv: list[str] | None = None) -> None:
    """``rclpy.init`` without its signal handlers; ConfigError for arguments that it does not take."""
    bury_dead_participants()
    try:
        rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # what it raises has no public name
        raise ConfigError("--ros-args", expected="arguments that rclpy takes", got=error) from error


def _mistake(make: Callable[[], Node], error: LivError) -> int:
    print(f"{make.__name__}: {error}", file=sys.stderr)
    return MISTAKE
