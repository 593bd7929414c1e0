# SPDX-License-Identifier: Apache-2.0
"""The life of a node's process: Ctrl-C leaves nothing broken, a user's mistake is one line and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from liv_model.errors import LivError

MISTAKE = 2


def run_node(make: Callable[[], Node], argv: list[str] | None = None) -> int:
    """Make a node, spin it until it is told to stop, close it; returns the exit code."""
    rclpy.init(args=argv)
    node = None
    try:
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except LivError as error:
        print(f"{make.__name__}: {error}", file=sys.stderr)
        return MISTAKE
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
