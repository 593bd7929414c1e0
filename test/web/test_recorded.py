# SPDX-License-Identifier: Apache-2.0
"""A bag as a source: the curves are those that reward_node would have published, whatever the bag is like."""

import math

import cv2
import numpy as np
import pytest
from bag_world import Robot
from model.label_bags import STEP_NS, T0, LiveRecording, picture, unit, write_embeddings, write_pictures

from liv_model.bag_writer import BagWriter
from liv_model.calibration import Calibration
from liv_model.errors import MediaError
from liv_model.goal import Goal, GoalResolver, ResolvedGoal
from liv_model.reward import RewardStream
from liv_model.task_state import DEFAULT_THRESHOLDS
from liv_web.recorded_curve import recorded_curve
from liv_web.recorded_embeddings import CameraEmbeddings
from liv_web.source import NotOfferedError, UnknownError
from liv_web.view_command import open_source


def open_bag(path, bundle, **options):
    return open_source(path, bundle=str(bundle.path), backend="openvino", **options)


@pytest.mark.parametrize("scale", [(0.0, 1.0), (math.nan, 0.5), (math.nan, math.nan)])
def test_the_curve_is_that_of_the_stream(scale):
    vectors, goal = unit(200, 8), unit(1, 8, seed=1)[0]
    stamps = T0 + np.arange(200) * STEP_NS
    first = np.zeros(200, bool)
    first[[0, 60, 61, 150]] = True
    resolved = ResolvedGoal(goal, Calibration(*scale), (), 1.0, "")
    curve = recorded_curve(CameraEmbeddings("camera", stamps, vectors, first), resolved, DEFAULT_THRESHOLDS)
    stream = RewardStream(goal, Calibration(*scale))
    for i in range(200):
        if first[i]:
            stream.reset()
        sample = stream.update(vectors[i], int(stamps[i]))
        assert (curve.value[i], curve.reward[i]) == pytest.approx((sample.value, sample.reward), abs=1e-12)
        assert curve.progress[i] == pytest.approx(sample.progress, nan_ok=True)
    assert set(curve.state) <= {"idle", "progressing", "stalled", "regressing", "succeeded", "blind"}


def test_another_goal_is_another_curve_without_a_picture(bundle, tmp_path):
    write_embeddings(tmp_path / "bag", bundle.identity, count=30)
    with open_bag(tmp_path / "bag", bundle) as source:
        assert source.status().goal is None
        assert set(source.curve("camera").value) == {None}
        before = source.set_goal_text("open the drawer")
        first = source.curve("camera")
        after = source.set_goal_text("close the drawer")
        second = source.curve("camera")
        assert (before.accepted, after.accepted, before.id != after.id) == (True, True, True)
        assert first.t == second.t
        assert first.value != second.value
        assert source.status().history == ["close the drawer", "open the drawer"]
        assert source.status().can.goal_camera is False
        with pytest.raises(UnknownError, match="pictures"):
            source.frame("camera", 0.0)
        with pytest.raises(UnknownError, match="camera"):
            source.curve("wrist")


def test_the_last_goal_of_the_recording_is_the_first(bundle, tmp_path):
    write_embeddings(tmp_path / "bag", bundle.identity, goal=("open the door", unit(1, 8, seed=3)[0]))
    with open_bag(tmp_path / "bag", bundle) as source:
        assert source.status().goal.text == "open the door"
    with open_bag(tmp_path / "bag", bundle, goal=Goal("press the button")) as source:
        assert source.status().goal.text == "press the button"


def test_what_undoes_the_goal_is_a_thin_line(bundle, tmp_path):
    write_embeddings(tmp_path / "bag", bundle.identity)
    with open_bag(tmp_path / "bag", bundle, goal=Goal("open the drawer")) as source:
        [line] = source.curve("camera").others
        assert line.text == "close the drawer"
        source.set_goal_text(line.text)
        assert source.curve("camera").value == pytest.approx(line.value, abs=1e-5)


def test_a_goal_that_is_refused_changes_nothing(bundle, tmp_path):
    write_embeddings(tmp_path / "bag", bundle.identity)
    with open_bag(tmp_path / "bag", bundle, goal=Goal("open the drawer")) as source:
        curve = source.curve("camera")
        for text in ("word " * 100, "   ", "\u200b"):
            answer = source.set_goal_text(text)
            assert not answer.accepted
            assert answer.message
        assert source.curve("camera") == curve
        assert source.status().goal.text == "open the drawer"


def test_pictures_are_encoded_once_and_shown(bundle, tmp_path, monkeypatch):
    from liv_web import recorded_embeddings

    write_pictures(tmp_path / "bag", count=10, cut=(4,))
    with open_bag(tmp_path / "bag", bundle, goal=Goal("open the drawer")) as source:
        curve = source.curve("camera")
        assert len(curve.t) == 9
        resolver = GoalResolver(bundle, source._model.encoder)
        goal = resolver.resolve(Goal("open the drawer"))
        vector = source._model.encoder.encode_images(_square(source.frame("camera", 0.0), bundle)[None])[0]
        assert curve.value[0] == pytest.approx(float(vector @ goal.embedding), abs=1e-5)
        seen = source.frame("camera", 3.4 * STEP_NS / 1e9)
        assert abs(_rgb(seen).astype(int) - picture(3).astype(int)).mean() < 8
        assert source.frame("camera", -5.0) == source.frame("camera", 0.0)
        assert _rgb(source.frame("camera", 1e9)).shape == (48, 64, 3)
        assert source.set_goal_from_camera("camera", 0.0).image
        assert _rgb(source.goal_image()).shape == (48, 64, 3)
        assert source.curve("camera").value[0] == pytest.approx(1.0, abs=1e-5)
    monkeypatch.setattr(recorded_embeddings, "_encode", None)  # kept: nothing is encoded again
    with open_bag(tmp_path / "bag", bundle, goal=Goal("open the drawer")) as source:
        assert source.curve("camera") == curve


