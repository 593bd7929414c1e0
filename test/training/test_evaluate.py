# SPDX-License-Identifier: Apache-2.0
"""`liv evaluate` on an untrained bundle, and the metrics on an encoder that reads the answer off the picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("onnx")

from tiny_bundle import SIZE, TEXTS, make_bundle

from liv_model.errors import BackendError, ConfigError, DataError
from training import evaluate
from training.episodes import Episode, EpisodeStore, EpisodeWriter

OPEN, CLOSE = TEXTS[:2]


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Reader:
    """A double: the first pixel of a frame is how far "open the drawer" has come, 0 to 255."""

    model, backend, device = "reader@0", "double", "none"

    def encode_images(self, rgb):
        angle = rgb[:, 0, 0, 0].astype(np.float32) / 255.0 * np.pi  # open at pi, closed at 0
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def encode_texts(self, texts):
        return np.array([[-1.0, 0.0] if "open" in t else [1.0, 0.0] for t in texts], np.float32)

    def close(self):
        pass


def episode(text, seed, outcome="success", *, size=SIZE, length=12):
    end = 255 if outcome == "success" else 90
    opened = np.linspace(0, end, length)
    frames = np.random.default_rng(seed).integers(0, 255, (length, size, size, 3), dtype=np.uint8)
    frames[:, 0, 0, 0] = opened if text.startswith("open") else 255 - opened
    return Episode(frames, np.arange(length) / 10, text, text, outcome, seed, "front", "a double's")


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
