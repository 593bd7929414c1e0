# SPDX-License-Identifier: Apache-2.0
"""recorder_node: writes topics into an MCAP bag, as the bytes they came in. For where rosbag2 is not installed."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from liv_model.bag_writer import FLUSH_EVERY_S, BagWriter
from liv_model.errors import ConfigError, DiskFullError, MediaError
from liv_ros.diagnostics import ERROR, OK, WARN, Diagnostics
from liv_ros.parameters import parameter
from liv_ros.run import run_node

_QUEUE = 100
_LOOK_EVERY_S = 0.1
_MB = 10**6
_STEADY = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time that stands still must not hold a bag up


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
        split_mb = parameter(
            self, "split_mb", 1024, "size of a file, MB, at which the next begins", least=1, most=10**6
        )
        self._keep_free_mb = parameter(
            self, "keep_free_mb", 1024, "free disk, MB, that stays: with less the bag is finished", least=0, most=10**7
        )
        self._bag = BagWriter(
            Path(output).expanduser(), split_bytes=split_mb * _MB, keep_free_bytes=self._keep_free_mb * _MB
        )
        self._folder = Path(output).expanduser()
        self._problem = ""
        self.create_timer(_LOOK_EVERY_S, self._look, clock=_STEADY)
        self.create_timer(FLUSH_EVERY_S / 2, self._flush, clock=_STEADY)
        self._diagnostics = Diagnostics(self, self._health)

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
            stamp_ns = self.get_clock().now().nanoseconds
            self._try(lambda: self._bag.write(topic, msgtype, stamp_ns, cdr))

        self.create_subscription(message_class, topic, write, qos, raw=True)
        self.get_logger().info(f"recording {topic} ({msgtype})")

    def _flush(self) -> None:
        self._try(self._bag.flush)

    def _try(self, record: Callable[[], None]) -> None:
        """Do some recording; a full disk ends it, loudly, and this node alone."""
        if self._bag.is_closed:
            return
        try:
            record()
        except DiskFullError as error:
            self._problem = str(error)
            self.get_logger().fatal(f"recording has stopped: {error}")

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        counts = self._bag.counts
        values: dict[str, object] = {f"messages of {topic}": count for topic, count in counts.items()}
        values["bag"] = self._folder
        values["free disk (MB)"] = round(shutil.disk_usage(self._folder).free / _MB)
        values["topics that nobody publishes"] = ", ".join(sorted(self._waiting))
        if self._problem:
            return ERROR, f"recording has stopped: {self._problem}", values
        return (OK, "recording", values) if counts else (WARN, "nothing to record yet", values)

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
