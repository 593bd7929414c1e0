# SPDX-License-Identifier: Apache-2.0
"""monitor_node over real DDS; the probe stands for encoder_node and reward_node."""

import math
import time

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros

IDLE, PROGRESSING, STALLED, REGRESSING, SUCCEEDED, BLIND = range(6)
PATIENT = {"stall_s": 2.0, "hold_s": 0.5, "success_progress": 0.9, "blind_s": 600.0}
STEP_NS = 50_000_000


class Monitored:
    """The probe with a goal and rewards to publish, and the task states that it hears."""

    def __init__(self, probe, cameras=("camera",)):
        from liv_ros import messages, msg

        self.probe, self.msg = probe, msg
        self.states = {camera: [] for camera in cameras}
        node = probe.node
        for camera in cameras:
            node.create_subscription(msg.TaskState, f"{camera}/task_state", self.states[camera].append, 100)
        self.goal_publisher = node.create_publisher(msg.ActiveGoal, "active_goal", messages.LATCHED_QOS)
        self.rewards = {c: node.create_publisher(msg.Reward, f"{c}/reward", 500) for c in cameras}
        for publisher in self.rewards.values():
            probe.connected(publisher, 2 if publisher.topic == "/liv/camera/reward" else 1)  # the probe listens itself
        self.heard(lambda s: s.state == IDLE, "a first state")
        self.stamp_ns = 10**18

    def heard(self, condition, what, camera="camera", after=0):
        found = lambda: next((s for s in self.states[camera][after:] if condition(s)), None)  # noqa: E731
        return self.probe.wait(found, what)

    def set_goal(self, goal_id, **fields):
        goal = self.msg.ActiveGoal(goal=self.msg.Goal(id=goal_id, text="a task"), model="model@1", activation="one")
        goal.value_at_start, goal.value_at_goal = 0.0, 1.0
        for name, value in fields.items():
            setattr(goal, name, value)
        self.goal_publisher.publish(goal)
        if goal_id:
            self.heard(lambda s: s.goal_id == goal_id, f"goal {goal_id}")

    def reward(self, progress, *, camera="camera", goal_id="goal", is_first=False, model="model@1", value=None):
        reward = self.msg.Reward(camera=camera, goal_id=goal_id, model=model, is_first=is_first, progress=progress)
        reward.value = progress if value is None else value
        self.stamp_ns += STEP_NS
        reward.header.stamp.sec, reward.header.stamp.nanosec = divmod(self.stamp_ns, 10**9)
        reward.header.frame_id = "optical"
        self.rewards[camera].publish(reward)
        self.probe.executor.spin_once(timeout_sec=0.005)
        return reward

    def play(self, *progress, **fields):
        """Some may be lost where the node is slow (depth 10)."""
        return [self.reward(p, **fields) for p in progress]

    def until(self, state, progress, after=0, **fields):
        """The same progress again and again, until a state is heard."""

        def heard():
            self.reward(progress, **fields)
            return next((s for s in self.states["camera"][after:] if s.state == state), None)

        return self.probe.wait(heard, f"state {state}")


@pytest.fixture
def monitored(probe, start):
    start("monitor_node", **PATIENT)
    return Monitored(probe)


def line(begin, end, count):
    return [begin + (end - begin) * i / (count - 1) for i in range(count)]


def test_it_tells_progress_stall_and_success_with_the_stamp_of_the_picture(monitored):
    monitored.set_goal("goal")
    monitored.play(*line(0.0, 0.5, 20))
    told = monitored.until(PROGRESSING, 0.5)
    assert (told.camera, told.goal_id, told.header.frame_id) == ("camera", "goal", "optical")
    stalled = monitored.until(STALLED, 0.5)
    assert stalled.message.startswith("stalled for 2.") and stalled.message.endswith(" s at 0.50")
    assert stalled.progress == pytest.approx(0.5, abs=0.05)
    assert monitored.until(SUCCEEDED, 1.0).progress >= 0.9
    monitored.until(REGRESSING, 0.2)


def test_it_tells_at_every_change_and_once_a_second_otherwise(monitored):
    monitored.set_goal("goal")
    first = monitored.heard(lambda s: s.goal_id == "goal", "the goal")
    assert (first.state, first.message) == (IDLE, "idle: nothing to judge yet")
    arrived = []
    for _ in range(3):
        before = len(monitored.states["camera"])
        monitored.probe.wait(lambda before=before: len(monitored.states["camera"]) > before, "the state again")
        arrived.append(time.monotonic())
    assert arrived[2] - arrived[0] < 4.0  # 2 s on a machine with nothing else to do
    assert len(monitored.states["camera"]) < 20  # and not with every look


