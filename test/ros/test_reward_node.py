# SPDX-License-Identifier: Apache-2.0
"""reward_node alone, fed with embeddings of known value: smoothing, calibration, and what it tells of itself."""

import math
from array import array

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros
MODEL = "m@1"


class Feed:
    """Stands where encoder_node would: a goal, and embeddings whose value is as wanted, each a tenth of a second on."""

    def __init__(self, probe, camera="camera"):
        from liv_ros import messages, msg

        self.probe, self.camera = probe, camera
        self.goals = probe.node.create_publisher(msg.ActiveGoal, "active_goal", messages.LATCHED_QOS)
        self.embeddings = probe.node.create_publisher(msg.Embedding, f"{camera}/embedding", 100)
        self.sequence = 0
        self.stamp_ns = 10**15

    def connect(self):
        self.probe.connected(self.goals, 2)
        self.probe.connected(self.embeddings, 2 if self.camera == "camera" else 1)

    def set_goal(self, text="open the drawer", model=MODEL, start=0.1, goal=0.6, image=None, goal_id="g"):
        from liv_ros import msg

        active = msg.ActiveGoal(model=model, activation="a", embedding=array("f", [1, 0]))
        active.value_at_start, active.value_at_goal = start, goal
        active.goal.id, active.goal.text = goal_id, text
        if image is not None:
            active.goal.image = image
        self.goals.publish(active)
        self.probe.wait(lambda: self.probe.told("reward_node", "goal") == goal_id, "the goal to be known")

    def show(self, value, model=MODEL, step_s=0.1, stamp_ns=None):
        """The reward of an embedding of this value."""
        embedding = self.publish(value, model, step_s, stamp_ns)
        return self.probe.reward_of(embedding)

    def publish(self, value, model=MODEL, step_s=0.1, stamp_ns=None, **fields):
        from liv_ros import msg

        self.stamp_ns = self.stamp_ns + round(step_s * 1e9) if stamp_ns is None else stamp_ns
        fields = {"activation": "a", "sequence": self.sequence, **fields}
        self.sequence = fields["sequence"] + 1
        message = msg.Embedding(camera=self.camera, model=model, **fields)
        message.data = array("f", [value, math.sqrt(1 - value * value)])
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.stamp_ns, 10**9)
        self.embeddings.publish(message)
        return message


@pytest.fixture
def feed(probe):
    return Feed(probe)


@pytest.fixture
def begin(feed, start, tmp_path):
    """Start reward_node and connect; state in a folder of the test's own."""

    def begin(**parameters):
        process = start("reward_node", state_folder=str(tmp_path / "state"), **parameters)
        feed.connect()
        return process

    return begin


# --- smoothing -------------------------------------------------------------------------------------------------------


def test_smoothed_values_telescope_and_begin_anew_with_each_episode(probe, feed, begin):
    from std_srvs.srv import Trigger

    begin(**{"camera.smoothing_s": 0.5})
    feed.set_goal()
    rewards = [feed.show(value) for value in (0.0, 0.5, 0.2, 0.9)]
    weight = 1 - math.exp(-0.1 / 0.5)
    assert rewards[1].value == pytest.approx(0.5 * weight, abs=1e-6)
    assert sum(r.reward for r in rewards) == pytest.approx(rewards[-1].value - rewards[0].value, abs=1e-9)
    assert probe.call(Trigger, "reset", Trigger.Request()).success
    again = feed.show(0.9)
    assert (again.is_first, again.value) == (True, pytest.approx(0.9, abs=1e-6))


def test_smoothing_is_changed_while_the_node_runs_and_refused_out_of_range(probe, feed, begin):
    from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
    from rcl_interfaces.srv import SetParameters

    def set_smoothing(seconds):
        value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=seconds)
        request = SetParameters.Request(parameters=[Parameter(name="camera.smoothing_s", value=value)])
        return probe.call(SetParameters, "reward_node/set_parameters", request).results[0]

    begin()
    feed.set_goal()
    assert feed.show(0.1).value == pytest.approx(0.1)
    assert set_smoothing(60.0).successful
    assert feed.show(0.9).value == pytest.approx(0.1, abs=0.01)
    for seconds in (-1.0, 61.0, math.nan):
        answer = set_smoothing(seconds)
        assert not answer.successful
        assert "camera.smoothing_s" in answer.reason


# --- calibration -----------------------------------------------------------------------------------------------------


