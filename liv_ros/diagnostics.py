# SPDX-License-Identifier: Apache-2.0
"""A node's line on /diagnostics, once a second; by diagnostic_updater where it is installed, and the same without."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

try:
    import diagnostic_updater
except ImportError:
    diagnostic_updater = None

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
HARDWARE_ID = "liv_ros"
PERIOD_S = 1.0


class Diagnostics:
    """Publishes what ``collect`` tells as ``(level, message, values)``, under the node's full name.

    By diagnostic_updater the node also has its parameters, such as ``diagnostic_updater.period``.
    """

    def __init__(self, node: Node, collect: Callable[[], tuple[bytes, str, dict[str, object]]]):
        self._node = node
        self._collect = collect
        if diagnostic_updater is None:
            self._updater, period_s = None, PERIOD_S
            self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)  # as theirs
        else:
            self._updater = _updater(node)
            period_s = self._updater.period
            self._updater.add(_name(node), self._fill)
        # steady: simulated time that stands still is a time to hear of
        self._timer = node.create_timer(period_s, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publish the node's line now."""
        if self._updater is not None:
            self._updater.force_update()
            return
        status = self._fill(DiagnosticStatus(name=_name(self._node), hardware_id=HARDWARE_ID))
        self._publisher.publish(_array(self._node, [status]))

    def _fill(self, status: DiagnosticStatus) -> DiagnosticStatus:
        status.level, status.message, values = self._collect()
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        return status


def _updater(node: Node):
    """A diagnostic_updater without a timer that names a status as we do: two robots may have nodes of one name."""

    class Updater(diagnostic_updater.Updater):
        def publish(self, statuses):
            told = statuses if isinstance(statuses, list) else [statuses]
            self.publisher.publish(_array(node, [_plain(status) for status in told]))

        def addedTaskCallback(self, task):  # noqa: N802, the name is theirs
            pass  # it would say that all is well before anybody has looked

    updater = Updater(node, period=PERIOD_S)
    node.destroy_timer(updater.timer)  # it goes by the node's clock
    updater.setHardwareID(HARDWARE_ID)
    return updater


def _plain(status: DiagnosticStatus) -> DiagnosticStatus:
    """Theirs is of a class of their own, which does not go into every message."""
    return DiagnosticStatus(**{name: getattr(status, name) for name in DiagnosticStatus.get_fields_and_field_types()})


def _array(node: Node, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    array = DiagnosticArray(status=statuses)
    array.header.stamp = node.get_clock().now().to_msg()
    return array


def _name(node: Node) -> str:
    return node.get_fully_qualified_name().lstrip("/")
