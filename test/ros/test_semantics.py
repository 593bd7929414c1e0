# SPDX-License-Identifier: Apache-2.0
"""The six rules that must never break (docs/semantics.md), each through real DDS."""

import math
import os
import signal
from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

pytestmark = pytest.mark.ros


def ns(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


# 1 -------------------------------------------------------------------------------------------------------------------


def test_rewards_telescope_to_the_change_of_value(graph):
    rewards = [graph.reward_of(graph.show()) for _ in range(40)]
    first = next(r for r in graph.rewards if r.is_first and r.goal_id == rewards[0].goal_id)
    total = sum(r.reward for r in graph.rewards)
    assert abs(total - (rewards[-1].value - first.value)) < 1e-9
    assert [r.step for r in graph.rewards] == list(range(len(graph.rewards)))
    assert sum(abs(r.reward) for r in rewards) > 0.01  # the pictures do differ


# 2 -------------------------------------------------------------------------------------------------------------------


def test_frames_from_before_a_goal_never_count_for_it(graph):
    """Goals set in the midst of a stream: what was published before a goal was asked for may not count for it."""
    texts = ["open the drawer", "close the drawer", "press the button"]
    published_before = {}
    shown = []
    for i in range(60):
        picture = graph.picture()
        graph.camera.publish(picture)
        shown.append(ns(picture.header.stamp))
        if i % 7 == 3:
            graph.show()  # so that all of these have reached the encoder
            goal = graph.set_goal(texts[i % 3])
            published_before[goal.goal.id] = set(shown)
        graph.executor.spin_once(timeout_sec=0.005)
    graph.reward_of(graph.show())
    assert len(published_before) == 9
    for reward in graph.rewards:
        assert ns(reward.header.stamp) not in published_before.get(reward.goal_id, ())
    sequence = {ns(e.header.stamp): e.sequence for e in graph.embeddings}
    first = {g.goal.id: dict(zip(g.cameras, g.first_sequence, strict=True)).get("camera", 0) for g in graph.goals}
    assert all(sequence[ns(r.header.stamp)] >= first[r.goal_id] for r in graph.rewards)
    starts = [r.goal_id for r in graph.rewards if r.is_first]
    assert len(set(starts)) == len(starts)  # one episode a goal, none of a goal that was replaced


def test_of_a_frame_and_a_goal_that_wait_together_the_frame_is_older(probe, start):
    """A stopped encoder finds both when it goes on; the frame was first, and must not count."""
    encoder = start("encoder_node")
    probe.connected(probe.camera)
    probe.connected(probe.text)
    probe.show()
    probe.wait(lambda: probe.told("encoder_node", "camera: frames encoded"), "an idle encoder")
    os.kill(encoder.pid, signal.SIGSTOP)
    try:
        probe.camera.publish(probe.picture())
        probe.text.publish(String(data="close the drawer"))
    finally:
        os.kill(encoder.pid, signal.SIGCONT)
    goal = probe.wait(lambda: probe.goals and probe.goals[-1], "the goal")
    assert list(goal.first_sequence) == [2]


def test_an_embedding_counts_only_for_its_model_activation_camera_and_time(probe, start):
    from liv_ros import messages, msg

    start("reward_node", cameras=["camera", "wrist"])
    goals = probe.node.create_publisher(msg.ActiveGoal, "active_goal", messages.LATCHED_QOS)
    embeddings = probe.node.create_publisher(msg.Embedding, "camera/embedding", 10)
    wrist = probe.node.create_publisher(msg.Embedding, "wrist/embedding", 10)
    probe.node.create_subscription(msg.Reward, "wrist/reward", probe.rewards.append, 10)
    for publisher in (goals, embeddings, wrist):
        probe.connected(publisher, 2 if publisher is not wrist else 1)
    vector = array("f", [1, 0])
    goal = msg.ActiveGoal(model="m@1", activation="a", embedding=vector, value_at_start=0.0, value_at_goal=1.0)
    goal.goal.id = "g"
    goal.cameras, goal.first_sequence = ["camera"], array("Q", [5])
    goals.publish(goal)
    probe.wait(lambda: probe.told("reward_node", "goal") == "g", "the goal to be known")

    def embedding(sequence, model="m@1", activation="a", data=vector):
        message = msg.Embedding(camera="camera", model=model, activation=activation, sequence=sequence, data=data)
        message.header.stamp.sec = 100 + sequence
        return message

    wrist.publish(embedding(50))  # on wrist's topic, but of the other camera
    embeddings.publish(embedding(4))
    embeddings.publish(embedding(6, model="m@2"))
    embeddings.publish(embedding(7, activation="b"))
    embeddings.publish(embedding(8, data=array("f", [1, 0, 0])))
    embeddings.publish(embedding(8, data=array("f", [math.nan, 0])))
    embeddings.publish(embedding(9, data=array("f", [0, 1])))
    embeddings.publish(embedding(10))
    probe.wait(lambda: len(probe.rewards) >= 2, "the two rewards")
    assert [r.header.stamp.sec for r in probe.rewards] == [109, 110]
    assert [(r.is_first, r.step, r.value, r.reward, r.progress) for r in probe.rewards] == [
        (True, 0, 0.0, 0.0, 0.0),
        (False, 1, 1.0, 1.0, 1.0),
    ]


# 3 -------------------------------------------------------------------------------------------------------------------


def test_stamp_and_frame_are_the_images(graph):
    picture = graph.picture()
    embedding = graph.show(picture)
    reward = graph.reward_of(embedding)
    assert embedding.header == picture.header
    assert reward.header == picture.header
    assert np.linalg.norm(embedding.data) == pytest.approx(1, abs=1e-5)


def test_the_latest_frame_wins_and_what_it_replaced_is_counted(graph):
    """Frames that come while the encoder is held up do not queue: it goes on with the latest."""
    before = graph.show().sequence
    os.kill(graph.encoder.pid, signal.SIGSTOP)
    try:
        for _ in range(30):
            graph.camera.publish(graph.picture())
        last = graph.picture()
        graph.camera.publish(last)
    finally:
        os.kill(graph.encoder.pid, signal.SIGCONT)
    stamp = last.header.stamp
    graph.wait(lambda: any(e.header.stamp == stamp for e in graph.embeddings), "the latest frame")
    after = graph.embeddings[-1].sequence
    assert after - before < 15  # the latest, what was on its way, and a few while it catches up: 31 if they queued
    count = str(len(graph.embeddings))
    graph.wait(lambda: graph.told("encoder_node", "camera: frames encoded") == count, "the diagnostics")
    received = int(graph.told("encoder_node", "camera: frames received"))
    replaced = int(graph.told("encoder_node", "camera: frames replaced"))
    assert received == int(count) + replaced


# 4 -------------------------------------------------------------------------------------------------------------------


def test_stamps_that_stand_or_step_back(graph):
    t = 4 * 10**15
    first = graph.reward_of(graph.show(graph.picture(stamp_ns=t)))
    for stamp in (t, t - 300_000_000):  # the same, and slightly older: dropped
        graph.show(graph.picture(stamp_ns=stamp))
    second = graph.reward_of(graph.show(graph.picture(stamp_ns=t + 10**7)))
    assert (second.step, second.is_first) == (first.step + 1, False)
    looped = graph.reward_of(graph.show(graph.picture(stamp_ns=t - 10**10)))  # a bag begins again
    assert (looped.step, looped.is_first, looped.reward) == (0, True, 0.0)
    graph.wait(
        lambda: graph.told("reward_node", "camera: dropped, stamps out of order") == "2", "the drops to be counted"
    )


# 5 -------------------------------------------------------------------------------------------------------------------

BAD_IMAGES = {
    "encoding": {"encoding": "32FC1"},
    "step": {"step": 10},
    "zero size": {"width": 0},
    "short data": {"data": array("B", [0] * 10)},
    "no data": {"data": array("B")},
}


@pytest.mark.parametrize("bad", list(BAD_IMAGES))
def test_a_bad_image_is_refused_and_the_node_goes_on(graph, bad):
    before = graph.reward_of(graph.show())
    graph.camera.publish(graph.picture(**BAD_IMAGES[bad]))
    graph.wait(lambda: graph.told("encoder_node", "camera: frames refused") == "1", "the refusal in the diagnostics")
    assert "expected" in graph.told("encoder_node", "last frame refused")
    after = graph.reward_of(graph.show())
    assert after.step == before.step + 1


def jpeg(cut=None):
    data = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))[1].tobytes()
    return array("B", data[:cut])


