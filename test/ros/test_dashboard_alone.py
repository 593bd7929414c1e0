# SPDX-License-Identifier: Apache-2.0
"""The page without a graph, or with nodes of its own: what it says of what is missing, and of mistakes."""

import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from ros.dashboard_page import Page, told

pytestmark = pytest.mark.ros

pytest.importorskip("fastapi", reason="requirements/web.txt is not installed")


def test_a_page_that_comes_before_the_node_spins_is_not_forgotten(probe):
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from liv_ros.live_camera import LiveCamera

    context = rclpy.Context()
    context.init()
    node = rclpy.create_node("early", context=context)
    executor = SingleThreadedExecutor(context=context)
    try:
        LiveCamera(node, "camera").watch(print)
        executor.add_node(node)
        executor.spin_once(timeout_sec=5)
        probe.connected(probe.camera)
    finally:
        executor.shutdown()
        node.destroy_node()
        context.shutdown()


def test_a_jpeg_is_passed_through(probe, start, bundle):
    from sensor_msgs.msg import CompressedImage

    camera = probe.node.create_publisher(CompressedImage, "/front/compressed", 10)
    parameters = {
        "camera.topic": "/front/compressed",
        "camera.transport": "compressed",
        "camera.reliability": "reliable",
    }
    page = Page(probe, start("dashboard_node", port=0, bundle=str(bundle.path), **parameters))
    with page.connect("camera/camera") as socket:
        probe.connected(camera)
        jpeg = cv2.imencode(".jpg", np.full((30, 40, 3), 200, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 33])[1].tobytes()
        camera.publish(CompressedImage(format="jpeg", data=jpeg))
        assert socket.recv(timeout=20)[8:] == jpeg


def test_what_is_wrong_is_said_in_plain_words(probe, start, bundle):
    page = Page(probe, start("dashboard_node", port=0, bundle=str(bundle.path)))
    health = page.get("health").json()
    assert health["level"] == "error"
    assert any("encoder does not answer" in hint for hint in health["hints"])
    answer = page.post("goal", text="open the drawer")
    assert answer.status_code == 503
    assert "encoder_node" in answer.json()["detail"]["remedy"]
    assert page.post("verdict", verdict="success").status_code == 409
    start("encoder_node", goal="open the drawer")
    start("reward_node")
    hint = "No pictures from camera: is its driver running, and does it publish on /camera/image_raw?"
    probe.wait(lambda: hint in page.get("health").json()["hints"], "the hint about the camera")
    told_by_it = page.get("health").json()
    assert told_by_it["engine"].startswith("openvino")
    assert told_by_it["gate"].startswith("passed")


def test_models_of_a_folder_are_swapped_and_rolled_back(probe, start, bundle, tmp_path):
    from liv_model import bundle as bundles

    other = tmp_path / "shelf" / "second"
    shutil.copytree(bundle.path, other)
    manifest = {k: v for k, v in bundle.manifest.items() if k not in ("format", "files")}
    (other / bundles.MANIFEST).unlink()
    second = bundles.seal(other, {**manifest, "name": "second"})
    (tmp_path / "shelf" / "broken").mkdir()
    (tmp_path / "shelf" / "broken" / bundles.MANIFEST).write_text("nonsense: [")
    start("encoder_node", goal="open the drawer")
    page = Page(probe, start("dashboard_node", port=0, bundle=str(bundle.path), bundles=str(tmp_path / "shelf")))
    probe.wait(lambda: page.get("status").json()["model"] == bundle.identity, "the model")
    names = {model["identity"]: model["name"] for model in page.get("models").json()}
    assert set(names) == {bundle.identity, second.identity}
    assert page.post("models", name="../second").status_code == 404
    assert page.post("models", name=str(other)).status_code == 404
    with page.connect() as socket:
        answer = page.post("models", name="second").json()
        assert answer == {"accepted": True, "message": "", "model": second.identity}
        assert told(socket, "model", lambda e: e["model"] == second.identity)
    answer = page.post("models/rollback").json()
    assert (answer["accepted"], answer["model"]) == (True, bundle.identity)


