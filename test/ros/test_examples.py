# SPDX-License-Identifier: Apache-2.0
"""The examples as people run them, beside real nodes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros

EXAMPLES = Path(__file__).parents[2] / "examples"
STALLED, SUCCEEDED = 2, 4


@pytest.fixture
def run(tmp_path):
    """Start an example; its output goes to a file."""
    running = []

    def run(name, *words):
        with (tmp_path / f"{name}.log").open("wb") as log:
            command = [sys.executable, str(EXAMPLES / name), *words]
            running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        running[-1].log = tmp_path / f"{name}.log"
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(10)


class Robot:
    """A double of encoder_node and monitor_node: takes every goal, and tells what state the test says."""

    def __init__(self, probe):
        from std_srvs.srv import Trigger

        from liv_ros import msg, srv

        self.probe, self.msg, self.goal_id, self.stops = probe, msg, "", 0
        self.states = probe.node.create_publisher(msg.TaskState, "camera/task_state", 10)
        probe.node.create_service(srv.SetGoal, "set_goal", self._on_goal)
        probe.node.create_service(Trigger, "/arm/stop", self._on_stop)

    def _on_goal(self, request, response):
        response.accepted = bool(request.goal.text)
        response.goal_id = self.goal_id = "goal-1"
        response.message = "" if response.accepted else "expected a text, got none"
        return response

    def _on_stop(self, request, response):
        self.stops, response.success = self.stops + 1, True
        return response

    def tell_until_ended(self, process, state, message, goal_id="goal-1"):
        def ended():
            self.states.publish(self.msg.TaskState(camera="camera", goal_id=goal_id, state=state, message=message))
            self.probe.executor.spin_once(timeout_sec=0.05)
            return process.poll() is not None

        self.probe.wait(ended, "the supervisor to end")
        return process.returncode


@pytest.mark.parametrize("name", ["supervisor.py", "policy_from_embeddings.py"])
def test_help(name):
    told = subprocess.run([sys.executable, str(EXAMPLES / name), "--help"], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and "--camera" in told.stdout and f"python3 examples/{name}" in told.stdout


def test_the_supervisor_aborts_on_stalled_and_stops_the_robot(probe, run):
    robot = Robot(probe)
    process = run("supervisor.py", "open the drawer", "--abort-service", "/arm/stop", "--lost-s", "60")
    probe.wait(lambda: robot.goal_id, "the goal")
    assert robot.tell_until_ended(process, STALLED, "stalled for 2.3 s at 0.41") == 1
    assert "aborted: stalled for 2.3 s at 0.41" in process.log.read_text()
    assert robot.stops == 1


def test_the_supervisor_ends_well_with_success(probe, run):
    robot = Robot(probe)
    process = run("supervisor.py", "open the drawer", "--lost-s", "60")
    probe.wait(lambda: robot.goal_id, "the goal")
    assert robot.tell_until_ended(process, SUCCEEDED, "succeeded for 0.0 s, at 0.97") == 0
    assert "succeeded: succeeded for 0.0 s, at 0.97" in process.log.read_text()


def test_the_supervisor_aborts_when_nobody_speaks_and_says_what_was_refused(probe, run):
    Robot(probe)
    silent = run("supervisor.py", "open the drawer", "--lost-s", "0.5")
    probe.wait(lambda: silent.poll() is not None, "the supervisor to end")
    assert silent.returncode == 1 and "no task state for 0.5 s" in silent.log.read_text()
    refused = run("supervisor.py", "")
    probe.wait(lambda: refused.poll() is not None, "the supervisor to end")
    assert refused.returncode == 2 and "refused: expected a text" in refused.log.read_text()


def test_the_policy_acts_on_embeddings_and_stands_still_without(graph, run):
    from geometry_msgs.msg import Twist

    commands = []
    graph.node.create_subscription(Twist, "cmd_vel", commands.append, 10)
    run("policy_from_embeddings.py", "--stale-s", "1.0")
    graph.wait(lambda: graph.node.count_publishers("/liv/cmd_vel"), "the policy")

    def moves():
        now_ns = graph.node.get_clock().now().nanoseconds
        graph.show(graph.picture(stamp_ns=now_ns))
        return next((c for c in commands if c.linear.x != 0), None)

    moving = graph.wait(moves, "a command")
    assert abs(moving.linear.x) <= 0.1
    count = len(commands)
    graph.wait(lambda: any(c.linear.x == 0 for c in commands[count:]), "standing still once no picture comes")
