# SPDX-License-Identifier: Apache-2.0
"""New rewards for recorded bags: the same numbers as live, everything else as it was."""

import json
import math
import shutil

import cv2
import numpy as np
import pytest
from model.label_bags import (
    STEP_NS,
    STRING,
    T0,
    LiveRecording,
    active_goal,
    cdr,
    compressed,
    contents,
    embedding,
    picture,
    unit,
    write_by_rosbags,
    write_embeddings,
    write_pictures,
)

from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE, message_types, open_bag, read_messages
from liv_model.cli import main as liv
from liv_model.encoder import open_encoder
from liv_model.errors import MediaError
from liv_model.goal import Goal, GoalResolver
from liv_model.label_messages import ACTIVE_GOAL, EMBEDDING, REWARD
from liv_model.label_reading import open_recording
from liv_model.label_sources import camera_name
from liv_model.reward import NANOSECONDS, RewardStream

GOAL = "open the drawer"
SECOND = NANOSECONDS


@pytest.fixture(scope="module")
def model(bundle):
    return bundle.identity


@pytest.fixture(scope="module")
def resolved(bundle):
    encoder = open_encoder(bundle)
    yield GoalResolver(bundle, encoder).resolve(Goal(GOAL))
    encoder.close()


@pytest.fixture
def label(bundle, tmp_path):
    """The command with the tests' bundle."""

    def run(*words, output="out", code=0):
        out = [] if output is None else ["-o", str(tmp_path / output)]
        assert liv(["label", *map(str, words), *out, "--bundle", str(bundle.path)]) == code
        return tmp_path / output if output else None

    return run


def raw(path, topic=None):
    """(topic, time, bytes) of a bag."""
    with open_recording(path) as recording:
        return [tuple(m) for m in recording.messages() if topic in (None, m.topic)]


def messages(path, topic):
    return [message for _, _, message in read_messages(path, [topic])]


def told_by(capsys):
    return json.loads(capsys.readouterr().out)["bags"][0]


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
def test_a_live_recording_gets_the_same_rewards_again(tmp_path, model, bundle, label, rewards_in_it, capsys):
    live = live_bag(tmp_path / "live", model, bundle.dim)
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


def test_another_goal_from_embeddings_without_a_picture(tmp_path, model, bundle, resolved, label, capsys):
    write_embeddings(tmp_path / "bag", model, dim=bundle.dim, cameras=("camera", "wrist"), goal=("x", unit(1, 8)[0]))
    out = label(tmp_path / "bag", "--goal", GOAL, "--json")
    told = told_by(capsys)
    assert (told["source"], told["rewards"], told["dropped"]) == ("embeddings", {"camera": 30, "wrist": 30}, {})
    [goal] = messages(out, "/liv/active_goal")
    assert (goal.goal.text, goal.model, goal.activation) == (GOAL, model, "one")
    np.testing.assert_array_equal(goal.embedding, resolved.embedding)
    for camera in ("camera", "wrist"):
        stream = RewardStream(resolved.embedding, resolved.calibration)
        rewards = messages(out, f"/liv/{camera}/reward")
        for seen, got in zip(messages(out, f"/liv/{camera}/embedding"), rewards, strict=True):
            stamp = seen.header.stamp
            expected = stream.update(seen.data, stamp.sec * SECOND + stamp.nanosec)
            assert (str(got.header), got.camera) == (str(seen.header), camera)
            assert (got.goal_id, got.model) == (goal.goal.id, model)
            assert (got.step, got.is_first) == (expected.step, expected.is_first)
            assert (got.value, got.reward, got.progress) == (expected.value, expected.reward, expected.progress)
    assert raw(out, "/other") == raw(tmp_path / "bag", "/other")
    with open_bag(out) as reader:
        [goal] = [c for c in reader.connections if c.topic == "/liv/active_goal"]
    assert goal.ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"


def test_each_activation_is_an_episode_of_a_new_goal(tmp_path, model, bundle, label):
    with BagWriter(tmp_path / "bag") as bag:
        for i, (activation, sequence) in enumerate([("one", 7), ("one", 8), ("two", 0), ("one", 9), ("two", 1)]):
            vector, stamp = unit(1, bundle.dim, i)[0], T0 + i * STEP_NS
            message = embedding(model, sequence, vector, stamp_ns=stamp, activation=activation)
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


