# SPDX-License-Identifier: Apache-2.0
"""encoder_node's states, and what may change while it runs: its model, its goal, the rate of a camera."""

import pytest
from tiny_bundle import make_bundle

pytestmark = pytest.mark.ros


@pytest.fixture
def change(probe):
    """Ask encoder_node for a transition; whether it was made."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    def change(name):
        transition = Transition(id=getattr(Transition, f"TRANSITION_{name.upper()}"))
        return probe.call(ChangeState, "encoder_node/change_state", ChangeState.Request(transition=transition)).success

    return change


def load(probe, path):
    from liv_ros.srv import LoadBundle

    return probe.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(path)))


def set_parameter(probe, name, value):
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    [result] = probe.call(SetParameters, "encoder_node/set_parameters", request).results
    return result


def test_the_way_through_all_states_and_back(probe, start, change):
    from liv_ros.msg import Goal
    from liv_ros.srv import SetGoal

    start("encoder_node", autostart=False)
    refused = probe.call(SetGoal, "set_goal", SetGoal.Request(goal=Goal(text="open the drawer")))
    assert not refused.accepted
    assert "expected an active encoder_node" in refused.message
    assert not load(probe, "").success
    assert not change("activate")  # not from here
    assert change("configure")
    assert probe.camera.get_subscription_count() == 0
    assert change("activate")
    probe.connected(probe.camera)
    first = probe.show()
    goal = probe.set_goal("open the drawer")
    assert goal.activation == first.activation
    assert change("deactivate")
    probe.wait(lambda: probe.camera.get_subscription_count() == 0, "the camera to be left")
    assert change("activate")
    probe.connected(probe.camera)
    again = probe.wait(lambda: [g for g in probe.goals if g.activation != goal.activation], "the goal anew")[0]
    assert (again.goal.id, again.goal.text) == (goal.goal.id, "open the drawer")
    embedding = probe.show()
    assert (embedding.activation, embedding.sequence) == (again.activation, 0)
    assert change("deactivate")
    assert change("cleanup")
    assert change("configure")
    assert change("activate")
    probe.connected(probe.camera)
    assert probe.show().activation not in (first.activation, embedding.activation)
    assert change("active_shutdown")


def test_a_bundle_that_cannot_be_loaded_leaves_it_unconfigured_and_says_why(probe, start, change, tmp_path):
    node = start("encoder_node", autostart=False, bundle=str(tmp_path / "none"))
    assert not change("configure")
    probe.wait(lambda: "expected a bundle folder" in node.output, "the reason in the log")
    probe.wait(lambda: "expected a bundle folder" in (probe.told("encoder_node", "message") or ""), "the reason told")
    assert not change("configure")


def test_another_model_comes_into_use_between_two_frames(graph, tmp_path):
    before = graph.show()
    other = make_bundle(tmp_path / "other", seed=1)
    answer = load(graph, other.path)
    assert (answer.success, answer.model, answer.message) == (True, other.identity, "")
    goal = graph.wait(lambda: [g for g in graph.goals if g.model == other.identity], "the goal by the other model")[0]
    assert goal.goal.text == "open the drawer"
    assert goal.activation != before.activation
    after = graph.show()
    assert (after.model, after.activation, after.sequence) == (other.identity, goal.activation, 0)
    reward = graph.reward_of(after)
    assert (reward.is_first, reward.model, reward.goal_id) == (True, other.identity, goal.goal.id)


def test_a_respawned_encoder_goes_on_with_the_last_model_and_goal(probe, start, tmp_path, bundle):
    first = start("encoder_node", session="a launch")
    probe.connected(probe.camera)
    goal = probe.set_goal("open the drawer")
    other = make_bundle(tmp_path / "other", seed=1)
    assert load(probe, other.path).success
    probe.show()
    first.kill()
    start("encoder_node", session="a launch")
    back = probe.wait(
        lambda: [g for g in probe.goals if g.activation not in (goal.activation, probe.embeddings[-1].activation)],
        "the goal anew",
    )[-1]
    assert (back.model, back.goal.id) == (other.identity, goal.goal.id)
    start("encoder_node", session="another launch")
    probe.wait(lambda: probe.goals[-1].model == bundle.identity, "the model that was given")


def test_a_bundle_that_will_not_do_changes_nothing(graph, tmp_path, bundle):
    before = graph.show()
    answer = load(graph, tmp_path / "none")
    assert (answer.success, answer.model) == (False, bundle.identity)
    assert "expected a bundle folder, got no such folder" in answer.message
    after = graph.show()
    assert (after.activation, after.sequence) == (before.activation, before.sequence + 1)


def test_the_view_of_a_camera_as_the_goal(graph):
    from liv_ros.srv import GoalFromCamera

    view = graph.picture()
    graph.show(view)
    answer = graph.call(GoalFromCamera, "goal/from_camera", GoalFromCamera.Request())
    assert answer.accepted, answer.message
    again = graph.picture(stamp_ns=2 * 10**15)
    again.data = view.data
    reward = graph.reward_of(graph.show(again))
    assert reward.goal_id == answer.goal_id
    assert reward.value == pytest.approx(1, abs=1e-6)
    refused = graph.call(GoalFromCamera, "goal/from_camera", GoalFromCamera.Request(camera="left"))
    assert not refused.accepted
    assert "expected one of camera, got 'left'" in refused.message


def test_no_view_yet_is_no_goal(probe, start):
    from liv_ros.srv import GoalFromCamera

    start("encoder_node")
    answer = probe.call(GoalFromCamera, "goal/from_camera", GoalFromCamera.Request(camera="camera"))
    assert not answer.accepted
    assert "expected a frame on /camera/image_raw, got none so far" in answer.message


def test_a_goal_set_is_scored_with_every_embedding_by_whichever_model(graph, tmp_path):
    from liv_ros.msg import GoalScores, GoalSet

    heard = []
    graph.node.create_subscription(GoalScores, "camera/goal_scores", heard.append, 10)
    asks = graph.node.create_publisher(GoalSet, "goal_set", 10)
    graph.connected(asks)
    asks.publish(GoalSet(texts=["open the drawer", "close the drawer"]))
    graph.wait(lambda: graph.show() and heard, "scores")
    embedding = graph.show()
    reward = graph.reward_of(embedding)
    [scores] = graph.wait(lambda: [s for s in heard if s.header.stamp == embedding.header.stamp], "its scores")
    assert scores.texts == ["open the drawer", "close the drawer"]
    assert scores.values[0] == pytest.approx(reward.value, abs=1e-6)
    other = make_bundle(tmp_path / "other", seed=1)
    assert load(graph, other.path).success
    embedding = graph.show()
    reward = graph.reward_of(embedding)
    [scores] = graph.wait(lambda: [s for s in heard if s.header.stamp == embedding.header.stamp], "its scores")
    assert scores.model == other.identity
    assert scores.values[0] == pytest.approx(reward.value, abs=1e-6)


def test_the_rate_of_a_camera_changes_at_run_time_within_its_range(probe, start):
    start("encoder_node", **{"camera.depth": 50})
    probe.connected(probe.camera)
    probe.show()
    assert set_parameter(probe, "camera.max_rate_hz", 10.0).successful
    for message in [probe.picture() for _ in range(11)]:  # 10 ms apart
        probe.camera.publish(message)
    probe.wait(lambda: probe.told("encoder_node", "camera: frames over max_rate_hz") in ("9", "10"), "frames left out")
    refused = set_parameter(probe, "camera.max_rate_hz", -1.0)
    assert not refused.successful
    assert "max_rate_hz" in refused.reason
    assert not set_parameter(probe, "bundle", "/else").successful


def test_a_region_of_interest_is_all_that_counts(probe, start):
    start("encoder_node", **{"camera.region_of_interest": [8, 4, 16, 16]})
    probe.connected(probe.camera)
    picture, same = probe.picture(), probe.picture()
    pixels = memoryview(bytearray(same.data))
    for y in range(4, 20):
        row = slice((y * 32 + 8) * 3, (y * 32 + 24) * 3)
        pixels[row] = picture.data[row].tobytes()
    same.data = list(pixels)
    assert probe.show(picture).data.tolist() == probe.show(same).data.tolist()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"camera.region_of_interest": [0, 0, 5]}, "camera.region_of_interest: expected [x, y, width, height]"),
        ({"camera.region_of_interest": [0, 0, -5, 5]}, "camera.region_of_interest: expected [x, y, width, height]"),
        ({"camera.max_rate_hz": 1e9}, "camera.max_rate_hz: expected 0.0..1000.0"),
        ({"qos_overrides./camera/image_raw.subscription.reliability": "maybe"}, "expected a QoS policy"),
    ],
)
def test_a_camera_that_cannot_be_is_refused_at_start(start, parameters, message):
    process = start("encoder_node", **parameters)
    assert process.wait(30) == 2
    assert message in process.output


def test_qos_of_a_camera_can_be_overridden(probe, start):
    start("encoder_node", **{"qos_overrides./camera/image_raw.subscription.depth": 7})
    [info] = probe.wait(lambda: probe.node.get_subscriptions_info_by_topic("/camera/image_raw"), "the subscription")
    assert info.qos_profile.depth in (7, 0)  # 0: the middleware does not tell
