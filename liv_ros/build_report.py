# SPDX-License-Identifier: Apache-2.0
"""How far the build of an engine has come, in the node's log: minutes must not look dead, nor be deaf to Ctrl-C."""

from __future__ import annotations

import time

from rclpy.node import Node

from liv_ros.run import StoppedError, is_stopping

EVERY_S = 5.0


class BuildReport:
    """Logs each thing that a build does when it begins, and how far it has come every few seconds.

    Attributes:
        text: what was told last.
    """

    def __init__(self, node: Node, every_s: float = EVERY_S):
        self._logger = node.get_logger()
        self._every_s = every_s
        self._what = ""
        self._told_s = 0.0
        self.text = ""

    def __call__(self, what: str, share: float) -> None:
        """Take note of what is done and the share of it that is, 0..1; StoppedError if the node is to end."""
        if is_stopping():
            raise StoppedError
        now_s = time.monotonic()
        self.text = f"engine, built once: {what}, {share:.0%}"
        if what != self._what or now_s - self._told_s >= self._every_s:
            self._what, self._told_s = what, now_s
            self._logger.info(self.text)
