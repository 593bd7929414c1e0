# SPDX-License-Identifier: Apache-2.0
"""One bag that is being recorded: topics are subscribed as soon as somebody publishes them, until it is finished."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from liv_model.bag_writer import BagWriter
from liv_model.errors import DiskFullError, MediaError

_QUEUE = 100


class BagRecording:
    """Records topics as the bytes they came in.

    Args:
        node: that subscribes.
        folder: of the bag, to make.
        topics: resolved names.
        split_bytes, keep_free_bytes: see :class:`liv_model.bag_writer.BagWriter`.

    Attributes:
        folder: of the bag.
        problem: why it has ended before its time, or "".
        waiting: topics that nobody publishes yet.

    Raises:
        MediaError: the folder holds something, or there is no room.
    """

    def __init__(self, node: Node, folder: Path, topics: Iterable[str], *, split_bytes: int, keep_free_bytes: int):
        self.folder = folder
        self.problem = ""
        self.waiting = set(topics)
        self._node = node
        self._subscriptions: list[Subscription] = []
        self._bag = BagWriter(folder, split_bytes=split_bytes, keep_free_bytes=keep_free_bytes)

    @property
    def counts(self) -> dict[str, int]:
        """Messages by topic."""
        return self._bag.counts

    def look(self) -> None:
        """Subscribe what is published now."""
        if not self.waiting:
            return
        for topic, types in self._node.get_topic_names_and_types():
            publishers = self._node.get_publishers_info_by_topic(topic) if topic in self.waiting else []
            if publishers:
                self.waiting.discard(topic)
                self._record(topic, types[0], publishers[0].qos_profile)

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._try(self._bag.flush)

    def finish(self) -> None:
        """Subscribe no longer, and finish the bag; idempotent."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._bag.close()

    def _record(self, topic: str, msgtype: str, offered: QoSProfile) -> None:
        """Ask for what is offered: a reliable topic is recorded whole, a latched one from its last message on."""
        reliable = offered.reliability == ReliabilityPolicy.RELIABLE
        latched = offered.durability == DurabilityPolicy.TRANSIENT_LOCAL
        qos = QoSProfile(
            depth=_QUEUE,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        try:
            self._bag.add_topic(topic, msgtype, reliable=reliable, latched=latched)
            message_class = _message_class(msgtype)
        except (MediaError, ImportError, AttributeError) as error:
            self._node.get_logger().error(f"not recorded: {topic}: {error}")
            return

        def write(cdr: bytes) -> None:
            stamp_ns = self._node.get_clock().now().nanoseconds
            self._try(lambda: self._bag.write(topic, msgtype, stamp_ns, cdr))

        self._subscriptions.append(self._node.create_subscription(message_class, topic, write, qos, raw=True))
        self._node.get_logger().info(f"recording {topic} ({msgtype})")

    def _try(self, record: Callable[[], None]) -> None:
        """Do some recording; a full disk ends it, loudly, and this bag alone."""
        if self._bag.is_closed:
            return
        try:
            record()
        except DiskFullError as error:
            self.problem = str(error)
            self._node.get_logger().fatal(f"recording has stopped: {error}")


def _message_class(msgtype: str) -> type:
    """The class of a type such as ``std_msgs/msg/String``; rosidl_runtime_py, which can do this, has no wheel."""
    package, _, name = msgtype.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)
