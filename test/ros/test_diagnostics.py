# SPDX-License-Identifier: Apache-2.0
"""The line on /diagnostics, with and without diagnostic_updater; there is no wheel of it, so a double stands for it."""

import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from liv_ros import diagnostics

pytestmark = pytest.mark.ros


class StatusWrapperDouble(DiagnosticStatus):
    pass


class UpdaterDouble:
    """Does what diagnostic_updater 4 does (_diagnostic_updater.py): parameter, publisher, timer, tasks by name."""

    def __init__(self, node, period=1.0):
        self.tasks, self.lock, self.hwid, self.node = [], threading.Lock(), "", node
        self.publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self.period = node.declare_parameter("diagnostic_updater.period", period).value
        self.timer = node.create_timer(self.period, self.update)

    def add(self, name, fill):
        with self.lock:
            self.tasks.append((name, fill))
            self.addedTaskCallback(name)

    def addedTaskCallback(self, task):  # noqa: N802
        self.publish(StatusWrapperDouble(name=task, message="Node starting up"))

    def setHardwareID(self, hwid):  # noqa: N802
        self.hwid = hwid

    def force_update(self):
        self.update()

    def update(self):
        with self.lock:
            found = [
                fill(StatusWrapperDouble(level=DiagnosticStatus.ERROR, name=name, hardware_id=self.hwid))
                for name, fill in self.tasks
            ]
        self.publish(found)

    def publish(self, statuses):
        statuses = statuses if isinstance(statuses, list) else [statuses]
        for status in statuses:
            status.name = f"{self.node.get_name()}: {status.name}"
        self.publisher.publish(DiagnosticArray(status=statuses))


@pytest.fixture
def published(probe, monkeypatch):
    """What a node of this name publishes, with this in place of diagnostic_updater."""
    import rclpy

    heard, nodes = [], []
    probe.node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)

    def published(name, updater):
        monkeypatch.setattr(diagnostics, "diagnostic_updater", updater)
        node = rclpy.create_node(name, context=probe.context, namespace="/robot")
        nodes.append(node)
        said = (diagnostics.WARN, "no frames", {"camera: frames (Hz)": 0.0, "goal": "g"})
        node.diagnostics = diagnostics.Diagnostics(node, lambda: said)
        probe.executor.add_node(node)  # its timer is what publishes
        return probe.wait(lambda: next((m for m in heard if m.status[0].name == f"robot/{name}"), None), "a line")

    yield published
    for node in nodes:
        node.destroy_node()


@pytest.mark.parametrize("updater", [None, SimpleNamespace(Updater=UpdaterDouble)], ids=["without", "with"])
def test_the_line_is_the_same_with_diagnostic_updater_and_without(published, updater):
    line = published("node", updater)
    assert (line.header.stamp.sec > 0, len(line.status)) == (True, 1)
    assert line.status[0] == DiagnosticStatus(
        level=DiagnosticStatus.WARN,
        name="robot/node",
        message="no frames",
        hardware_id="liv_ros",
        values=[KeyValue(key="camera: frames (Hz)", value="0.0"), KeyValue(key="goal", value="g")],
    )


def test_it_is_told_while_simulated_time_stands_still(probe, monkeypatch):
    """By the steady clock, also where diagnostic_updater's own timer would wait for the node's."""
    import rclpy
    from rclpy.clock import ClockType
    from rclpy.parameter import Parameter

    monkeypatch.setattr(diagnostics, "diagnostic_updater", SimpleNamespace(Updater=UpdaterDouble))
    simulated = Parameter("use_sim_time", value=True)
    node = rclpy.create_node("stood", context=probe.context, parameter_overrides=[simulated])
    try:
        node.diagnostics = diagnostics.Diagnostics(node, lambda: (diagnostics.OK, "", {}))
        assert [timer.clock.clock_type for timer in node.timers] == [ClockType.STEADY_TIME]
        assert node.get_parameter("diagnostic_updater.period").value == diagnostics.PERIOD_S
    finally:
        node.destroy_node()