def test_goals_that_were_said_and_a_goal_picture(tmp_path, label):
    write_pictures(tmp_path / "bag", said=((2, "open the drawer"), (7, "close the drawer")))
    out = label(tmp_path / "bag", "--goals-from-bag")
    assert [r.is_first for r in messages(out, "/liv/camera/reward")].count(True) == 2
    assert len(messages(out, "/liv/camera/reward")) == 10
    goals = messages(out, "/liv/active_goal")
    told = [(g.goal.text, list(g.first_sequence)) for g in goals]
    assert told == [("open the drawer", [2]), ("close the drawer", [7])]
    # the goals of that bag, by the pictures again
    again = label(out, "--goals-from-bag", "--from", "images", output="again")
    assert [r.value for r in messages(again, "/liv/camera/reward")] == [
        r.value for r in messages(out, "/liv/camera/reward")
    ]
    cv2.imwrite(str(tmp_path / "done.png"), picture(11)[..., ::-1])
    pictured = label(tmp_path / "bag", "--goal-image", tmp_path / "done.png", output="pictured")
    [goal] = messages(pictured, "/liv/active_goal")
    assert (goal.goal.text, goal.goal.image.width, goal.goal.id.split("-")[0]) == ("", 64, "done")
    assert messages(pictured, "/liv/camera/reward")[-1].value > 0.9