def calibrate(probe, point, camera=""):
    from liv_ros.srv import Calibrate

    return probe.call(Calibrate, "calibrate", Calibrate.Request(camera=camera, point=point))


START, GOAL = 0, 1


def test_start_and_goal_that_are_shown_count_at_once_and_after_a_restart(probe, feed, begin):
    process = begin()
    feed.set_goal()
    for value in (0.70, 0.72, 0.68):
        first = feed.show(value)
    assert first.progress == 1.0  # by what the model knows
    answer = calibrate(probe, START)
    assert answer.success
    assert "until the goal is shown" in answer.message  # the model's 0.6 does not go with a start at 0.7
    assert math.isnan(feed.show(0.7).progress)
    for _ in range(8):
        feed.show(0.9)
    assert (calibrate(probe, GOAL, "camera").message, feed.show(0.8).progress) == ("", pytest.approx(0.5, abs=1e-3))
    assert not probe.rewards[-1].is_first

    process.stop()
    probe.wait(lambda: not probe.node.count_publishers("/liv/camera/reward"), "the end of the node")
    begin()
    feed.set_goal(goal_id="again")
    assert feed.show(0.8).progress == pytest.approx(0.5, abs=1e-3)
    feed.set_goal("open  the\tdrawer", goal_id="spaced")
    assert feed.show(0.8).progress == pytest.approx(0.5, abs=1e-3)
    feed.set_goal("close the drawer", goal_id="other text")
    assert feed.show(0.8).progress == 1.0
    feed.set_goal(model="m@2", goal_id="other model")
    assert feed.show(0.8, model="m@2").progress == 1.0


def test_a_picture_as_the_goal_is_known_by_its_pixels(probe, feed, begin):
    begin()
    picture = probe.picture(seed=1)
    feed.set_goal("", start=math.nan, goal=0.9, image=picture, goal_id="one")
    feed.show(0.3)
    assert calibrate(probe, START).message == "one picture alone was to be had"
    feed.set_goal("", start=math.nan, goal=0.9, image=probe.picture(seed=2), goal_id="two")
    assert feed.show(0.6).progress == 0.0  # the value at is_first is the start
    feed.set_goal("", start=math.nan, goal=0.9, image=picture, goal_id="three")
    assert feed.show(0.6).progress == pytest.approx(0.5, abs=1e-5)


def test_what_cannot_be_calibrated_is_refused_with_the_reason(probe, feed, begin):
    begin()
    answer = calibrate(probe, START)
    assert (answer.success, "expected an active goal" in answer.message) == (False, True)
    feed.set_goal()
    assert "none since the goal was set" in calibrate(probe, START).message
    feed.show(0.4)
    assert "expected 0 (start) or 1 (goal), got 7" in calibrate(probe, 7).message
    assert "camera: expected camera, got 'wrist'" in calibrate(probe, START, "wrist").message
    assert calibrate(probe, START).success
    answer = calibrate(probe, GOAL)
    assert (answer.success, "got 0.400 at the start and 0.400 at the goal" in answer.message) == (False, True)
    assert feed.show(0.5).progress == pytest.approx(0.5, abs=1e-5)  # from the start shown to the model's goal
    told(probe, "progress 0 at value", "0.4000")
    assert told(probe, "progress 1 at value") == "0.6000"


def test_a_camera_that_has_gone_shows_nothing(probe, monkeypatch):
    """The class in the probe's own node, with a double of the clock."""
    from types import SimpleNamespace

    from liv_model.calibration import Calibration
    from liv_model.errors import ConfigError
    from liv_ros import camera_rewards, msg

    now = SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr(camera_rewards, "time", now)
    camera = camera_rewards.CameraRewards(probe.node, "camera", 0.5)
    camera.begin(msg.ActiveGoal(model=MODEL, activation="a", embedding=array("f", [1, 0])), Calibration())
    camera._on_embedding(msg.Embedding(camera="camera", model=MODEL, activation="a", data=array("f", [1, 0])))
    assert camera.shown().mean == 1
    now.monotonic = lambda: 105.3
    with pytest.raises(ConfigError, match=r"calibrate camera: expected .* got none for 5\.3 s"):
        camera.shown()


def test_with_several_cameras_one_is_to_be_named(probe, feed, begin):
    begin(cameras=["camera", "wrist"])
    assert "expected camera | wrist, got ''" in calibrate(probe, START).message


