# SPDX-License-Identifier: Apache-2.0
"""Where a node keeps what must survive it."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from liv_model.folders import state_folder


def state_file(node: Node, folder: str, what: str) -> Path:
    """``<folder>/<namespace>_<node>_<what>.json``: two robots of one user do not share it.

    Args:
        node: whose state it is.
        folder: as the parameter ``state_folder`` has it; "" is ~/.local/state/liv_ros.
        what: is kept.
    """
    base = Path(folder).expanduser() if folder else state_folder()
    return base / (node.get_fully_qualified_name().strip("/").replace("/", "_") + f"_{what}.json")