BAD_COMPRESSED = {
    "cut jpeg": ("jpeg", jpeg(-40)),
    "no jpeg": ("jpeg", array("B", b"hello")),
    "empty": ("png", array("B")),
    "video": ("h264", jpeg()),
}


@pytest.mark.parametrize("bad", list(BAD_COMPRESSED))
def test_a_bad_compressed_image_is_refused_and_the_node_goes_on(probe, start, bad):
    start("encoder_node", **{"camera.transport": "compressed", "camera.topic": "/camera/compressed"})
    camera = probe.node.create_publisher(CompressedImage, "/camera/compressed", 10)
    probe.connected(camera)
    form, data = BAD_COMPRESSED[bad]
    camera.publish(CompressedImage(format=form, data=data))
    probe.wait(lambda: probe.told("encoder_node", "camera: frames refused") == "1", "the refusal in the diagnostics")
    assert "expected" in probe.told("encoder_node", "last frame refused")
    camera.publish(CompressedImage(format="jpeg", data=jpeg()))
    probe.wait(lambda: probe.embeddings, "the embedding of a good one")


def test_bad_goals_are_refused_and_the_last_one_stays(graph):
    from sensor_msgs.msg import Image

    from liv_ros import msg

    goal_id = graph.goals[-1].goal.id
    graph.connected(graph.image)
    graph.connected(graph.goal)
    graph.text.publish(String(data=""))
    graph.text.publish(String(data="word " * 100))
    graph.image.publish(Image())
    graph.image.publish(graph.picture(step=3))
    graph.goal.publish(msg.Goal())
    graph.goal.publish(msg.Goal(text="open the drawer", image=graph.picture()))
    graph.goal.publish(msg.Goal(text="open the drawer", id="x" * 5000))
    graph.goal.publish(msg.Goal(text="open the drawer", id="\x1b[31m"))
    graph.wait(lambda: graph.told("encoder_node", "goals refused") == "8", "eight refusals")
    assert "expected" in graph.told("encoder_node", "last goal refused")
    assert graph.reward_of(graph.show()).goal_id == goal_id


