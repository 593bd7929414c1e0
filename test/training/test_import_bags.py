# SPDX-License-Identifier: Apache-2.0
"""Episodes from bags: where they begin and end, which are taken, and why others are not."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from bag_world import START_NS, Robot
from numbered_frames import numbered, numbers

from training.augment import AugmentConfig
from training.episodes import EpisodeStore
from training.import_episodes import main as import_episodes
from training.sampler import Sampler, SamplerConfig
from training.sources.clip import nearest_to_grid

OPEN, CLOSE = "open the drawer", "close the drawer"


@pytest.fixture
def take(tmp_path, capsys):
    """Import bags into a store; its exit code and summary."""

    def take(*words, store="store"):
        words = [*map(str, words), "-o", str(tmp_path / store), "--size", "16", "--json"]
        words += [] if "--rate-hz" in words else ["--rate-hz", "20"]
        code = import_episodes(words)
        return code, json.loads(capsys.readouterr().out)

    return take


def frames(first, count):
    return [numbered(i) for i in range(first, first + count)]


def reasons(summary):
    return [bad["reason"] for bad in summary["bad"]]


def test_episodes_are_cut_by_goal_and_verdict(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        for i in range(5):
            robot.show(numbered(i))  # nobody has said what for
        robot.attempt("  Open the  drawer ", frames(10, 30))
        for i in range(50, 60):
            robot.show(numbered(i))  # the arm goes home
        robot.attempt(CLOSE, frames(60, 25), "failure")
        robot.attempt(OPEN, frames(90, 25), "discard")
        robot.attempt(OPEN, frames(120, 25), None)
    code, summary = take(tmp_path / "bag")
    assert code == 0 and summary["added"] == 2
    assert reasons(summary) == [
        "verdict: expected success or failure, got discard",
        "verdict: expected success or failure, got none; or say --unjudged OUTCOME",
    ]
    first, second = EpisodeStore(tmp_path / "store")
    assert (first.text, first.task) == ("Open the drawer", "drawer-open")
    assert (first.outcome, first.camera) == ("success", "camera")
    assert numbers(first.frames) == list(range(10, 40))
    assert first.time_s == pytest.approx(np.arange(30) * 0.051, abs=1e-3)
    assert (second.text, second.outcome, numbers(second.frames)) == (CLOSE, "failure", list(range(60, 85)))
    assert first.source.startswith("bags/goal1 2023-11-14T22:13:20.30")
    assert take(tmp_path / "bag", "--unjudged", "success")[1]["added"] == 1


def test_is_first_begins_another_attempt_at_the_same_goal(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.attempt(OPEN, frames(0, 25), "failure")
        for i in range(25, 30):
            robot.show(numbered(i))
        robot.reset()
        for i in range(30, 55):
            robot.show(numbered(i))
        robot.verdict("success", goal_id="")
        robot.goal(CLOSE)
        robot.verdict("failure", goal_id="goal1")  # a slip, mended
    code, summary = take(tmp_path / "bag")
    assert (code, summary["added"]) == (0, 2)
    first, second = EpisodeStore(tmp_path / "store")
    assert (first.outcome, numbers(first.frames)) == ("failure", list(range(25)))
    assert (second.outcome, numbers(second.frames)) == ("failure", list(range(30, 55)))


def test_an_attempt_outlives_its_encoder_and_its_model(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.attempt(OPEN, frames(0, 20), None)
        robot.goal(OPEN, activation="b", goal_id="goal1")
        for i in range(20, 40):
            robot.show(numbered(i))
        robot.verdict("success")
    assert take(tmp_path / "bag")[1]["added"] == 1
    [episode] = EpisodeStore(tmp_path / "store")
    assert numbers(episode.frames) == list(range(40))


def test_without_rewards_the_goal_alone_cuts(tmp_path, take):
    with Robot(tmp_path / "bag", {"wrist": "/wrist/image_raw"}, rewards=False) as robot:
        robot.attempt(OPEN, frames(0, 30))
        robot.attempt(CLOSE, frames(30, 30))
    assert take(tmp_path / "bag")[1]["added"] == 2
    assert [(e.camera, numbers(e.frames)[0]) for e in EpisodeStore(tmp_path / "store")] == [("wrist", 0), ("wrist", 30)]


def test_the_same_bag_twice_adds_nothing_twice(tmp_path, take, capsys):
    with Robot(tmp_path / "today" / "bag") as robot:
        robot.attempt(OPEN, frames(0, 30))
    shutil.copytree(tmp_path / "today" / "bag", tmp_path / "copy")
    code, summary = take(tmp_path / "today", tmp_path / "today" / "bag", tmp_path / "copy")
    assert (code, summary["added"], len(summary["bad"])) == (0, 1, 1)
    assert f"the same as {tmp_path / 'copy'} episode 1" in reasons(summary)[0]
    code, summary = take(tmp_path / "copy")
    assert (code, summary["added"], summary["skipped"]) == (0, 0, 1)
    assert len(EpisodeStore(tmp_path / "store")) == 1


def test_all_cameras_that_were_scored_are_taken_unless_some_are_named(tmp_path, take):
    cameras = {"front": "/front/image_raw", "wrist": "/wrist/image/compressed"}
    with Robot(tmp_path / "bag", cameras) as robot:
        robot.attempt(OPEN, frames(0, 30))
        robot.publish("/liv/front/overlay", "sensor_msgs/msg/Image", **vars(robot.image(numbered(0))))
    assert take(tmp_path / "bag")[1]["added"] == 2
    episodes = list(EpisodeStore(tmp_path / "store"))
    assert {(e.camera, e.source) for e in episodes} == {(c, episodes[0].source) for c in cameras}
    assert take(tmp_path / "bag", "--camera", "wrist/image/compressed", store="one")[1]["added"] == 1
    code, summary = take(tmp_path / "bag", "--camera", "/left", store="none")
    assert code == 1
    assert "camera topic /left: expected one of /front/image_raw (sensor_msgs/msg/Image), " in reasons(summary)[0]
    assert "/wrist/image/compressed (sensor_msgs/msg/CompressedImage), got none" in reasons(summary)[0]


def test_several_cameras_that_nobody_scored_have_to_be_named(tmp_path, take):
    with Robot(tmp_path / "bag", {"a": "/a/image", "b": "/b/image"}, rewards=False) as robot:
        robot.attempt(OPEN, frames(0, 30))
    code, summary = take(tmp_path / "bag")
    assert code == 1 and "name those to take with --camera" in reasons(summary)[0]
    assert take(tmp_path / "bag", "--camera", "/b/image")[1]["added"] == 1


def test_a_bag_without_a_goal_topic_says_what_it_has(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.show(numbered(0))
    code, summary = take(tmp_path / "bag")
    assert code == 1
    assert "expected a goal topic of liv_ros/msg/ActiveGoal" in reasons(summary)[0]
    assert "/camera/image/compressed (sensor_msgs/msg/CompressedImage)" in reasons(summary)[0]


def test_one_of_several_goal_topics_has_to_be_named(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.goal(CLOSE, topic="/other/active_goal")
        robot.attempt(OPEN, frames(0, 30))
    assert "name one with --goal-topic" in reasons(take(tmp_path / "bag")[1])[0]
    assert take(tmp_path / "bag", "--goal-topic", "liv/active_goal")[1]["added"] == 1


def test_what_cannot_be_learned_from_is_left_out_with_the_reason(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.goal_id = "before"
        robot.reset()
        robot._steps = {"camera": 400}
        robot.goal(OPEN)
        robot._steps = {"camera": 400}
        for frame in frames(0, 30):  # 1: under way when the recording began
            robot.show(frame)
        robot.verdict("success")
        robot.attempt(OPEN, frames(0, 4))  # 2
        robot.attempt(OPEN, [])  # 3
        robot.attempt("", frames(0, 30))  # 4: a picture
        robot.attempt(OPEN, [*frames(0, 15), *(numbered(i, 64, 80) for i in range(15, 30))])  # 5
        robot.goal(OPEN)  # 6
        for i in range(30):
            robot.show(numbered(i), stamp_ns=robot.now_ns + (3600 * 10**9 if i > 15 else 0))
        robot.verdict("success")
        robot.attempt(OPEN, frames(0, 30), "perhaps")  # 7
    code, summary = take(tmp_path / "bag")
    assert (code, summary["added"]) == (1, 0)
    assert reasons(summary) == [
        "episode: expected one whose beginning was recorded, got one under way",
        "length: expected at least 1 s (--shortest-s), got 0.15 s",
        "pictures on /camera/image/compressed: expected some while the goal was active, got none",
        "goal: expected words, got a picture",
        "pictures: expected all of 40x32, got 80x64 after 0.8 s",
        "stamps of the pictures: expected a clock that goes on evenly, got a jump of +3600.1 s within 0.1 s, "
        "0.8 s from its beginning",
        "verdict: expected success or failure, got none; or say --unjudged OUTCOME",
    ]


def test_pictures_without_stamps_and_stamps_out_of_order(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.goal(OPEN)
        for i in range(30):
            robot.show(numbered(i), stamp_ns=0)
        robot.verdict("success")
        robot.goal(CLOSE)
        for i in range(30):
            late = 10**8 if i in (10, 20) else 0
            robot.show(numbered(i), stamp_ns=robot.now_ns + 5 * 10**7 - late)
        robot.verdict("success")
    assert take(tmp_path / "bag")[1]["added"] == 2
    first, second = EpisodeStore(tmp_path / "store")
    assert numbers(first.frames) == list(range(30))
    assert numbers(second.frames) == [i for i in range(30) if i not in (10, 20)]


@pytest.mark.parametrize("what", ["cut", "damaged", "nothing"])
def test_a_bag_that_breaks_off_is_read_as_far_as_it_goes(tmp_path, take, what):
    with Robot(tmp_path / "bag") as robot:
        robot.attempt(OPEN, frames(0, 30))
        robot.bag.flush()
        [file] = (tmp_path / "bag").glob("*.mcap")
        whole = file.stat().st_size
        robot.attempt(CLOSE, frames(30, 30))
    content = file.read_bytes()
    if what == "cut":
        file.write_bytes(content[: whole + 500])
        (tmp_path / "bag" / "metadata.yaml").unlink()
    elif what == "damaged":
        file.write_bytes(content[: whole + 500] + bytes(500) + content[whole + 1000 :])
    else:
        file.write_bytes(content[:30])
    code, summary = take(tmp_path / "bag")
    assert (code, summary["added"]) == ((1, 0) if what == "nothing" else (0, 1))
    if what != "nothing":
        [episode] = EpisodeStore(tmp_path / "store")
        assert (episode.text, numbers(episode.frames)) == (OPEN, list(range(30)))


def test_a_bad_bag_does_not_keep_the_others_out(tmp_path, take):
    (tmp_path / "bags" / "broken").mkdir(parents=True)
    (tmp_path / "bags" / "broken" / "broken_0.mcap").write_bytes(b"nothing")
    with Robot(tmp_path / "bags" / "good") as robot:
        robot.attempt(OPEN, frames(0, 30))
    code, summary = take(tmp_path / "bags")
    assert (code, summary["added"]) == (0, 1)
    assert "expected a rosbag2 recording" in reasons(summary)[0]


def test_pictures_are_brought_to_a_rate(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.attempt(OPEN, frames(0, 41))
    assert take(tmp_path / "bag", "--rate-hz", "5")[1]["added"] == 1
    [episode] = EpisodeStore(tmp_path / "store")
    assert numbers(episode.frames)[-1] == 40
    assert np.diff(episode.time_s) == pytest.approx(0.2, abs=0.06)


def test_the_nearest_frames_none_twice():
    time_s = np.array([0.0, 0.1, 0.2, 0.9, 1.0, 1.1])  # nothing came for a while
    assert nearest_to_grid(time_s, 10.0, None).tolist() == [0, 1, 2, 3, 4, 5]
    assert nearest_to_grid(time_s, 10.0, 5.0).tolist() == [0, 1, 2, 3, 5]
    assert nearest_to_grid(np.array([0.0]), 1.0, 0.5).tolist() == [0]


def test_a_dry_run_tells_and_shows_and_writes_nothing(tmp_path, capsys):
    with Robot(tmp_path / "bag") as robot:
        robot.attempt(OPEN, frames(0, 30))
        robot.attempt("<b>" + CLOSE, frames(0, 30), "failure")
        robot.attempt(CLOSE, frames(0, 30), "discard")
    sheet = tmp_path / "sheet.html"
    words = [str(tmp_path / "bag"), "-o", str(tmp_path / "store"), "--contact-sheet", str(sheet)]
    assert import_episodes([*words, "--dry-run"]) == 0
    told = capsys.readouterr()
    assert f"{tmp_path / 'bag'} episode 1, camera  16 frames  success  {OPEN}" in told.out
    assert f"left out: {tmp_path / 'bag'} episode 3, camera: verdict: expected success or failure" in told.err
    assert not (tmp_path / "store").exists()
    page = sheet.read_text()
    assert page.count("<img") == 6 and "&lt;b&gt;close" in page and "http" not in page
    assert import_episodes(words) == 0
    assert sheet.read_text().count("<img") == 6


def test_paraphrases_are_learned_too(tmp_path, take):
    with Robot(tmp_path / "bag") as robot:
        robot.attempt("stack the cups", frames(0, 30))
    (tmp_path / "ways.yaml").write_text("stack the cups: [put one cup on the other, pile up the cups]\n")
    take(tmp_path / "bag", "--paraphrases", tmp_path / "ways.yaml")
    sampler = Sampler(EpisodeStore(tmp_path / "store"), (), SamplerConfig(), AugmentConfig(), 0)
    assert sampler.texts == ["pile up the cups", "put one cup on the other", "stack the cups"]
    (tmp_path / "ways.yaml").write_text("stack the cups: no list\n")
    with pytest.raises(Exception, match="lists of texts by instruction"):
        take(tmp_path / "bag", "--paraphrases", tmp_path / "ways.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "expected a bag (rosbag2 folder, .mcap or .db3), or a folder with bags, got no such file"),
        (["manifest"], "liv episodes import manifest: expected one table, got none"),
        (["a.csv"], "say of which kind: manifest, epic or captions"),
    ],
)
def test_mistakes_are_told(tmp_path, monkeypatch, capsys, words, message):
    from liv_model.cli import main as liv

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("path,text\n")
    assert liv(["episodes", "import", *words, "-o", "store"]) == 2
    assert message in capsys.readouterr().err


def test_the_clock_of_the_robot_need_not_be_the_recorders(tmp_path, take):
    with Robot(tmp_path / "bag", offset_ns=START_NS - 10**9) as robot:  # simulated time
        robot.attempt(OPEN, frames(0, 30))
    assert take(tmp_path / "bag")[1]["added"] == 1


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_bags_that_other_tools_wrote(tmp_path, take, storage):
    from rosbags.rosbag2 import StoragePlugin, Writer

    from liv_model.bags import message_types, open_bag

    with Robot(tmp_path / "ours") as robot:
        robot.attempt(OPEN, frames(0, 30))
    with (
        open_bag(tmp_path / "ours") as reader,
        Writer(tmp_path / "theirs", version=9, storage_plugin=StoragePlugin[storage]) as writer,
    ):
        topics = {c.topic: c.msgtype for c in reader.connections}
        theirs = {t: writer.add_connection(t, kind, typestore=message_types()) for t, kind in topics.items()}
        for connection, recorded_ns, raw in reader.messages():
            writer.write(theirs[connection.topic], recorded_ns, raw)
    assert take(tmp_path / "theirs")[1]["added"] == 1
    [episode] = EpisodeStore(tmp_path / "store")
    assert numbers(episode.frames) == list(range(30))
