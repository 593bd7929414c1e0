# SPDX-License-Identifier: Apache-2.0
"""One camera of the encoder: its parameters, its subscription, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from liv_ros.fast_dds import profile_hint
from liv_ros.parameters import parameter

TRANSPORTS = ("raw", "compressed")
RELIABILITIES = ("best_effort", "reliable")
WARN_EVERY_S = 10.0


class CameraInput:
    """Subscribes one camera and hands its messages on."""

    def __init__(self, node: Node, name: str, on_image: Callable[[str, Image | CompressedImage], None]):
        """Declare ``<name>.topic`` and its kin, and subscribe.

        Args:
            node: the encoder.
            name: of the camera.
            on_image: called with the name and each message, on the executor's thread.
        """
        self.name = name
        self.lost_in_transport = 0
        self._node = node
        self.topic = parameter(node, f"{name}.topic", "/camera/image_raw", "image topic of this camera")
        transport = parameter(node, f"{name}.transport", "raw", "what the topic carries", choices=TRANSPORTS)
        reliability = parameter(node, f"{name}.reliability", "best_effort", "QoS asked for", choices=RELIABILITIES)
        depth = parameter(node, f"{name}.depth", 1, "QoS history, frames", least=1, most=100)
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy[reliability.upper()]
        )
        message_type = Image if transport == "raw" else CompressedImage
        self._subscription = self._subscribe(message_type, lambda message: on_image(name, message), qos)

    def _subscribe(self, message_type: type, callback: Callable, qos: QoSProfile):
        arguments = (message_type, self.topic, callback, qos)
        try:
            events = SubscriptionEventCallbacks(message_lost=self._on_lost)
            return self._node.create_subscription(*arguments, event_callbacks=events)
        except UnsupportedEventTypeError:  # some middlewares cannot tell
            return self._node.create_subscription(*arguments)

    def _on_lost(self, event) -> None:
        self.lost_in_transport += event.total_count_change
        self._node.get_logger().warning(
            f"{self.name}: {self.lost_in_transport} frames of {self.topic} lost on the way here{profile_hint()}",
            throttle_duration_sec=WARN_EVERY_S,
        )
