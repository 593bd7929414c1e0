# SPDX-License-Identifier: Apache-2.0
"""The page over a running graph: goals, verdicts, pictures and models go through real nodes and real DDS."""

import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.ros

fastapi = pytest.importorskip("fastapi", reason="requirements/web.txt is not installed")


class Page:
    """dashboard_node and a client of its API."""

    def __init__(self, probe, process):
        import httpx

        self.process = process
        self.port = int(probe.wait(lambda: re.search(r"the page: http://localhost:(\d+)/", process.output), "page")[1])
        self.client = httpx.Client(base_url=f"http://localhost:{self.port}", timeout=30)

    def get(self, path, **query):
        return self.client.get(f"/api/{path}", params=query)

    def post(self, path, **content):
        return self.client.post(f"/api/{path}", json=content)

    def connect(self, name="events"):
        from websockets.sync.client import connect

        return connect(f"ws://localhost:{self.port}/api/{name}")


@pytest.fixture
def page(graph, start, bundle):
    """The page of a graph whose goal is "open the drawer"."""
    process = start("dashboard_node", port=0, bundle=str(bundle.path), **{"camera.reliability": "reliable"})
    page = Page(graph, process)
    graph.wait(lambda: page.get("status").json()["goal"], "the goal on the page")
    yield page
    page.client.close()


def told(socket, kind, where=lambda event: True):
    """The next event of a type."""
    while True:
        event = json.loads(socket.recv(timeout=20))
        if event["type"] == kind and where(event):
            return event


def test_what_there_is(graph, page, bundle):
    status = page.get("status").json()
    assert (status["kind"], status["title"], status["model"]) == ("live", "/liv", bundle.identity)
    assert status["goal"]["text"] == "open the drawer"
    assert status["cameras"] == [{"name": "camera", "topic": "/camera/image_raw"}]
    assert {known["text"] for known in status["instructions"]} == {known.text for known in bundle.instructions}
    assert status["can"]["record"] is False
    assert status["record"] is None


def test_a_goal_in_words_begins_an_episode_on_every_page(graph, page):
    with page.connect() as one, page.connect() as two:
        answer = page.post("goal", text="close the drawer").json()
        assert (answer["accepted"], answer["text"], answer["image"]) == (True, "close the drawer", False)
        assert answer["nearest"][0]["text"] == "close the drawer"
        for socket in (one, two):
            assert told(socket, "goal", lambda e: e["goal"]["id"] == answer["id"])["goal"]["text"] == "close the drawer"
        reward = graph.reward_of(graph.show())
        assert (reward.goal_id, reward.is_first) == (answer["id"], True)
        stamp_s = reward.header.stamp.sec + reward.header.stamp.nanosec / 1e9
        event = told(one, "samples", lambda e: e["t"] and e["t"][-1] == pytest.approx(stamp_s, abs=1e-5))
        assert event["value"][-1] == pytest.approx(reward.value, abs=1e-6)
        assert event["is_first"][-1] is True
    assert page.get("episodes").json()[-1]["goal"] == "close the drawer"
    assert page.get("status").json()["history"][:2] == ["close the drawer", "open the drawer"]


def test_hostile_goals_are_answered_and_nothing_breaks(graph, page):
    for text in ("<script>alert(1)</script>", "open 🚪", "\u202eافتح", "a" * 10_000, "word " * 2000):
        before = page.get("status").json()["goal"]["id"]
        answer = page.post("goal", text=text).json()
        if not answer["accepted"]:
            assert "expected" in answer["message"]
            assert page.get("status").json()["goal"]["id"] == before
    assert graph.reward_of(graph.show())


