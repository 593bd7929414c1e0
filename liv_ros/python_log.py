# SPDX-License-Identifier: Apache-2.0
"""What liv_model logs, in the node's own log: liv_model knows no ROS and logs the way any Python library does."""

from __future__ import annotations

import logging

from rclpy.node import Node

SOURCE = "liv_model"


class PythonLog(logging.Handler):
    """Hands the lines of a Python logger to a node's logger, until it is closed."""

    def __init__(self, node: Node, source: str = SOURCE):
        super().__init__(logging.INFO)
        self._node_logger = node.get_logger()
        self._source = logging.getLogger(source)
        self._source.setLevel(logging.INFO)
        self._source.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a line with its severity; each has a place of its own, since rclpy ties a severity to a line of code."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._node_logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._node_logger.warning(text)
        else:
            self._node_logger.info(text)

    def close(self) -> None:
        """Listen no longer."""
        self._source.removeHandler(self)
        super().close()
