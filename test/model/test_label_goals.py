# SPDX-License-Identifier: Apache-2.0
"""Which goals a bag is labelled for: those that were set while it was recorded, or a picture."""

import cv2
from model.label_bags import (
    GOAL,
    STEP_NS,
    STRING,
    T0,
    active_goal,
    cdr,
    embedding,
    messages,
    picture,
    raw,
    told_by,
    unit,
    write_pictures,
)

from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE
from liv_model.label_messages import ACTIVE_GOAL, EMBEDDING, REWARD


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


def test_goals_that_were_said_of_a_bag_of_embeddings(tmp_path, bundle, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        for i, vector in enumerate(unit(6, bundle.dim)):
            if i in (1, 4):
                bag.write("/liv/goal/text", STRING, T0 + i * STEP_NS - 1, cdr(STRING, data=GOAL))
            message = embedding(bundle.identity, i, vector, stamp_ns=T0 + i * STEP_NS)
            bag.write("/liv/camera/embedding", EMBEDDING, T0 + i * STEP_NS, message)
    out = label(tmp_path / "bag", "--goals-from-bag", "--json")
    assert told_by(capsys)["dropped"] == {"no goal": 1}
    assert [r.is_first for r in messages(out, "/liv/camera/reward")] == [True, False, False, True, False]
    assert [list(g.first_sequence) for g in messages(out, "/liv/active_goal")] == [[1], [4]]


def test_a_goal_that_ended_ends_for_pictures_too(tmp_path, bundle, label, capsys):
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
    assert [(g.goal.id, g.model) for g in goals] == [("g", bundle.identity), ("", "")]


def test_a_goal_that_the_model_does_not_take_is_passed_over(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", said=((2, GOAL), (7, "   ")))
    out = label(tmp_path / "bag", "--goals-from-bag", "--json")
    assert "goal passed over" in told_by(capsys)["remarks"][0]
    assert [r.is_first for r in messages(out, "/liv/camera/reward")].count(True) == 1


def test_no_goal_topic(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", 2)
    label(tmp_path / "bag", "--goals-from-bag", code=2)
    told = capsys.readouterr().err
    assert "expected /liv/active_goal (liv_ros/msg/ActiveGoal) or" in told
    assert f"got /camera/image_raw/compressed ({COMPRESSED_IMAGE}); give the goal with --goal" in told


def test_nothing_that_can_be_scored(tmp_path, bundle, label, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/liv/active_goal", ACTIVE_GOAL, T0, active_goal("g", "x", "other@0", unit(1, 8)[0]))
        message = embedding(bundle.identity, 0, unit(1, bundle.dim)[0], stamp_ns=T0)
        bag.write("/liv/camera/embedding", EMBEDDING, T0 + 1, message)
    label(tmp_path / "bag", "--goals-from-bag", code=2)
    assert "got 1 another model or activation" in capsys.readouterr().err
