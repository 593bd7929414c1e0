# SPDX-License-Identifier: Apache-2.0
"""recorder_node: writes topics into an MCAP bag, as the bytes they came in. For where rosbag2 is not installed."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from liv_model.bags import BagWriter
from liv_model.errors import ConfigError, MediaError
from liv_ros.parameters import parameter
from liv_ros.run import run_node

_QUEUE = 100
_LOOK_EVERY_S = 0.1


class RecorderNode(Node):
    """Subscribes each topic as soon as somebody publishes it, and records it until it is stopped."""

    def __init__(self) -> None:
        super().__init__("recorder_node")
        output = parameter(self, "output", "", "bag folder to make")
        topics = parameter(self, "topics", [""], "names of the topics to record")
        if not output:
            raise ConfigError("parameter output", expected="a folder for the bag", got="nothing")
        self._waiting = {self.resolve_topic_name(topic) for topic in topics if topic}
        if not self._waiting:
            raise ConfigError("parameter topics", expected="at least one topic", got="none")
        self._bag = BagWriter(Path(output).expanduser())
        self.create_timer(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        if not self._waiting:
            return
        for topic, types in self.get_topic_names_and_types():
            publishers = self.get_publishers_info_by_topic(topic) if topic in self._waiting else []
            if publishers:
                self._waiting.discard(topic)
                self._record(topic, types[0], publishers[0].qos_profile)

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
            self.get_logger().error(f"not recorded: {topic}: {error}")
            return

        def write(cdr: bytes) -> None:
            self._bag.write(topic, msgtype, time.time_ns(), cdr)

        self.create_subscription(message_class, topic, write, qos, raw=True)
        self.get_logger().info(f"recording {topic} ({msgtype})")

    def destroy_node(self) -> None:
        """Finish the bag."""
        self._bag.close()
        super().destroy_node()


def _message_class(msgtype: str) -> type:
    """The class of a type such as ``std_msgs/msg/String``; rosidl_runtime_py, which can do this, has no wheel."""
    package, _, name = msgtype.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(RecorderNode, argv)


if __name__ == "__main__":
    sys.exit(main())