def test_a_folder_that_cannot_be_written_is_told_and_the_calibration_counts(probe, feed, start, tmp_path):
    (tmp_path / "file").write_text("")
    start("reward_node", state_folder=str(tmp_path / "file"))
    feed.connect()
    feed.set_goal()
    for _ in range(2):
        feed.show(0.2)
    answer = calibrate(probe, START)
    assert answer.success
    assert answer.message.startswith("it will not survive a restart")
    assert feed.show(0.4).progress == pytest.approx(0.5, abs=1e-5)


def test_a_file_of_something_else_is_told_and_stops_nothing(probe, feed, start, tmp_path):
    (tmp_path / "liv_reward_node_calibrations.json").write_text("{")
    process = start("reward_node", state_folder=str(tmp_path))
    feed.connect()
    feed.set_goal()
    assert feed.show(0.35).progress == pytest.approx(0.5, abs=1e-5)
    assert "expected stored calibrations" in process.output


# --- /diagnostics ----------------------------------------------------------------------------------------------------


def told(probe, name, value=None):
    """What it tells under a name, once that is as wanted."""
    key = f"camera: {name}"
    probe.wait(lambda: probe.told("reward_node", key) not in (None, "0", "0.0"), f"{key} to be told")
    if value is not None:
        probe.wait(lambda: probe.told("reward_node", key) == value, f"{key} to be {value}")
    return probe.told("reward_node", key)


def message(probe, text):
    probe.wait(lambda: probe.told("reward_node", "message") == text, f"the message {text!r}")


def test_what_becomes_of_embeddings_is_told_by_cause(probe, feed, begin):
    begin()
    message(probe, "no goal")
    feed.publish(0.1)
    told(probe, "dropped, no goal", "1")
    feed.set_goal()
    feed.publish(0.1, model="m@2")
    feed.publish(0.1, activation="b", sequence=0)
    feed.publish(0.1, sequence=1, step_s=0)
    feed.publish(0.1, sequence=2)
    told(probe, "rewards", "2")
    feed.publish(0.1, sequence=3, step_s=0)
    told(probe, "dropped, stamps out of order", "1")
    message(probe, "camera: no embedding scored: stamps out of order")
    feed.publish(0.1, sequence=7)
    told(probe, "embeddings lost in transport", "3")
    assert told(probe, "dropped, another model or activation") == "2"
    assert told(probe, "embeddings received") == "7"
    message(probe, "camera: no embeddings")


def test_an_embedding_from_before_the_goal_and_a_malformed_one_are_told(probe, feed, begin):
    from liv_ros import msg

    begin()
    goal = msg.ActiveGoal(model=MODEL, activation="a", embedding=array("f", [1, 0]))
    goal.goal.id, goal.cameras, goal.first_sequence = "g", ["camera"], array("Q", [5])
    feed.goals.publish(goal)
    probe.wait(lambda: probe.told("reward_node", "goal") == "g", "the goal")
    feed.publish(0.1, sequence=4)
    told(probe, "dropped, from before the goal", "1")
    message(probe, "camera: no embedding scored: from before the goal")
    feed.embeddings.publish(msg.Embedding(camera="camera", model=MODEL, activation="a", sequence=5))
    told(probe, "dropped, malformed", "1")


def test_rates_and_latency_are_told_of_stamps_of_the_present(probe, feed, begin):
    begin()
    feed.set_goal()

    def shown():
        feed.show(0.1, stamp_ns=probe.node.get_clock().now().nanoseconds)
        return float(probe.told("reward_node", "camera: rewards (Hz)")) > 2

    probe.wait(shown, "a rate")
    assert float(told(probe, "embeddings (Hz)")) > 2
    assert probe.told("reward_node", "camera: latency problem") == ""
    p50, p99 = (float(told(probe, f"latency {p} (ms)")) for p in ("p50", "p99"))
    assert 0 < p50 <= p99 < 2000
    assert probe.told("reward_node", "message") == "scoring"
    assert probe.told("reward_node", "goal in words") == "open the drawer"
    assert probe.told("reward_node", "model") == MODEL


@pytest.mark.parametrize(("ahead_s", "problem"), [(60, "in the future"), (-60, "old on arrival")])
def test_of_other_clocks_no_latency_is_told_but_that_they_differ(probe, feed, begin, ahead_s, problem):
    begin()
    feed.set_goal()
    feed.show(0.1, stamp_ns=probe.node.get_clock().now().nanoseconds + ahead_s * 10**9)
    probe.wait(lambda: problem in (probe.told("reward_node", "camera: latency problem") or ""), "the problem")
    assert probe.told("reward_node", "camera: latency p50 (ms)") == "nan"
