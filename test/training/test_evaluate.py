# SPDX-License-Identifier: Apache-2.0
"""`liv evaluate` on an untrained bundle, and the metrics on an encoder that reads the answer off the picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx")

from tiny_bundle import SIZE, TEXTS, make_bundle

from liv_model.errors import BackendError, ConfigError, DataError
from training import evaluate
from training.episodes import Episode, EpisodeStore, EpisodeWriter
from training.evaluation_report import confusions

OPEN, CLOSE = TEXTS[:2]


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Reader:
    """A double: the first pixel of a frame is how far "open the drawer" has come, 0 to 255."""

    model, backend, device, precision, gate = "reader@0", "double", "none", "fp32", None

    def encode_images(self, rgb):
        angle = rgb[:, 0, 0, 0].astype(np.float32) / 255.0 * np.pi  # open at pi, closed at 0
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def encode_texts(self, texts):
        return np.array([[-1.0, 0.0] if "open" in t else [1.0, 0.0] for t in texts], np.float32)

    def close(self):
        pass


def episode(text, seed, outcome="success", *, size=SIZE, length=12, camera="front", task=""):
    end = 255 if outcome == "success" else 90
    opened = np.linspace(0, end, length)
    frames = np.random.default_rng(seed).integers(0, 255, (length, size, size, 3), dtype=np.uint8)
    frames[:, 0, 0, 0] = opened if text.startswith("open") else 255 - opened
    return Episode(frames, np.arange(length) / 10, text, task or text, outcome, seed, camera, "a double's")


def write(folder, episodes, size=SIZE):
    with EpisodeWriter(folder, size, size) as writer:
        for one in episodes:
            writer.append(one)
    return folder


@pytest.fixture
def store(tmp_path):
    each = [(t, o) for t in (OPEN, CLOSE) for o in ("success", "truncated")]
    return write(tmp_path / "store", [episode(t, seed, o) for t, o in each for seed in range(4)])


def test_a_reader_of_the_truth_gets_full_marks_with_n(store):
    report = evaluate.evaluate(Reader(), EpisodeStore(store)).report()
    for name in ("language_voc", "success_auc", "top1"):
        assert report.overall[name].mean == pytest.approx(1.0), name
        assert report.per_task[OPEN][name].n == 4
    assert report.overall["negative_rate"].mean == 0.0
    assert report.overall["language_voc"].n == 8
    details = report.details()
    assert set(details) == {"overall", "across_tasks", "per_task"}
    assert details["per_task"][CLOSE]["top1"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 4}


def test_a_language_blind_model_is_found_out(store):
    class Blind(Reader):
        def encode_texts(self, texts):
            return np.tile(np.array([[-1.0, 0.0]], np.float32), (len(texts), 1))

    report = evaluate.evaluate(Blind(), EpisodeStore(store)).report()
    assert report.per_task[OPEN]["language_voc"].mean == pytest.approx(1.0)
    assert report.overall["top1"].mean == 0.0
    assert report.per_task[CLOSE]["language_voc"].mean == pytest.approx(-1.0)


def test_episodes_without_failures_have_no_auc(tmp_path):
    store = write(tmp_path / "s", [episode(OPEN, seed) for seed in range(2)])
    report = evaluate.evaluate(Reader(), EpisodeStore(store)).report()
    assert set(report.overall) == {"language_voc", "image_voc", "negative_rate"}
    assert report.details()["across_tasks"]["language_voc"]["low"] is None  # of one task


def test_a_limit_takes_all_cameras_in_turn(tmp_path):
    # as `liv episodes simulate` fills a store: one camera after the other
    shot = [episode(OPEN, seed, camera=c) for c in ("left", "right", "top") for seed in range(4)]
    store = EpisodeStore(write(tmp_path / "s", [*shot, episode(CLOSE, 9, camera="top"), episode(OPEN, 7, "random")]))
    chosen = [
        (r.task, r.camera, r.seed) for r in (store.records[i] for i in evaluate.choose(store, (), 4, ("success",)))
    ]
    assert chosen == [(OPEN, "left", 0), (OPEN, "left", 1), (OPEN, "right", 0), (OPEN, "top", 0), (CLOSE, "top", 9)]
    assert evaluate.choose(store, ()) == list(range(14))
    assert evaluate.choose(store, (), 1) == [0, 12, 13]


def test_each_camera_is_judged_alone_too(tmp_path, capsys):
    """The double reads the first pixel, which says nothing under the second camera."""

    def dark(one):
        frames = one.frames.copy()
        frames[:, 0, 0, 0] = 255 - frames[:, 0, 0, 0]
        return replace(one, frames=frames)

    seen = [episode(t, seed, o) for t in (OPEN, CLOSE) for seed in range(3) for o in ("success", "random")]
    unseen = [dark(episode(t, seed, camera="back")) for t in (OPEN, CLOSE) for seed in range(3)]
    path = write(tmp_path / "s", seen + unseen)
    evaluation = evaluate.evaluate(Reader(), EpisodeStore(path))
    cameras = {name: alone.report().overall for name, alone in evaluation.of_cameras().items()}
    assert cameras["front"]["language_voc"].mean == pytest.approx(1.0)
    assert cameras["back"]["language_voc"].mean == pytest.approx(-1.0)
    assert "success_auc" in cameras["front"] and "success_auc" not in cameras["back"]
    overall = evaluation.report().overall["language_voc"]
    assert overall.mean == pytest.approx(0.0)
    # the two recordings of an attempt are one piece of evidence, and here all attempts are alike
    assert overall.n == 6 and overall.low == pytest.approx(overall.high)
    bundle, out = make_bundle(tmp_path / "bundle").path, tmp_path / "report"
    assert evaluate.main([str(bundle), "--data", str(path), "-o", str(out)]) == 0
    assert "each camera alone" in capsys.readouterr().out
    assert set(json.loads((out / "report.json").read_text())["per_camera"]) == {"front", "back"}
    assert "Each camera alone" in (out / "index.html").read_text()


def test_tasks_of_one_scene_are_told_apart_or_not(tmp_path, capsys):
    """A model that mistakes opening for closing, but knows a drawer from a button."""

    class Mistaken(Reader):
        def encode_texts(self, texts):
            return np.array([[1.0, 0.0] if "open" in t else [-1.0, 0.0] if "close" in t else [0, -1] for t in texts])

    said = {"drawer-open": OPEN, "drawer-close": CLOSE, "coffee-button": "press the button"}
    shot = [episode(text, seed, task=task) for task, text in said.items() for seed in range(2)]
    path = write(tmp_path / "s", shot)
    evaluation = evaluate.evaluate(Mistaken(), EpisodeStore(path))
    report = evaluation.report()
    assert set(report.scores["top1_in_scene"]) == {"drawer-open", "drawer-close"}
    assert report.overall["top1_in_scene"].mean == 0.0
    found = confusions(evaluation)
    drawers = {(pair["task"], pair["taken_for"], pair["share"]) for pair in found if pair["same_scene"]}
    assert drawers == {("drawer-open", "drawer-close", 1.0), ("drawer-close", "drawer-open", 1.0)}
    assert [pair["taken_for"] for pair in found if pair["task"] == "coffee-button"] == ["drawer-open"]
    bundle, out = make_bundle(tmp_path / "bundle").path, tmp_path / "report"
    assert evaluate.main([str(bundle), "--data", str(path), "--json", "-o", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "top1_in_scene" in printed["overall"] and printed["confusions"]
    assert "Most frequent confusions" in (out / "index.html").read_text()


def test_json_and_files_say_the_same(store, tmp_path, capsys):
    bundle = make_bundle(tmp_path / "bundle").path
    out = tmp_path / "deep" / "report"
    assert evaluate.main([str(bundle), "--data", str(store), "--json", "-o", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "report.json").read_text())
    assert printed["backend"] == "openvino" and printed["precision"] == "fp32" and printed["episodes"] == 16
    assert printed["task_state"]["fitted"]["successes"] == 8
    assert 0 <= printed["familiarity"]["fitted"]["accepted"] <= 1
    assert printed["per_task"][OPEN]["language_voc"]["n"] == 4
    assert not (out / "animations").exists()


def test_tables_are_for_people(store, tmp_path, capsys):
    bundle = make_bundle(tmp_path / "bundle").path
    assert evaluate.main([str(bundle), "--data", str(store), "--tasks", OPEN, "--episodes", "2"]) == 0
    printed = capsys.readouterr().out
    assert "language_voc" in printed and "task state: not fitted" in printed and OPEN in printed


def test_what_needs_instructions_is_left_out_for_a_bundle_without(store, tmp_path, capsys):
    bundle = make_bundle(tmp_path / "bundle", instructions=[], familiarity=2.0).path
    out = tmp_path / "report"
    assert evaluate.main([str(bundle), "--data", str(store), "--json", "-o", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "language_voc" in printed["overall"]
    assert "knows no instruction" in printed["familiarity"]["not_fitted"]
    assert "not_fitted" in printed["task_state"]
    assert "Not fitted" in (out / "index.html").read_text()


def test_mistakes_are_told_before_anything_is_computed(store, tmp_path, monkeypatch):
    bundle = str(make_bundle(tmp_path / "bundle").path)
    empty = write(tmp_path / "empty", [])
    failures = write(tmp_path / "failures", [episode(OPEN, 0, "random")])
    large = write(tmp_path / "large", [episode(OPEN, 0, size=24)], 24)
    monkeypatch.setattr(evaluate, "open_encoder", None)  # not reached
    for data, match in ((empty, "got no episode"), (failures, "got 1 failures"), (large, r"16x16.*got 24x24")):
        with pytest.raises(DataError, match=match):
            evaluate.main([bundle, "--data", str(data)])
    with pytest.raises(DataError, match=r"open the drawer.*got fly"):
        evaluate.main([bundle, "--data", str(store), "--tasks", "fly"])
    with pytest.raises(DataError, match="no such folder"):
        evaluate.main([bundle, "--data", str(tmp_path / "nowhere")])
    with pytest.raises(ConfigError, match="-o DIR"):
        evaluate.main([bundle, "--data", str(store), "--animate"])


def test_a_device_that_is_not_there_and_a_folder_that_is_a_file(store, tmp_path):
    bundle = str(make_bundle(tmp_path / "bundle").path)
    with pytest.raises(BackendError):
        evaluate.main([bundle, "--data", str(store), "--device", "warp"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can be written"):
        evaluate.main([bundle, "--data", str(store), "-o", str(tmp_path / "file")])


def test_a_page_of_very_many_tasks_stays_small(tmp_path, monkeypatch, capsys):
    from training import exhibits

    monkeypatch.setattr(exhibits, "MOST_TASKS", 3)
    texts = [f"open the drawer number {number}" for number in range(9)]
    store = write(tmp_path / "many", [episode(text, 0) for text in texts])
    bundle = make_bundle(tmp_path / "bundle").path
    out = tmp_path / "report"
    assert evaluate.main([str(bundle), "--data", str(store), "--json", "-o", str(out)]) == 0
    assert len(json.loads(capsys.readouterr().out)["per_task"]) == 9
    html = (out / "index.html").read_text()
    assert "3 of them" in html and html.count("<section>") == 3 and html.count('class="right" x=') == 3
