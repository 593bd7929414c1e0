# SPDX-License-Identifier: Apache-2.0
"""A camera for the page: subscribed while somebody looks, its pictures made JPEGs on the viewers' threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rclpy.node import Node

from liv_model.reward import NANOSECONDS
from liv_ros.camera_input import CameraInput, CameraMessage
from liv_ros.messages import stamp_ns
from liv_web.jpeg import message_to_jpeg, to_jpeg
from liv_web.source import Picture

OnPicture = Callable[[Picture], None]


class LiveCamera:
    """One camera of the page.

    Args:
        node: of the page; ``<name>.topic`` and its kin become its parameters.
        name: of the camera.
    """

    def __init__(self, node: Node, name: str):
        self._input = CameraInput(node, name, self._on_image)
        self._jobs: deque[Callable[[], None]] = deque()
        self._wake = node.create_guard_condition(self._do_jobs)
        self._watchers: list[OnPicture] = []
        self._input.open()  # a topic that is no ROS name is said at the start
        self._input.close()

    @property
    def topic(self) -> str:
        """Of its pictures."""
        return self._input.topic

    def watch(self, on_picture: OnPicture) -> Callable[[], None]:
        """Have its pictures, on the executor's thread; what is returned ends it. On any thread."""
        self._on_executor(lambda: self._add(on_picture))
        return lambda: self._on_executor(lambda: self._remove(on_picture))

    def close(self) -> None:
        """Subscribe no longer; on the executor's thread, or when it has ended."""
        self._watchers.clear()
        self._input.close()

    def _on_executor(self, job: Callable[[], None]) -> None:
        """Subscriptions come and go on the thread that waits for them, once it does."""
        self._jobs.append(job)
        self._wake.trigger()

    def _do_jobs(self) -> None:
        while self._jobs:
            self._jobs.popleft()()

    def _add(self, on_picture: OnPicture) -> None:
        if not self._watchers:
            self._input.open()
        self._watchers.append(on_picture)

    def _remove(self, on_picture: OnPicture) -> None:
        if on_picture in self._watchers:
            self._watchers.remove(on_picture)
            if not self._watchers:
                self._input.close()

    def _on_image(self, camera: CameraInput, message: CameraMessage) -> None:
        picture = Picture(stamp_ns(message.header) / NANOSECONDS, lambda: self._jpeg(message))
        for on_picture in self._watchers:
            on_picture(picture)

    def _jpeg(self, message: CameraMessage) -> bytes:
        """As it came, where it is a JPEG and looked at as a whole."""
        return message_to_jpeg(message) if self._input.is_whole else to_jpeg(self._input.view_of(message))
