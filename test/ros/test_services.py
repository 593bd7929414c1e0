# SPDX-License-Identifier: Apache-2.0
import math

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.ros


def test_set_goal_answers_when_the_goal_is_active(graph):
    from liv_ros.srv import SetGoal

    from liv_ros import msg

    answer = graph.call(SetGoal, "set_goal", SetGoal.Request(goal=msg.Goal(id="mine", text="close the drawer")))
    assert (answer.accepted, answer.goal_id, answer.message) == (True, "mine", "")
    assert answer.familiarity == pytest.approx(1, abs=1e-5)
    assert answer.nearest[0] == "close the drawer"
    graph.wait(lambda: graph.goals[-1].goal.id == "mine", "the goal")


def test_set_goal_takes_a_picture(graph):
    from liv_ros.srv import SetGoal

    from liv_ros import msg

    answer = graph.call(SetGoal, "set_goal", SetGoal.Request(goal=msg.Goal(image=graph.picture(seed=3))))
    assert answer.accepted
    assert math.isnan(answer.familiarity)
    goal = graph.wait(lambda: graph.goals[-1].goal.id == answer.goal_id and graph.goals[-1], "the goal")
    assert goal.goal.image.width == 32
    assert math.isnan(goal.value_at_start)
    assert goal.value_at_goal == pytest.approx(0.9)
    embedding = graph.show(graph.picture(seed=3))  # the very picture of the goal
    assert graph.reward_of(embedding).value == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", ["", "word " * 50])
def test_set_goal_says_why_it_refuses(graph, text):
    from liv_ros.srv import SetGoal

    from liv_ros import msg

    active = graph.goals[-1].goal.id
    answer = graph.call(SetGoal, "set_goal", SetGoal.Request(goal=msg.Goal(text=text)))
    assert (answer.accepted, answer.goal_id) == (False, "")
    assert "expected" in answer.message
    assert graph.reward_of(graph.show()).goal_id == active


def test_reset_begins_an_episode(graph):
    from std_srvs.srv import Trigger

    assert not graph.reward_of(graph.show()).is_first
    assert graph.call(Trigger, "reset", Trigger.Request()).success
    assert graph.reward_of(graph.show()).is_first


def test_reset_without_a_goal_says_so(probe, start):
    from std_srvs.srv import Trigger

    start("reward_node")
    answer = probe.call(Trigger, "reset", Trigger.Request())
    assert not answer.success
    assert "no goal" in answer.message


@pytest.mark.parametrize(
    ("node", "parameters", "message"),
    [
        ("encoder_node", {"bundle": "/none"}, "expected a bundle folder, got no such folder"),
        ("encoder_node", {"backend": "cuda"}, "parameter backend: expected auto | openvino | torch | tensorrt"),
        ("encoder_node", {"backend": "tensorrt"}, "use backend 'openvino'"),
        ("encoder_node", {"threads": -1}, "parameter threads: expected 0..256, got -1"),
        ("encoder_node", {"threads": "many"}, "parameter threads"),
        ("encoder_node", {"precision": "fp64"}, "precision: expected auto | fp32 | fp16 | bf16 | int8, got 'fp64'"),
        ("encoder_node", {"max_batch": 0}, "parameter max_batch: expected 1..64, got 0"),
        ("encoder_node", {"cameras": ["my camera"]}, "parameter cameras: expected distinct names"),
        ("encoder_node", {"cameras": ["kamera_ä"]}, "parameter cameras: expected distinct names"),
        ("encoder_node", {"camera.topic": "my topic"}, "expected a valid ROS name"),
        ("encoder_node", {"goal": "open the drawer", "state_folder": 3}, "parameter state_folder"),
        ("encoder_node", {"goal": "open the drawer", "camera.transport": "mp4"}, "parameter camera.transport"),
        ("encoder_node", {"camera.transport": "h264"}, "parameter camera.transport: expected raw | compressed"),
        ("reward_node", {"stamp_jitter_s": -0.1}, "parameter stamp_jitter_s: expected 0.0..60.0, got -0.1"),
        ("video_node", {"video": "/none.mp4"}, "expected a video, a folder of pictures or a bag"),
        ("video_node", {}, "parameter video: expected a video file"),
        ("recorder_node", {"topics": ["/a"]}, "parameter output: expected a folder"),
    ],
)
def test_a_mistake_in_the_parameters_is_one_line_and_exit_code_2(start, node, parameters, message):
    process = start(node, **parameters)
    assert process.wait(30) == 2
    [line] = [line for line in process.output.splitlines() if line.strip() and not line.startswith("[INFO]")]
    assert message in line


def test_ctrl_c_amid_a_stream_is_a_clean_end(graph, start, tmp_path):
    for i in range(50):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((48, 64, 3), i, np.uint8))
    camera = start("video_node", video=str(tmp_path), topic="/camera/image_raw", rate_hz=200.0, loop=True)
    count = len(graph.rewards)
    graph.wait(lambda: len(graph.rewards) > count + 50, "a stream of rewards")
    for process in (graph.encoder, camera):
        assert process.stop(within_s=30) == 0, process.output
        assert "Error" not in process.output


@pytest.mark.parametrize("node", ["encoder_node", "reward_node"])
def test_ctrl_c_is_a_clean_end(probe, start, node):
    process = start(node)
    probe.wait(lambda: f"liv/{node}" in probe.health, "the node")
    assert process.stop(within_s=30) == 0
