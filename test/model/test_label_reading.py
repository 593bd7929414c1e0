# SPDX-License-Identifier: Apache-2.0
"""Bags that are hard to read: of other tools, of other types and versions, empty, cut short or damaged."""

import pytest
from model.label_bags import (
    GOAL,
    STEP_NS,
    STRING,
    T0,
    cdr,
    contents,
    embedding,
    messages,
    raw,
    told_by,
    unit,
    write_by_rosbags,
    write_embeddings,
    write_pictures,
)

from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE, message_types
from liv_model.errors import MediaError
from liv_model.label_messages import ACTIVE_GOAL, EMBEDDING, REWARD
from liv_model.label_reading import open_recording


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


def test_old_versions_of_our_messages_are_read(tmp_path, bundle, label):
    """By the definition in the bag: an ActiveGoal of before task states has no thresholds."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    text = message_types().generate_msgdef(ACTIVE_GOAL, ros_version=2)[0]
    newer = ("float64 stall_s", "float64 hold_s", "float64 success_progress")
    old = "\n".join(line for line in text.splitlines() if line not in newer)
    store.register(get_types_from_msg(old, ACTIVE_GOAL))
    write_embeddings(tmp_path / "new", bundle.identity, 5, bundle.dim, goal=(GOAL, unit(1, bundle.dim)[0]))
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


def test_an_empty_bag_and_none(tmp_path, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/camera/image_raw", COMPRESSED_IMAGE)
    label(tmp_path / "bag", "--goal", GOAL, code=2)
    assert "expected a bag with messages, got an empty one" in capsys.readouterr().err
    label(tmp_path / "none", "--goal", GOAL, code=2)
    assert "no such file or folder" in capsys.readouterr().err


def test_a_broken_last_chunk(tmp_path, bundle, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        for i in range(40):
            message = embedding(bundle.identity, i, unit(1, bundle.dim, i)[0], stamp_ns=T0 + i * STEP_NS)
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


def test_pictures_that_do_not_decode_are_left_out_and_told(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", 6, cut=(2,))
    out = label(tmp_path / "bag", "--goal", GOAL, code=1)
    assert len(messages(out, "/liv/camera/reward")) == 5
    assert "1 do not decode" in capsys.readouterr().err
    write_pictures(tmp_path / "all", 2, cut=(0, 1))
    label(tmp_path / "all", "--goal", GOAL, output="all_out", code=2)
    assert "expected images that can be scored, got 2 pictures that do not decode" in capsys.readouterr().err
