# SPDX-License-Identifier: Apache-2.0
"""New rewards for recorded bags: the same numbers as live, everything else as it was."""

import math

import numpy as np
import pytest
from model.label_bags import (
    GOAL,
    STEP_NS,
    STRING,
    T0,
    LiveRecording,
    cdr,
    compressed,
    embedding,
    messages,
    raw,
    told_by,
    unit,
    write_embeddings,
    write_pictures,
)

from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE, message_types, open_bag
from liv_model.encoder import open_encoder
from liv_model.goal import Goal, GoalResolver
from liv_model.label_messages import ACTIVE_GOAL, EMBEDDING
from liv_model.reward import NANOSECONDS, RewardStream

SECOND = NANOSECONDS


@pytest.fixture(scope="module")
def resolved(bundle):
    encoder = open_encoder(bundle)
    yield GoalResolver(bundle, encoder).resolve(Goal(GOAL))
    encoder.close()


def live_bag(path, model, dim):
    """Goals that change, an encoder that comes back, clocks that jump, an operator's reset."""
    with BagWriter(path) as bag:
        live = LiveRecording(bag, model, dim)
        for i in range(3):  # no goal yet
            live.see(i, T0 + i * STEP_NS)
        live.set_goal("a", "open the drawer", first=5)
        for i in range(3, 12):
            live.see(i, T0 + i * STEP_NS)
        live.see(12, T0 + 11 * STEP_NS)  # again
        live.see(13, T0 + 9 * STEP_NS)  # a little older
        live.see(14, T0 + 15 * STEP_NS)
        live.reset()
        live.see(15, T0 + 16 * STEP_NS)
        live.see(16, T0 + 17 * STEP_NS)
        live.set_goal("b", "close the drawer", first=17, scale=(math.nan, 0.4))
        for i in range(17, 21):
            live.see(i, T0 - 100 * SECOND + i * STEP_NS)  # the simulator begins anew
        live.see(0, T0 + SECOND, activation="two")  # whose goal is not announced yet
        live.set_goal("b", "close the drawer", activation="two", first=0)
        live.see(21, T0 + 2 * SECOND)  # of the encoder before
        for i in range(1, 5):
            live.see(i, T0 + 3 * SECOND + i * STEP_NS, activation="two")
        live.set_goal("", "", activation="two")
        live.see(6, T0 + 9 * SECOND, activation="two")
        live.say("/chatter", STRING, cdr(STRING, data="the last word"))
        return live.rewards


@pytest.mark.parametrize("rewards_in_it", [True, False])
def test_a_live_recording_gets_the_same_rewards_again(tmp_path, bundle, label, rewards_in_it, capsys):
    live = live_bag(tmp_path / "live", bundle.identity, bundle.dim)
    assert len(live) == 18
    before = raw(tmp_path / "live")
    source = tmp_path / "live"
    if not rewards_in_it:  # then nobody knows of the reset
        source = tmp_path / "bare"
        with BagWriter(source) as bag:
            for topic, time_ns, message in before:
                if topic != "/liv/camera/reward":
                    types = {"/chatter": STRING, "/liv/active_goal": ACTIVE_GOAL}
                    bag.write(topic, types.get(topic, EMBEDDING), time_ns, message)
    out = label(source, "--goals-from-bag", "--json")
    told = told_by(capsys)
    assert (told["source"], told["goals"]) == ("embeddings", ["open the drawer", "close the drawer"])
    again = [message for _, _, message in raw(out, "/liv/camera/reward")]
    assert len(again) == len(live)
    assert again == live if rewards_in_it else again[9:] != live[9:] and again[:8] == live[:8]
    others = [message for message in before if message[0] != "/liv/camera/reward"]
    assert [message for message in raw(out) if message[0] != "/liv/camera/reward"] == others
    assert raw(tmp_path / "live") == before


def test_another_goal_from_embeddings_without_a_picture(tmp_path, bundle, resolved, label, capsys):
    write_embeddings(
        tmp_path / "bag", bundle.identity, dim=bundle.dim, cameras=("camera", "wrist"), goal=("x", unit(1, 8)[0])
    )
    out = label(tmp_path / "bag", "--goal", GOAL, "--json")
    told = told_by(capsys)
    assert (told["source"], told["rewards"], told["dropped"]) == ("embeddings", {"camera": 30, "wrist": 30}, {})
    [goal] = messages(out, "/liv/active_goal")
    assert (goal.goal.text, goal.model, goal.activation) == (GOAL, bundle.identity, "one")
    np.testing.assert_array_equal(goal.embedding, resolved.embedding)
    for camera in ("camera", "wrist"):
        stream = RewardStream(resolved.embedding, resolved.calibration)
        rewards = messages(out, f"/liv/{camera}/reward")
        for seen, got in zip(messages(out, f"/liv/{camera}/embedding"), rewards, strict=True):
            stamp = seen.header.stamp
            expected = stream.update(seen.data, stamp.sec * SECOND + stamp.nanosec)
            assert (str(got.header), got.camera) == (str(seen.header), camera)
            assert (got.goal_id, got.model) == (goal.goal.id, bundle.identity)
            assert (got.step, got.is_first) == (expected.step, expected.is_first)
            assert (got.value, got.reward, got.progress) == (expected.value, expected.reward, expected.progress)
    assert raw(out, "/other") == raw(tmp_path / "bag", "/other")
    with open_bag(out) as reader:
        [goal] = [c for c in reader.connections if c.topic == "/liv/active_goal"]
    assert goal.ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"


