# SPDX-License-Identifier: Apache-2.0
"""dashboard_node: the teleop page. Set goals, watch rewards, judge and record episodes in any browser.

Pictures are received only while somebody looks. It holds no model and computes no reward: nothing waits for it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rclpy.node import Node

from liv_model.errors import ConfigError
from liv_ros.diagnostics import OK, Diagnostics
from liv_ros.parameters import camera_names, parameter
from liv_ros.run import run_node
from liv_web.access import TOKEN_VARIABLE

if TYPE_CHECKING:
    from liv_ros.live_source import LiveSource

LESS_URGENT = 5  # nice: where the CPU is short, rewards come first


class DashboardNode(Node):
    """Serves the page."""

    def __init__(self) -> None:
        super().__init__("dashboard_node")
        host = parameter(
            self, "host", "127.0.0.1", "address to listen on; on any but this machine's own the page asks for a token"
        )
        port = parameter(self, "port", 8642, "to listen on; 0 = any that is free", least=0, most=65535)
        token = parameter(
            self,
            "token",
            "",
            f"that the page asks for, 16 characters or more; empty = {TOKEN_VARIABLE}, else one is made where it is"
            " needed",
        )
        self._source = self._make_source()
        web_server = _web_server()
        self._server = web_server(self._source, host, port, token or os.environ.get(TOKEN_VARIABLE, ""))
        self._server.start()
        self.get_logger().info(f"the page: {self._server.address}")
        self._diagnostics = Diagnostics(self, self._health)

    def _make_source(self) -> LiveSource:
        bundle = parameter(
            self, "bundle", "", "that the encoder begins with, whose instructions the page suggests; as encoder_node's"
        )
        bundles = parameter(self, "bundles", "", "folder of bundles that can be taken into use; empty = none")
        names = camera_names(self)
        try:
            from liv_ros.live_camera import LiveCamera
            from liv_ros.live_source import LiveSource
            from liv_ros.model_shelf import ModelShelf
        except ImportError as error:
            raise _lacks(error) from error
        self._cameras = {name: LiveCamera(self, name) for name in names}
        return LiveSource(self, self._cameras, ModelShelf(bundle, bundles))

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        viewers = self._server.viewers
        return OK, f"{viewers} looking" if viewers else "nobody looks", {"viewers": viewers, "port": self._server.port}

    def destroy_node(self) -> None:
        """End the page before what it shows."""
        self._server.stop()
        for camera in self._cameras.values():
            camera.close()
        super().destroy_node()


def _web_server():
    try:
        from liv_web.server import WebServer
    except ImportError as error:
        raise _lacks(error) from error
    return WebServer


def _lacks(error: ImportError) -> ConfigError:
    """What a robot without a web server is told; everything else runs without it."""
    remedy = "pip install 'fastapi>=0.110' 'pydantic>=2.5' 'uvicorn>=0.35' 'websockets>=13'"
    return ConfigError("the page", expected="fastapi, uvicorn and websockets", got=error, remedy=remedy)


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    os.nice(LESS_URGENT)
    return run_node(DashboardNode, argv)


if __name__ == "__main__":
    sys.exit(main())