def test_a_camera_without_rewards_is_blind_and_comes_back(probe, start):
    start("monitor_node", **{**PATIENT, "blind_s": 0.5})
    monitored = Monitored(probe)
    assert monitored.states["camera"][0].message == "idle: no goal"
    monitored.set_goal("goal")
    blind = monitored.heard(lambda s: s.state == BLIND, "blind")
    assert math.isnan(blind.progress) and math.isnan(blind.rate)
    assert (blind.goal_id, blind.header.frame_id) == ("goal", "")
    assert blind.message.startswith("blind: no usable picture for ")
    assert probe.wait(lambda: probe.told("monitor_node", "message") == "blind: camera", "the diagnostic")
    probe.wait(lambda: monitored.reward(0.4) and monitored.states["camera"][-1].state == IDLE, "sight again")


def test_rewards_of_another_goal_or_model_do_not_count(monitored):
    monitored.set_goal("goal")
    monitored.play(*[1.0] * 30, goal_id="another")
    monitored.play(*[1.0] * 30, model="model@2")
    monitored.play(*line(0, 0.3, 20))
    monitored.until(PROGRESSING, 0.3)
    assert all(s.state in (IDLE, PROGRESSING) for s in monitored.states["camera"])
    probe = monitored.probe
    assert probe.wait(lambda: int(probe.told("monitor_node", "rewards not of the active goal") or 0) > 0, "the count")


def test_a_new_goal_and_an_episode_are_judged_anew_and_no_goal_is_idle(monitored):
    monitored.set_goal("goal")
    monitored.until(SUCCEEDED, 1.0)
    after = len(monitored.states["camera"])
    monitored.reward(0.2, is_first=True)
    monitored.heard(lambda s: s.state == IDLE, "a new episode", after=after)
    monitored.set_goal("next")
    assert monitored.heard(lambda s: s.goal_id == "next", "the next goal").state == IDLE
    monitored.set_goal("")
    assert monitored.heard(lambda s: s.message == "idle: no goal", "no goal", after=after).goal_id == ""


def test_without_calibration_success_is_never_told(monitored):
    monitored.set_goal("goal", value_at_start=math.nan, value_at_goal=math.nan)
    for value in line(0, 0.9, 20):
        monitored.reward(math.nan, value=value)
    stalled = monitored.until(STALLED, math.nan, value=0.9)
    assert math.isnan(stalled.progress)
    assert stalled.message.endswith("success cannot be told")
    assert all(s.state != SUCCEEDED for s in monitored.states["camera"])


def test_thresholds_are_the_models_unless_parameters_say_otherwise(probe, start):
    start("monitor_node", blind_s=600.0, hold_s=0.2)
    monitored = Monitored(probe)
    monitored.set_goal("goal", stall_s=600.0, hold_s=600.0, success_progress=0.5)
    monitored.play(*line(0, 0.4, 10), *[0.4] * 100)
    assert all(s.state in (IDLE, PROGRESSING) for s in monitored.states["camera"])
    monitored.until(SUCCEEDED, 0.6)


def test_each_camera_has_a_state_of_its_own(probe, start):
    start("monitor_node", cameras=["camera", "wrist"], **PATIENT)
    monitored = Monitored(probe, ("camera", "wrist"))
    monitored.set_goal("goal")
    for progress in line(0, 1, 10):
        monitored.reward(0.3 * progress, camera="wrist")
    monitored.until(SUCCEEDED, 1.0)
    wrist = monitored.heard(lambda s: s.state == PROGRESSING, "progress of the other", camera="wrist")
    assert wrist.camera == "wrist"
    assert all(s.state != SUCCEEDED for s in monitored.states["wrist"])


def test_a_bad_parameter_is_one_line(start):
    node = start("monitor_node", stall_s=-1.0)
    assert node.wait(30) == 2
    assert "parameter stall_s: expected 0.0..3600.0, got -1.0" in node.output


def test_beside_the_real_nodes_it_judges_what_they_tell(graph, start):
    """The bundle's thresholds come with the goal: 2.0 s, 0.5 s, 0.9."""
    from liv_ros import msg

    states = []
    start("monitor_node", blind_s=600.0)
    graph.node.create_subscription(msg.TaskState, "camera/task_state", states.append, 100)
    graph.wait(lambda: any(s.goal_id == graph.goals[-1].goal.id for s in states), "the goal")
    picture, stamp_ns = graph.picture(seed=1), 2 * 10**18

    def stalled():
        nonlocal stamp_ns
        stamp_ns += STEP_NS
        picture.header.stamp.sec, picture.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        graph.show(picture)  # the same again and again
        return next((s for s in states if s.state in (STALLED, SUCCEEDED)), None)

    told = graph.wait(stalled, "a stall")
    assert told.goal_id == graph.goals[-1].goal.id
    assert told.message.startswith(("stalled for 2.", "succeeded"))