def test_a_picture_and_a_view_as_the_goal(graph, page):
    assert page.get("goal/image").status_code == 404
    big = cv2.imencode(".jpg", np.full((1500, 2000, 3), 90, np.uint8))[1].tobytes()
    answer = page.client.post("/api/goal/image", content=big, headers={"content-type": "image/jpeg"}).json()
    assert (answer["accepted"], answer["image"], answer["familiarity"]) == (True, True, None)
    graph.wait(lambda: page.get("goal/image").status_code == 200, "the goal's picture")
    small = cv2.imdecode(np.frombuffer(page.get("goal/image").content, np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (240, 320, 3)
    graph.show(graph.picture(seed=5))
    answer = page.post("goal/camera", camera="camera").json()
    assert answer["accepted"], answer
    reward = graph.reward_of(graph.show(graph.picture(seed=5)))
    assert reward.value == pytest.approx(1.0, abs=1e-4)
    assert page.post("goal/camera", camera="wrist").status_code == 404


def test_a_page_that_comes_late_has_what_has_been(graph, page):
    rewards = [graph.reward_of(graph.show()) for _ in range(5)]
    page.post("verdict", verdict="failure")
    graph.wait(lambda: page.get("episodes").json()[-1]["verdict"] == "failure", "the verdict")
    with page.connect() as late:
        past = told(late, "samples")
        assert past["value"][-5:] == pytest.approx([reward.value for reward in rewards], abs=1e-6)
        assert told(late, "verdict")["verdict"] == "failure"
        assert told(late, "goal")["goal"]["text"] == "open the drawer"
        assert told(late, "episodes")["episodes"][-1]["verdict"] == "failure"
        assert told(late, "health")["health"]["model"]


def test_verdicts_are_messages_and_those_of_others_are_shown(graph, page):
    from liv_ros.msg import Verdict

    heard = []
    graph.node.create_subscription(Verdict, "verdict", heard.append, 10)
    others = graph.node.create_publisher(Verdict, "verdict", 10)
    graph.connected(others, 2)
    graph.wait(lambda: graph.node.count_publishers("/liv/verdict") >= 2, "the page's verdicts")
    goal_id = page.get("status").json()["goal"]["id"]
    said = graph.wait(lambda: page.post("verdict", verdict="success").is_success and heard, "a verdict")[0]
    assert (said.verdict, said.goal_id) == (Verdict.SUCCESS, goal_id)
    assert said.header.stamp.sec > 0
    with page.connect() as socket:
        others.publish(Verdict(goal_id=goal_id, verdict=Verdict.DISCARD))
        graph.executor.spin_once(timeout_sec=0.1)
        assert told(socket, "verdict", lambda e: e["verdict"] == "discard")["goal_id"] == goal_id
    others.publish(Verdict(verdict=200))  # none that there is
    assert page.post("verdict", verdict="maybe").status_code == 422


def test_a_new_episode(graph, page):
    graph.reward_of(graph.show())
    before = len(page.get("episodes").json())
    assert page.post("episode").status_code == 200
    assert graph.reward_of(graph.show()).is_first
    graph.wait(lambda: len(page.get("episodes").json()) == before + 1, "another episode")


def test_pictures_are_subscribed_only_while_somebody_looks(graph, page):
    import struct

    def subscribers():
        return graph.camera.get_subscription_count()

    before = subscribers()
    with page.connect("camera/camera") as one:
        graph.wait(lambda: subscribers() == before + 1, "the page's subscription")
        shown = graph.picture(height=40, width=60)
        graph.show(shown)
        data = one.recv(timeout=20)
        stamp = shown.header.stamp
        assert struct.unpack("<d", data[:8])[0] == pytest.approx(stamp.sec + stamp.nanosec / 1e9, abs=1e-6)
        assert cv2.imdecode(np.frombuffer(data[8:], np.uint8), cv2.IMREAD_COLOR).shape == (40, 60, 3)
        graph.camera.publish(graph.picture(encoding="nonsense"))
        one.send("ok")
        graph.show()
        assert one.recv(timeout=20)[8:10] == b"\xff\xd8"
    graph.wait(lambda: subscribers() == before, "the page to let go")


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


def test_recording_begins_and_ends_each_time_a_new_bag(graph, page, start, tmp_path):
    from liv_model.bags import open_bag

    topics = ["/liv/camera/embedding", "/liv/camera/reward", "/liv/verdict", "/liv/active_goal"]
    start("recorder_node", topics=topics, record_folder=str(tmp_path / "bags"), keep_free_mb=1)
    graph.wait(lambda: page.get("status").json()["can"]["record"], "the recorder")
    folders = []
    for _ in range(2):
        begun = page.post("record", on=True).json()
        assert begun["on"], begun
        graph.wait(lambda: graph.node.count_subscribers("/liv/camera/reward") >= 3, "the recorder on rewards")
        again = page.post("record", on=True).json()
        assert "not recording" in again["message"]
        graph.reward_of(graph.show())
        ended = page.post("record", on=False).json()
        assert (ended["on"], ended["folder"]) == (False, begun["folder"])
        folders.append(ended["folder"])
    assert len(set(folders)) == 2
    for folder in folders:
        assert os.path.dirname(folder) == str(tmp_path / "bags")
        with open_bag(folder) as bag:
            counts = {connection.topic: connection.msgcount for connection in bag.connections}
        assert counts["/liv/active_goal"] == 1  # latched: of every bag
        assert counts["/liv/camera/reward"] >= 1
    assert "none" in page.post("record", on=False).json()["message"]
    graph.wait(lambda: (page.get("status").json()["record"] or {}).get("free_bytes"), "free disk space")


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


def test_ctrl_c_is_a_clean_end_with_pages_open(graph, page):
    with page.connect() as socket, page.connect("camera/camera"):
        told(socket, "health")
        assert page.process.stop() == 0
    assert "Error" not in page.process.output