def test_a_recorder_without_a_folder_for_bags_says_so(probe, start, tmp_path):
    from std_srvs.srv import SetBool

    start("recorder_node", topics=["/a"], output=str(tmp_path / "bag"), keep_free_mb=1)
    ended = probe.call(SetBool, "record", SetBool.Request(data=False))
    assert (ended.success, ended.message) == (True, str(tmp_path / "bag"))
    assert (tmp_path / "bag" / "metadata.yaml").is_file()
    begun = probe.call(SetBool, "record", SetBool.Request(data=True))
    assert not begun.success
    assert "record_folder" in begun.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"port": 70000}, "parameter port: expected 0..65535"),
        ({"host": "203.0.113.1"}, "expected an address to listen on"),
        ({"token": "guess"}, "token: expected at least 16 characters"),
        ({"camera.topic": "my topic"}, "expected a valid ROS name"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(start, parameters, message):
    process = start("dashboard_node", **{"port": 0, **parameters})
    assert process.wait(30) == 2
    [line] = [line for line in process.output.splitlines() if line.strip() and not line.startswith("[INFO]")]
    assert message in line


def test_without_its_packages_it_says_what_to_install(tmp_path):
    (tmp_path / "fastapi.py").write_text("raise ImportError('no fastapi here')")
    code = "import liv_ros.dashboard_node as node, sys; sys.exit(node.main(['x', '--ros-args', '-p', 'port:=0']))"
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert result.returncode == 2
    assert "pip install" in result.stderr
    assert "Traceback" not in result.stderr


def test_messages_that_nobody_should_send_silence_nothing(probe, start, bundle):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
    from liv_ros.msg import ActiveGoal, Goal, GoalScores, Reward, TaskState, Verdict
    from sensor_msgs.msg import Image

    from liv_ros.messages import LATCHED_QOS

    nan, inf = float("nan"), float("inf")
    page = Page(probe, start("dashboard_node", port=0, bundle=str(bundle.path)))
    publish = {
        kind: probe.node.create_publisher(kind, name, qos)
        for kind, name, qos in (
            (ActiveGoal, "active_goal", LATCHED_QOS),
            (Reward, "camera/reward", 10),
            (TaskState, "camera/task_state", 10),
            (GoalScores, "camera/goal_scores", 10),
            (Verdict, "verdict", 10),
            (DiagnosticArray, "/diagnostics", 10),
        )
    }
    for publisher in publish.values():
        probe.connected(publisher)
    hostile = "<img src=x onerror=alert(1)>\u202e\x1b[2J" + "x" * 5000
    bad_image = Image(height=2**31, width=2**31, encoding="rgb8", step=1, data=b"x")
    goal = Goal(id=hostile, text="", image=bad_image)
    with page.connect() as socket:
        publish[ActiveGoal].publish(
            ActiveGoal(goal=goal, model=hostile, familiarity=nan, nearest=[hostile], nearest_familiarity=[inf])
        )
        for value in (nan, inf, -1e308):
            publish[Reward].publish(Reward(goal_id=hostile, value=value, reward=value, progress=value, is_first=True))
        publish[TaskState].publish(TaskState(state=77, progress=nan, message=hostile))
        publish[GoalScores].publish(GoalScores(texts=["a", "b"], values=[nan]))
        publish[GoalScores].publish(GoalScores(texts=[hostile], values=[nan]))
        publish[Verdict].publish(Verdict(goal_id="nobody's", verdict=1))
        pairs = [KeyValue(key=key, value=hostile) for key in ("model", "device", "camera: received (Hz)")]
        status = DiagnosticStatus(name="liv/encoder_node", level=b"\x07", message=hostile, values=pairs)
        publish[DiagnosticArray].publish(DiagnosticArray(status=[status]))
        assert told(socket, "goal", lambda e: e["goal"])["goal"]["nearest"][0]["similarity"] is None
        assert told(socket, "verdict")["goal_id"] == "nobody's"
        assert told(socket, "health", lambda e: e["health"]["device"] == hostile)
        publish[Reward].publish(Reward(goal_id="g", value=0.5))
        assert told(socket, "samples", lambda e: 0.5 in e["value"])
    assert page.get("goal/image").status_code == 400
    assert page.get("status").status_code == page.get("episodes").status_code == 200
    with page.connect() as late:
        assert told(late, "samples")["value"][-1] == 0.5
        assert told(late, "health")