# 6 -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "image"])
def test_the_goal_survives_the_encoder(probe, start, kind):
    encoder = start("encoder_node", session="one")
    start("reward_node")
    probe.connected(probe.camera)
    probe.connected(probe.image)
    if kind == "text":
        before = probe.set_goal("close the drawer")
    else:
        probe.image.publish(probe.picture(seed=1))
        before = probe.wait(lambda: probe.goals and probe.goals[-1], "the image goal")
    probe.wait(lambda: probe.show() and probe.rewards, "a reward")
    probe.wait((lambda path: lambda: list(path.glob("*_goal.json")))(encoder.log.parent / "state"), "the stored goal")
    encoder.kill()
    del probe.goals[:]
    start("encoder_node", session="one", goal="open the drawer")  # as launch does: with the goal of its first start
    after = probe.wait(lambda: probe.goals and probe.goals[-1], "the goal again")
    assert after.goal.id == before.goal.id
    assert after.goal.text == before.goal.text
    assert after.activation != before.activation
    np.testing.assert_allclose(after.embedding, before.embedding, atol=1e-5)
    last_ns = max(ns(e.header.stamp) for e in probe.embeddings)

    def rewards_since():
        probe.show()
        return [r for r in probe.rewards if ns(r.header.stamp) > last_ns]

    rewards = probe.wait(rewards_since, "a reward of the new activation")
    assert rewards[0].is_first
    assert rewards[0].goal_id == before.goal.id


def test_a_new_launch_begins_with_the_goal_it_is_given(probe, start):
    encoder = start("encoder_node", session="one")
    probe.connected(probe.text)
    probe.set_goal("close the drawer")
    encoder.stop()
    start("encoder_node", session="two", goal="open the drawer")
    probe.wait(lambda: probe.goals[-1].goal.text == "open the drawer", "the given goal")


def test_progress_is_nan_for_a_goal_the_model_does_not_know(graph):
    goal = graph.set_goal("sing me a song")
    assert goal.message.startswith("unfamiliar")
    reward = graph.wait(
        lambda: graph.show() and graph.rewards[-1].goal_id == goal.goal.id and graph.rewards[-1], "reward"
    )
    assert math.isnan(reward.progress)