def test_each_activation_is_an_episode_of_a_new_goal(tmp_path, bundle, label):
    with BagWriter(tmp_path / "bag") as bag:
        for i, (activation, sequence) in enumerate([("one", 7), ("one", 8), ("two", 0), ("one", 9), ("two", 1)]):
            vector, stamp = unit(1, bundle.dim, i)[0], T0 + i * STEP_NS
            message = embedding(bundle.identity, sequence, vector, stamp_ns=stamp, activation=activation)
            bag.write("/liv/camera/embedding", EMBEDDING, stamp, message)
    out = label(tmp_path / "bag", "--goal", GOAL)
    assert [r.is_first for r in messages(out, "/liv/camera/reward")] == [True, False, True, False]
    goals = messages(out, "/liv/active_goal")
    assert [(g.activation, g.cameras, list(g.first_sequence)) for g in goals] == [
        ("one", ["camera"], [7]),
        ("two", ["camera"], [0]),
    ]
    assert len({goal.goal.id for goal in goals}) == 1


def test_from_pictures(tmp_path, bundle, resolved, label, capsys):
    write_pictures(tmp_path / "bag", sizes=((48, 64), (32, 40)))  # and of several sizes
    out = label(tmp_path / "bag", "--goal", GOAL, "--json")
    told = told_by(capsys)
    assert (told["source"], told["frames"], told["rewards"]) == ("images", 12, {"camera": 12})
    assert raw(out, "/camera/image_raw/compressed") == raw(tmp_path / "bag")
    seen, rewards = messages(out, "/liv/camera/embedding"), messages(out, "/liv/camera/reward")
    assert [message.sequence for message in seen] == list(range(12))
    assert [message.header.stamp.nanosec for message in seen] == [i * STEP_NS for i in range(12)]
    assert rewards[0].is_first and not rewards[1].is_first
    assert seen[0].header.frame_id == "lens"
    for message, got in zip(seen, rewards, strict=True):
        assert got.value == pytest.approx(float(message.data @ resolved.embedding), abs=1e-6)
    # and again, from what is stored now
    again = label(out, "--goal", GOAL, "--json", output="again")
    assert told_by(capsys)["source"] == "embeddings"
    assert [r.value for r in messages(again, "/liv/camera/reward")] == [r.value for r in rewards]
    # and anew, in place of what is stored
    anew = label(out, "--goal", GOAL, "--from", "images", "--json", output="anew")
    assert told_by(capsys)["source"] == "images"
    assert [m.data.tolist() for m in messages(anew, "/liv/camera/embedding")] == [m.data.tolist() for m in seen]
    assert len(messages(anew, "/liv/camera/reward")) == 12
    assert len(messages(anew, "/liv/active_goal")) == 1


def test_smoothing_as_live(tmp_path, bundle, resolved, label):
    write_embeddings(tmp_path / "bag", bundle.identity, dim=bundle.dim)
    out = label(tmp_path / "bag", "--goal", GOAL, "--smoothing", "0.2")
    stream = RewardStream(resolved.embedding, resolved.calibration, smoothing_s=0.2)
    vectors = unit(30, bundle.dim)
    expected = [stream.update(vector, T0 + i * STEP_NS).value for i, vector in enumerate(vectors)]
    assert [r.value for r in messages(out, "/liv/camera/reward")] == expected


def test_clocks_that_jump(tmp_path, label):
    with BagWriter(tmp_path / "bag") as bag:
        for i, stamp in enumerate((10.0, 10.1, 10.1, 9.8, 10.2, 2.0, 2.1, 50.0)):
            message = compressed(i, T0 + round(stamp * SECOND))
            data = bytes(message_types().serialize_cdr(message, COMPRESSED_IMAGE))
            bag.write("/camera/image_raw", COMPRESSED_IMAGE, T0 + i, data)
    out = label(tmp_path / "bag", "--goal", GOAL)
    rewards = messages(out, "/liv/camera/reward")
    assert [r.step for r in rewards] == [0, 1, 2, 0, 1, 2]
    assert [r.is_first for r in rewards] == [True, False, False, True, False, False]
