# SPDX-License-Identifier: Apache-2.0
"""The page over a running graph: goals, verdicts, pictures and recordings go through real nodes and real DDS.

One graph for all: to start one takes longer than a test. What needs other nodes is in test_dashboard_alone.py.
"""

import os

import cv2
import numpy as np
import pytest
from ros.conftest import Probe
from ros.dashboard_page import Page, told

pytestmark = pytest.mark.ros

pytest.importorskip("fastapi", reason="requirements/web.txt is not installed")

RELIABLE = {"camera.reliability": "reliable"}


@pytest.fixture(scope="module")
def start_node(tmp_path_factory, bundle):
    """Start nodes that live as long as these tests."""
    from liv_ros.node_process import NodeProcess

    folder, processes = tmp_path_factory.mktemp("nodes"), []

    def start(name, **parameters):
        log = folder / f"{name}_{len(processes)}.log"
        processes.append(NodeProcess(name, {**parameters}, log, namespace="/liv"))
        return processes[-1]

    start.folder = folder
    yield start
    for process in processes:
        process.stop()
    for process in processes:
        assert "Traceback" not in process.output, process.output


@pytest.fixture(scope="module")
def graph(start_node, bundle):
    """encoder_node and reward_node with a goal, connected to the probe from end to end."""
    probe = Probe()
    state = str(start_node.folder / "state")
    start_node("encoder_node", bundle=str(bundle.path), goal="open the drawer", state_folder=state, **RELIABLE)
    start_node("reward_node", state_folder=state)
    probe.connected(probe.camera)
    probe.wait(lambda: probe.node.count_subscribers("/liv/camera/embedding") >= 2, "reward_node on embeddings")
    probe.wait(lambda: probe.node.count_publishers("/liv/camera/reward"), "rewards")
    probe.wait(lambda: probe.show() and probe.rewards, "a first reward")
    yield probe
    probe.close()


@pytest.fixture(scope="module")
def whole_page(graph, start_node, bundle):
    """The page of the graph."""
    page = Page(graph, start_node("dashboard_node", port=0, bundle=str(bundle.path), **RELIABLE))
    graph.wait(lambda: page.get("status").json()["goal"], "the goal on the page")
    yield page
    page.client.close()


@pytest.fixture
def page(graph, whole_page):
    """The page, its goal "open the drawer", scored."""
    answer = whole_page.post("goal", text="open the drawer").json()
    graph.wait(lambda: (whole_page.get("status").json()["goal"] or {}).get("id") == answer["id"], "the goal")
    graph.wait(lambda: graph.show() and graph.rewards[-1:] and graph.rewards[-1].goal_id == answer["id"], "a reward")
    return whole_page


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
    graph.wait(lambda: graph.reward_of(graph.show()) and page.get("episodes").json(), "the page's node to hear rewards")
    rewards = [graph.reward_of(graph.show()) for _ in range(5)]
    page.post("verdict", verdict="failure")
    graph.wait(lambda: page.get("episodes").json()[-1]["verdict"] == "failure", "the verdict")
    with page.connect() as late:
        past = told(late, "samples")
        assert past["value"][-5:] == pytest.approx([reward.value for reward in rewards], abs=1e-6)
        assert told(late, "verdict", lambda e: e["verdict"] == "failure")["goal_id"] == rewards[-1].goal_id
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
    def heard(reward):
        """The page's last episode, once this reward is in it."""
        stamp_s = reward.header.stamp.sec + reward.header.stamp.nanosec / 1e9
        episodes = page.get("episodes").json()
        return episodes[-1] if episodes and episodes[-1]["end_s"] > stamp_s - 1e-3 else None

    before = graph.wait(lambda: heard(graph.reward_of(graph.show())), "the page's node to hear rewards")
    assert page.post("episode").status_code == 200
    first = graph.reward_of(graph.show())
    assert first.is_first
    after = graph.wait(lambda: heard(first), "another episode")
    assert int(after["id"]) == int(before["id"]) + 1


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


def test_recording_begins_and_ends_each_time_a_new_bag(graph, page, start, tmp_path):
    from liv_model.bags import open_bag

    topics = ["/liv/camera/embedding", "/liv/camera/reward", "/liv/verdict", "/liv/active_goal"]
    start("recorder_node", topics=topics, record_folder=str(tmp_path / "bags"), keep_free_mb=1)
    graph.wait(lambda: page.get("status").json()["can"]["record"], "the recorder")

    def record():
        begun = page.post("record", on=True).json()
        assert begun["on"], begun
        again = page.post("record", on=True).json()
        assert "not recording" in again["message"]
        # a subscription that is known of may not be matched yet
        graph.wait(lambda: graph.reward_of(graph.show()) and has_recorded(begun["folder"]), "both to be recorded")
        ended = page.post("record", on=False).json()
        assert (ended["on"], ended["folder"]) == (False, begun["folder"])
        graph.wait(lambda: graph.node.count_subscribers("/liv/camera/reward") < 3, "the recorder to let go")
        return ended["folder"]

    def has_recorded(folder):
        wanted = ("messages of /liv/active_goal", "messages of /liv/camera/reward")
        return graph.told("recorder_node", "bag") == folder and all(graph.told("recorder_node", key) for key in wanted)

    folders = [record(), record()]
    assert len(set(folders)) == 2
    for folder in folders:
        assert os.path.dirname(folder) == str(tmp_path / "bags")
        with open_bag(folder) as bag:
            counts = {connection.topic: connection.msgcount for connection in bag.connections}
        assert counts["/liv/active_goal"] == 1  # latched: of every bag
        assert counts["/liv/camera/reward"] >= 1
    assert "none" in page.post("record", on=False).json()["message"]
    graph.wait(lambda: (page.get("status").json()["record"] or {}).get("free_bytes"), "free disk space")


def test_ctrl_c_is_a_clean_end_with_pages_open(graph, start, bundle):
    page = Page(graph, start("dashboard_node", port=0, bundle=str(bundle.path)))
    with page.connect() as socket, page.connect("camera/camera"):
        told(socket, "health")
        assert page.process.stop(within_s=30) == 0
    page.client.close()
    assert "Error" not in page.process.output