def _rgb(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def _square(jpeg, bundle):
    from liv_model.image import to_square

    return to_square(np.ascontiguousarray(_rgb(jpeg)), bundle.image)


def test_embeddings_of_another_model_are_made_anew_from_the_pictures(bundle, tmp_path):
    write_embeddings(tmp_path / "bag", "other@0")
    with (
        pytest.raises(MediaError, match=r"expected embeddings of test@.*, got of other@0"),
        open_bag(tmp_path / "bag", bundle),
    ):
        pass
    with Robot(tmp_path / "both") as made:
        made.attempt("open the drawer", [picture(i) for i in range(6)])
    with open_bag(tmp_path / "both", bundle) as source:
        assert len(source.curve("camera").t) == 6


def test_goals_verdicts_and_episodes_of_the_recording(bundle, tmp_path):
    with Robot(tmp_path / "bag") as made:
        made.attempt("open the drawer", [picture(i) for i in range(5)], "failure")
        made.attempt("close the drawer", [picture(i) for i in range(4)], "success")
        made.verdict("discard", goal_id="goal1")
    with open_bag(tmp_path / "bag", bundle) as source:
        assert source.status().goal.text == "close the drawer"
        assert source.status().history == ["close the drawer", "open the drawer"]
        told = source.episodes()
        assert [episode.verdict for episode in told][-1:] in (["success"], ["discard"])
        assert all(len(episode.spark) <= 40 for episode in told)


def test_episodes_are_those_that_were_recorded(bundle, tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        live = LiveRecording(bag, bundle.identity, 8)
        live.set_goal("g1", "open the drawer")
        for i in range(5):
            live.see(i, T0 + i * STEP_NS)
        live.reset()
        for i in range(5, 9):
            live.see(i, T0 + i * STEP_NS)
    with open_bag(tmp_path / "bag", bundle) as source:
        assert [i for i, first in enumerate(source.curve("camera").is_first) if first] == [0, 5]
        first, second = source.episodes()
        assert (first.goal, first.begin_s, len(first.spark)) == ("open the drawer", 0.0, 5)
        assert second.begin_s == pytest.approx(5 * STEP_NS / 1e9)


def test_a_recording_that_loops_still_has_a_time_that_rises(bundle, tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        live = LiveRecording(bag, bundle.identity, 8)
        live.set_goal("g1", "open the drawer")
        for i in (0, 1, 2, 2, 30, 29, 31, 0, 1, 2):
            live.see(i, T0 + i * STEP_NS)
    with open_bag(tmp_path / "bag", bundle) as source:
        curve = source.curve("camera")
        assert (np.diff(curve.t) >= 0).all()
        assert len(curve.t) == 8  # 2 twice and 29 after 30 are out of order
        assert curve.is_first == [True, False, False, False, False, True, False, False]


def test_a_bag_that_was_cut_short_says_what_to_do(bundle, tmp_path):
    with Robot(tmp_path / "bag") as made:
        for i in range(5):
            made.show(picture(i))
        made.bag.flush()
        [file] = (tmp_path / "bag").glob("*.mcap")
        left = file.read_bytes()
    file.write_bytes(left)
    with pytest.raises(MediaError, match="liv bag recover"), open_bag(tmp_path / "bag", bundle):
        pass


def test_what_only_a_robot_can_do(bundle, tmp_path):
    write_embeddings(tmp_path / "bag", bundle.identity)
    with open_bag(tmp_path / "bag", bundle) as source:
        for ask in (
            source.begin_episode,
            source.roll_back,
            lambda: source.record(True),
            lambda: source.give_verdict("success"),
            lambda: source.load_model("x"),
            lambda: source.watch("camera", print),
        ):
            with pytest.raises(NotOfferedError, match=r"running robot|api/frame"):
                ask()


def test_the_page_over_a_recording(bundle, tmp_path, serve, ask):
    import json

    from websockets.sync.client import connect

    write_pictures(tmp_path / "bag", count=10)
    with open_bag(tmp_path / "bag", bundle) as source:
        server = serve(source)
        client = ask(server)
        status = client.get("/api/status").json()
        assert (status["kind"], status["title"], status["model"]) == ("recorded", "bag", bundle.identity)
        assert status["duration_s"] == pytest.approx(9 * STEP_NS / 1e9)
        with connect(f"ws://localhost:{server.port}/api/events") as page:
            assert json.loads(page.recv(timeout=10))["type"] == "episodes"
            assert client.post("/api/goal", json={"text": "open the door"}).json()["accepted"]
            told = [json.loads(page.recv(timeout=10))["type"] for _ in range(2)]
            assert "goal" in told
        frame = client.get("/api/frame", params={"camera": "camera", "t": 0.2})
        assert frame.headers["content-type"] == "image/jpeg"
        assert "max-age" in frame.headers["cache-control"]
        for t in ("nan", "inf", "1e400", "x", "-1e13"):
            assert client.get("/api/frame", params={"camera": "camera", "t": t}).status_code == 422
        assert client.get("/api/frame", params={"camera": "../x", "t": 0}).status_code == 404
        assert client.post("/api/verdict", json={"verdict": "success"}).status_code == 409
