# SPDX-License-Identifier: Apache-2.0
"""One camera of the encoder: its parameters, its subscription, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.exceptions import NameValidationException
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from liv_model.errors import ConfigError
from liv_model.image import Preprocessing, Region, cut, to_square
from liv_model.rate_limit import RateLimit
from liv_model.rates import GapMeter, RateMeter
from liv_ros.fast_dds import profile_hint
from liv_ros.image_conversion import to_rgb
from liv_ros.messages import stamp_ns
from liv_ros.parameters import parameter

TRANSPORTS = ("raw", "compressed")
RELIABILITIES = ("best_effort", "reliable")
WARN_EVERY_S = 10.0
WHOLE = [0, 0, 0, 0]
CameraMessage = Image | CompressedImage


class CameraInput:
    """Subscribes one camera while it is open, and hands on the messages that are due.

    Args:
        node: the encoder; ``<name>.topic`` and its kin become its parameters.
        name: of the camera.
        on_image: called with the camera and each message, on the executor's thread.

    Attributes:
        name: of the camera.
        topic: as given.
        latest: the newest message, or None.
        lost_in_transport: how many the middleware says it lost.
        over_rate: how many were left out because of ``max_rate_hz``.
        received: how often they come.
        gaps: how many seem to be missing.
    """

    def __init__(self, node: Node, name: str, on_image: Callable[[CameraInput, CameraMessage], None]):
        self.name = name
        self.latest: CameraMessage | None = None
        self.lost_in_transport = self.over_rate = 0
        self.received, self.gaps = RateMeter(), GapMeter()
        self._node, self._on_image = node, on_image
        self._subscription: Subscription | None = None
        self.topic = parameter(node, f"{name}.topic", "/camera/image_raw", "image topic of this camera")
        transport = parameter(node, f"{name}.transport", "raw", "what the topic carries", choices=TRANSPORTS)
        self._type = Image if transport == "raw" else CompressedImage
        reliability = parameter(node, f"{name}.reliability", "best_effort", "QoS asked for", choices=RELIABILITIES)
        depth = parameter(node, f"{name}.depth", 1, "QoS history, frames", least=1, most=100)
        self._qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy[reliability.upper()]
        )
        self._region = self._region_parameter()
        self._limit = RateLimit(0.0)
        self._limit.max_hz = parameter(
            node,
            f"{name}.max_rate_hz",
            0.0,
            "most frames per second (Hz) to encode, by their stamps; 0 = all",
            least=0.0,
            most=1000.0,
            on_change=lambda rate_hz: setattr(self._limit, "max_hz", rate_hz),
        )

    def open(self) -> None:
        """Subscribe; ConfigError for a topic that is no ROS name, or a QoS override of no such policy."""
        options = QoSOverridingOptions.with_default_policies()
        arguments = {"msg_type": self._type, "topic": self.topic, "callback": self._on_message}
        arguments |= {"qos_profile": self._qos, "qos_overriding_options": options}
        try:
            events = SubscriptionEventCallbacks(message_lost=self._on_lost)
            self._subscription = self._node.create_subscription(**arguments, event_callbacks=events)
        except UnsupportedEventTypeError:  # some middlewares cannot tell
            self._subscription = self._node.create_subscription(**arguments)
        except NameValidationException as error:
            raise ConfigError(f"parameter {self.name}.topic", expected="a valid ROS name", got=error) from error
        except (InvalidQosOverridesError, RuntimeError) as error:  # what a policy of no such name raises
            raise ConfigError(f"parameter qos_overrides.{self.topic}", expected="a QoS policy", got=error) from error

    def close(self) -> None:
        """Subscribe no longer; idempotent."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self.latest = None

    def square(self, message: CameraMessage, preprocessing: Preprocessing) -> np.ndarray:
        """What the model reads of a message: uint8 (S, S, 3); ImageError if it is a bad one."""
        return to_square(to_rgb(message), preprocessing, self._region)

    @property
    def is_whole(self) -> bool:
        """Whether it has no region of interest."""
        return self._region is None

    def view(self) -> np.ndarray | None:
        """What this camera sees now, its region alone: uint8 (H, W, 3); None before its first frame."""
        return None if self.latest is None else self.view_of(self.latest)

    def view_of(self, message: CameraMessage) -> np.ndarray:
        """What a message shows, the region alone: uint8 (H, W, 3); ImageError if it is a bad one."""
        rgb = to_rgb(message)
        return rgb if self._region is None else cut(rgb, self._region)

    def _region_parameter(self) -> Region | None:
        what = "part of the picture to look at, in pixels: [x, y, width, height]; [0, 0, 0, 0] = the whole"
        name = f"{self.name}.region_of_interest"
        given = list(parameter(self._node, name, WHOLE, what))
        if given == WHOLE:
            return None
        if len(given) != len(WHOLE) or min(given) < 0 or min(given[2:]) < 1:
            expected = "[x, y, width, height], none below 0, width and height at least 1"
            raise ConfigError(f"parameter {name}", expected=expected, got=given)
        return Region(*given)

    def _on_message(self, message: CameraMessage) -> None:
        self.latest = message
        self.received.add()
        self.gaps.add(stamp_ns(message.header))
        if self._limit.is_due(stamp_ns(message.header)):
            self._on_image(self, message)
        else:
            self.over_rate += 1

    def _on_lost(self, event) -> None:
        self.lost_in_transport += event.total_count_change
        self._node.get_logger().warning(
            f"{self.name}: {self.lost_in_transport} frames of {self.topic} lost on the way here{profile_hint()}",
            throttle_duration_sec=WARN_EVERY_S,
        )