def test_goals_that_were_said_of_a_bag_of_embeddings(tmp_path, model, bundle, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        for i, vector in enumerate(unit(6, bundle.dim)):
            if i in (1, 4):
                bag.write("/liv/goal/text", STRING, T0 + i * STEP_NS - 1, cdr(STRING, data=GOAL))
            message = embedding(model, i, vector, stamp_ns=T0 + i * STEP_NS)
            bag.write("/liv/camera/embedding", EMBEDDING, T0 + i * STEP_NS, message)
    out = label(tmp_path / "bag", "--goals-from-bag", "--json")
    assert told_by(capsys)["dropped"] == {"no goal": 1}
    assert [r.is_first for r in messages(out, "/liv/camera/reward")] == [True, False, False, True, False]
    assert [list(g.first_sequence) for g in messages(out, "/liv/active_goal")] == [[1], [4]]


def test_a_goal_that_ended_ends_for_pictures_too(tmp_path, model, label, capsys):
    write_pictures(tmp_path / "pictures", 6)
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/liv/old/reward", REWARD)
        for i, (topic, time_ns, message) in enumerate(raw(tmp_path / "pictures")):
            if i in (1, 4):
                said = ("g", GOAL) if i == 1 else ("", "")
                bag.write("/liv/active_goal", ACTIVE_GOAL, time_ns - 1, active_goal(*said, "other@0", unit(1, 8)[0]))
            bag.write(topic, COMPRESSED_IMAGE, time_ns, message)
    out = label(tmp_path / "bag", "--goals-from-bag", "--json")
    told = told_by(capsys)
    assert (told["rewards"], told["dropped"]) == ({"camera": 3}, {"no goal": 3})
    assert told["remarks"] == ["left as they were: /liv/old/reward (name cameras with --camera NAME=TOPIC)"]
    goals = messages(out, "/liv/active_goal")
    assert [(g.goal.id, g.model) for g in goals] == [("g", model), ("", "")]


def test_a_goal_that_the_model_does_not_take_is_passed_over(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", said=((2, GOAL), (7, "   ")))
    out = label(tmp_path / "bag", "--goals-from-bag", "--json")
    assert "goal passed over" in told_by(capsys)["remarks"][0]
    assert [r.is_first for r in messages(out, "/liv/camera/reward")].count(True) == 1


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
@pytest.mark.parametrize("distribution", ["HUMBLE", "JAZZY"])
def test_bags_of_other_tools(tmp_path, label, distribution, storage, capsys):
    write_by_rosbags(tmp_path / "bag", distribution, storage)
    out = label(tmp_path / "bag", "--goal", GOAL, "--json")
    assert told_by(capsys)["rewards"] == {"front": 6, "wrist": 6}
    ours = [message for message in raw(out) if not message[0].startswith("/liv/")]
    assert ours == raw(tmp_path / "bag")
    assert [message.data for message in messages(out, "/chatter")] == [str(i) for i in range(6)]
    file = next((tmp_path / "bag").glob("*.db3" if storage == "SQLITE3" else "*.mcap"))
    label(file, "--goal", GOAL, output="by_file")


def test_a_bag_without_definitions(tmp_path, label):
    """As sqlite3 bags of Humble are."""
    write_by_rosbags(tmp_path / "bag", "HUMBLE", "SQLITE3")
    strip_definitions(tmp_path / "bag")
    out = label(tmp_path / "bag", "--goal", GOAL)
    assert [message.data for message in messages(out, "/chatter")] == [str(i) for i in range(6)]


def strip_definitions(folder, rename=None):
    import sqlite3

    with sqlite3.connect(next(folder.glob("*.db3"))) as database:
        database.execute("DELETE FROM message_definitions")
        if rename:
            database.execute("UPDATE topics SET type = ? WHERE name = '/chatter'", (rename,))
    if rename:
        about = folder / "metadata.yaml"
        about.write_text(about.read_text().replace(STRING, rename))


def test_unknown_types_pass_through(tmp_path, label):
    write_by_rosbags(tmp_path / "bag", "HUMBLE", "SQLITE3")
    strip_definitions(tmp_path / "bag", rename="robot_msgs/msg/Secret")
    out = label(tmp_path / "bag", "--goal", GOAL)
    assert raw(out, "/chatter") == raw(tmp_path / "bag", "/chatter")
    with open_recording(out) as recording:
        assert recording.topics["/chatter"].msgtype == "robot_msgs/msg/Secret"
        assert recording.topics["/chatter"].definition is None
    assert len(messages(out, "/front/image_raw")) == 6  # the others stay readable


def test_types_that_the_bag_defines_stay_defined(tmp_path, label):
    write_pictures(tmp_path / "bag", 3)
    definition = b"string what\nint32 number\n"
    own = b"\x00\x01\x00\x00\x02\x00\x00\x00a\x00\x00\x00\x05\x00\x00\x00"
    with BagWriter(tmp_path / "with") as bag:
        bag.add_topic("/own", "robot_msgs/msg/Own", definition=definition)
        for topic, time_ns, message in raw(tmp_path / "bag"):
            bag.write("/own", "robot_msgs/msg/Own", time_ns, own)
            bag.write(topic, COMPRESSED_IMAGE, time_ns, message)
    out = label(tmp_path / "with", "--goal", GOAL)
    assert [(m.what, m.number) for m in messages(out, "/own")] == [("a", 5)] * 3


def test_no_such_topic_lists_those_there_are(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", 2, said=((0, GOAL),))
    label(tmp_path / "bag", "--goal", GOAL, "--camera", "camera=/up", code=2)
    told = capsys.readouterr().err
    assert "/up" in told
    assert f"/camera/image_raw/compressed ({COMPRESSED_IMAGE}), /liv/goal/text ({STRING})" in told
    label(tmp_path / "bag", "--goal", GOAL, "--camera", "wrist", code=2)
    assert "expected images of camera 'wrist'" in capsys.readouterr().err
    label(tmp_path / "bag", "--goal", GOAL, "--from", "embeddings", code=2)
    assert "expected embeddings of a camera, got /camera/image_raw" in capsys.readouterr().err
    write_embeddings(tmp_path / "embeddings", "m", 2)
    label(tmp_path / "embeddings", "--goal", GOAL, "--from", "images", code=2)
    assert f"/liv/camera/embedding ({EMBEDDING})" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cameras_by_choice(tmp_path, label):
    write_pictures(tmp_path / "bag", 3, topics=("/left/image_raw", "/left/image_raw/compressed", "/up/image_raw"))
    label(tmp_path / "bag", "--goal", GOAL, code=2)  # which of the two is left?
    out = label(tmp_path / "bag", "--goal", GOAL, "--camera", "up", "--camera", "arm=/left/image_raw")
    assert len(messages(out, "/liv/up/reward")) == len(messages(out, "/liv/arm/reward")) == 3
    names = {"/camera/image_raw": "camera", "/front/color/image_raw/compressed": "front", "/image_raw": "camera"}
    assert {topic: camera_name(topic) for topic in names} == names


def test_no_goal_topic(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", 2)
    label(tmp_path / "bag", "--goals-from-bag", code=2)
    told = capsys.readouterr().err
    assert "expected /liv/active_goal (liv_ros/msg/ActiveGoal) or" in told
    assert f"got /camera/image_raw/compressed ({COMPRESSED_IMAGE}); give the goal with --goal" in told


@pytest.mark.parametrize("at", [0, 5])
def test_embeddings_of_another_model_are_refused(tmp_path, model, bundle, label, at, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        for i in range(8):
            of = "other@0123456789ab" if i >= at else model
            message = embedding(of, i, unit(1, bundle.dim, i)[0], stamp_ns=T0 + i * STEP_NS)
            bag.write("/liv/camera/embedding", EMBEDDING, T0 + i * STEP_NS, message)
    label(tmp_path / "bag", "--goal", GOAL, code=2)
    told = capsys.readouterr().err
    assert f"expected embeddings of {model}, got of other@0123456789ab; name that model with --bundle" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag"]


def test_an_empty_bag_and_none(tmp_path, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/camera/image_raw", COMPRESSED_IMAGE)
    label(tmp_path / "bag", "--goal", GOAL, code=2)
    assert "expected a bag with messages, got an empty one" in capsys.readouterr().err
    label(tmp_path / "none", "--goal", GOAL, code=2)
    assert "no such file or folder" in capsys.readouterr().err


def test_a_broken_last_chunk(tmp_path, model, bundle, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        for i in range(40):
            message = embedding(model, i, unit(1, bundle.dim, i)[0], stamp_ns=T0 + i * STEP_NS)
            bag.write("/liv/camera/embedding", EMBEDDING, T0 + i * STEP_NS, message)
            if i % 10 == 9:
                bag.flush()
    [file] = (tmp_path / "bag").glob("*.mcap")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(0.4 * len(whole))])
    out = label(tmp_path / "bag", "--goal", GOAL, "--json")
    told = told_by(capsys)
    assert told["remarks"][0] == "the bag was cut short, and read as far as it goes"
    assert len(messages(out, "/liv/camera/reward")) == told["rewards"]["camera"] in (10, 20, 30)
    middle = len(whole) // 3
    file.write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    label(tmp_path / "bag", "--goal", GOAL, output="damaged", code=2)
    assert "expected an undamaged recording" in capsys.readouterr().err
    assert not (tmp_path / "damaged").exists()


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


def test_pictures_that_do_not_decode_are_left_out_and_told(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", 6, cut=(2,))
    out = label(tmp_path / "bag", "--goal", GOAL, code=1)
    assert len(messages(out, "/liv/camera/reward")) == 5
    assert "1 do not decode" in capsys.readouterr().err
    write_pictures(tmp_path / "all", 2, cut=(0, 1))
    label(tmp_path / "all", "--goal", GOAL, output="all_out", code=2)
    assert "expected images that can be scored, got 2 pictures that do not decode" in capsys.readouterr().err


def test_nothing_that_can_be_scored(tmp_path, model, bundle, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/liv/active_goal", ACTIVE_GOAL, T0, active_goal("g", "x", "other@0", unit(1, 8)[0]))
        message = embedding(model, 0, unit(1, bundle.dim)[0], stamp_ns=T0)
        bag.write("/liv/camera/embedding", EMBEDDING, T0 + 1, message)
    label(tmp_path / "bag", "--goals-from-bag", code=2)
    assert "got 1 another model or activation" in capsys.readouterr().err


def test_an_output_that_exists(tmp_path, model, bundle, label, capsys):
    write_embeddings(tmp_path / "bag", model, dim=bundle.dim)
    out = label(tmp_path / "bag", "--goal", GOAL)
    before = raw(out)
    label(tmp_path / "bag", "--goal", GOAL, code=2)
    assert "try --overwrite" in capsys.readouterr().err
    assert raw(out) == before
    label(tmp_path / "bag", "--goal", "sing a song", "--overwrite")
    assert messages(out, "/liv/active_goal")[0].goal.text == "sing a song"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "out"]
    assert sorted(path.name for path in out.iterdir()) == ["metadata.yaml", "out_0.mcap"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    label(tmp_path / "bag", "--goal", GOAL, "--overwrite", output="mine", code=2)
    assert "expected a bag's folder to replace" in capsys.readouterr().err


def test_a_failure_leaves_the_old_output(tmp_path, model, bundle, label):
    write_embeddings(tmp_path / "bag", model, dim=bundle.dim)
    out = label(tmp_path / "bag", "--goal", GOAL)
    before = raw(out)
    write_embeddings(tmp_path / "other", "other@0")
    label(tmp_path / "other", "--goal", GOAL, "--overwrite", code=2)
    assert raw(out) == before


@pytest.mark.parametrize("place", ["bag", "bag/within", "."])
def test_the_original_is_never_written_to(tmp_path, model, label, place, capsys):
    write_embeddings(tmp_path / "bag", model)
    label(tmp_path / "bag", "--goal", GOAL, "--overwrite", output=place, code=2)
    assert "expected a place apart from the bags that are read" in capsys.readouterr().err


def test_old_versions_of_our_messages_are_read(tmp_path, model, bundle, label):
    """By the definition in the bag: an ActiveGoal of before task states has no thresholds."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    text = message_types().generate_msgdef(ACTIVE_GOAL, ros_version=2)[0]
    newer = ("float64 stall_s", "float64 hold_s", "float64 success_progress")
    old = "\n".join(line for line in text.splitlines() if line not in newer)
    store.register(get_types_from_msg(old, ACTIVE_GOAL))
    write_embeddings(tmp_path / "new", model, 5, bundle.dim, goal=(GOAL, unit(1, bundle.dim)[0]))
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/liv/active_goal", ACTIVE_GOAL, definition=old.encode())
        for topic, time_ns, message in contents(tmp_path / "new"):
            if topic == "/liv/active_goal":
                fields = {n: getattr(message, n) for n, _ in store.fielddefs[ACTIVE_GOAL][1]}
                data = store.serialize_cdr(store.types[ACTIVE_GOAL](**fields), ACTIVE_GOAL)
                bag.write(topic, ACTIVE_GOAL, time_ns, bytes(data))
            elif topic != "/other":
                bag.write(topic, EMBEDDING, time_ns, bytes(message_types().serialize_cdr(message, EMBEDDING)))
    out = label(tmp_path / "bag", "--goals-from-bag")
    assert len(messages(out, "/liv/camera/reward")) == 5
    assert not hasattr(messages(out, "/liv/active_goal")[0], "stall_s")


def test_smoothing_as_live(tmp_path, model, bundle, resolved, label):
    write_embeddings(tmp_path / "bag", model, dim=bundle.dim)
    out = label(tmp_path / "bag", "--goal", GOAL, "--smoothing", "0.2")
    stream = RewardStream(resolved.embedding, resolved.calibration, smoothing_s=0.2)
    vectors = unit(30, bundle.dim)
    expected = [stream.update(vector, T0 + i * STEP_NS).value for i, vector in enumerate(vectors)]
    assert [r.value for r in messages(out, "/liv/camera/reward")] == expected


def test_two_types_on_one_topic(tmp_path):
    from mcap.writer import Writer

    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2", library="test")
        for msgtype in (STRING, REWARD):
            schema = writer.register_schema(msgtype, "ros2msg", b"string data")
            channel = writer.register_channel("/a", "cdr", schema)
            writer.add_message(channel, 1, cdr(STRING, data="x"), 1)
        writer.finish()
    with pytest.raises(MediaError, match="expected messages of one type"), open_recording(tmp_path / "a.mcap"):
        pass


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        liv(["label", "--help"])
    assert "liv label run1 --goals-from-bag" in capsys.readouterr().out


def test_something_has_to_be_written(tmp_path, model, label, capsys):
    write_embeddings(tmp_path / "bag", model, 3)
    label(tmp_path / "bag", "--goal", GOAL, output=None, code=2)
    assert "expected -o OUT, --parquet FILE, or both" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "bag")
