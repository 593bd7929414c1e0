# SPDX-License-Identifier: Apache-2.0
"""What the demo ends with: its recording played again and again as the camera of a live graph, and the page over it."""

from __future__ import annotations

import re
import sys
import time
import webbrowser
from contextlib import ExitStack
from pathlib import Path

from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_model.media import Media
from liv_ros.demo import KEPT
from liv_ros.demo_graph import CAMERA, IMAGES, NAMESPACE, READY_WITHIN_S, RECORDED
from liv_ros.node_process import NodeProcess
from liv_web.server import DEFAULT_PORT, is_free

LOOK_EVERY_S = 0.2


def serve(
    media: Media,
    goal: str,
    bundle: Bundle,
    output: Path,
    *,
    backend: str = "auto",
    precision: str = "auto",
    browser: bool = False,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        media: the recording.
        goal: to begin with, in words.
        bundle: the model.
        output: of the demo; bags that the page records stay there.
        backend: of encoder_node.
        precision: likewise.
        browser: whether to open one.

    Raises:
        LivError: a node has ended.
    """
    with ExitStack() as stack:
        nodes: list[NodeProcess] = []

        def start(name: str, **parameters: object) -> None:
            node = NodeProcess(name, parameters, output / "log" / f"page_{name}.log", namespace=NAMESPACE)
            stack.callback(node.stop)
            nodes.append(node)

        camera = {f"{CAMERA}.topic": IMAGES, f"{CAMERA}.transport": "compressed"}
        model = {"bundle": str(bundle.path)}
        state = str(output / "log")
        start("encoder_node", goal=goal, backend=backend, precision=precision, state_folder=state, **model, **camera)
        start("reward_node", state_folder=state)
        start("monitor_node")
        recorded = [*RECORDED, f"{NAMESPACE}/{CAMERA}/task_state", f"{NAMESPACE}/verdict"]
        start("recorder_node", topics=recorded, record_folder=str(output / KEPT))
        start("dashboard_node", port=DEFAULT_PORT if is_free(DEFAULT_PORT) else 0, **model, **camera)
        bag_topic = {"bag_topic": media.topic} if media.topic else {}
        start("video_node", topic=IMAGES, transport="compressed", video=str(media.path), loop=True, **bag_topic)
        address = _address(nodes)
        print(f"\nThe page, live: {address}\nSet goals there; Ctrl-C ends it.", file=sys.stderr, flush=True)
        if browser:
            webbrowser.open(address)
        _wait(nodes)


def _address(nodes: list[NodeProcess]) -> str:
    """Of the page, as dashboard_node says it."""
    [dashboard] = [node for node in nodes if node.name == "dashboard_node"]
    deadline = time.monotonic() + READY_WITHIN_S
    while not (said := re.search(r"the page: (http\S+)", dashboard.output)):
        dashboard.require_running()
        if time.monotonic() > deadline:
            raise LivError(
                "dashboard_node", expected=f"up within {READY_WITHIN_S:.0f} s", remedy=f"see {dashboard.log}"
            )
        time.sleep(LOOK_EVERY_S)
    return said[1]


def _wait(nodes: list[NodeProcess]) -> None:
    """Until Ctrl-C; LivError where a node ends before."""
    try:
        while True:
            for node in nodes:
                node.require_running()
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        print(file=sys.stderr)
