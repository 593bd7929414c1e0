# SPDX-License-Identifier: Apache-2.0
"""A real graph with the page: encoder, reward, monitor, recorder and dashboard nodes, and a video as the camera."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

from liv_model.folders import shipped
from liv_ros.fast_dds import use_profile
from liv_ros.node_process import NodeProcess

IMAGES = "/camera/image/compressed"
CAMERA = {"camera.topic": IMAGES, "camera.transport": "compressed"}
RECORDED = [IMAGES, *(f"/liv/{name}" for name in ("active_goal", "camera/embedding", "camera/reward", "verdict"))]
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05


class LiveGraph:
    """Nodes in processes of their own, apart from other graphs.

    Args:
        folder: for logs, state and bags.
        goal: to begin with.
        goal_set: to score beside it.
        bundles: folder of models to swap among; "" = none.
    """

    def __init__(self, folder: Path, *, goal: str, goal_set: tuple[str, ...] = (), bundles: str = ""):
        self.folder = folder
        self._nodes: dict[str, NodeProcess] = {}
        self._count = 0
        os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        use_profile()
        self._bundles = bundles
        state = str(folder / "state")
        self._start("encoder_node", goal=goal, goal_set=list(goal_set) or [""], state_folder=state, **CAMERA)
        self._start("reward_node", state_folder=state)
        self._start("monitor_node")
        self._start("recorder_node", topics=RECORDED, record_folder=str(folder / "bags"), keep_free_mb=10)
        self.port = 0
        self.start_page()

    def _start(self, name: str, **parameters: object) -> NodeProcess:
        self._count += 1
        log = self.folder / f"{name}_{self._count}.log"
        self._nodes[name] = NodeProcess(name, parameters, log, namespace="/liv")
        return self._nodes[name]

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://localhost:{self.port}/"

    def start_page(self) -> None:
        """Start dashboard_node, on the port that it had before, and wait for its page and the goal."""
        node = self._start("dashboard_node", port=self.port, bundles=self._bundles, **CAMERA)
        said = self._until(lambda: re.search(r"the page: http://localhost:(\d+)/", node.output), "the page")
        self.port = int(said[1])
        self._until(lambda: self.status().get("goal"), "a goal")

    def kill_page(self) -> None:
        """End dashboard_node as a crash would."""
        self._nodes.pop("dashboard_node").kill()

    def play(self, *, loop: bool = False) -> NodeProcess:
        """Play the shipped recording as the camera, once the encoder and a page look."""
        video = str(shipped("examples/door_open"))
        return self._start(
            "video_node", topic=IMAGES, transport="compressed", video=video, loop=loop, wait_for_subscribers=2
        )

    def end_video(self) -> None:
        """The camera is lost."""
        self._nodes.pop("video_node").stop()

    def status(self) -> dict:
        """Of the page's server; {} while it is not up."""
        try:
            with urllib.request.urlopen(self.address + "api/status", timeout=5) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def _until(self, condition, what: str):
        deadline = time.monotonic() + READY_WITHIN_S
        while not (result := condition()):
            for node in self._nodes.values():
                node.require_running()
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {READY_WITHIN_S:.0f} s for {what}; logs in {self.folder}")
            time.sleep(LOOK_EVERY_S)
        return result

    def stop(self) -> list[str]:
        """End all nodes, and return what they printed that is a traceback."""
        for node in reversed(self._nodes.values()):
            node.stop()
        return [log.read_text() for log in self.folder.glob("*.log") if "Traceback" in log.read_text()]
