# SPDX-License-Identifier: Apache-2.0
"""`liv evaluate --task-state`, on an encoder that reads progress off the picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx")

from tiny_bundle import SIZE, TEXTS, make_bundle

from liv_model.bundle import Bundle, Instruction, TaskStateThresholds
from liv_model.errors import ConfigError, DataError
from training import evaluate
from training.episodes import Episode, EpisodeStore, EpisodeWriter
from training.task_state_report import judge_task_states, write_task_states
from training.task_state_streams import make_streams
from training.task_state_trial import findings

TASK = TEXTS[0]


class Reader:
    """A double: the first row of a frame is the value of its one task, 0 to 255 for 0 to 1; noise averages out."""

    model, backend, device, precision, gate = "reader@0", "double", "none", "fp32", None

    def encode_images(self, rgb):
        value = rgb[:, 0].mean(axis=(1, 2)) / 255.0
        return np.stack([value, np.sqrt(1 - value**2)], axis=1).astype(np.float32)

    def encode_texts(self, texts):
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(texts), 1))


def episode(seed, outcome, end, camera=""):
    way = np.concatenate([np.linspace(10, end, 30), np.full(4, end)])
    frames = np.zeros((34, SIZE, SIZE, 3), np.uint8)
    frames[:, 0] = way.astype(np.uint8)[:, None, None]
    return Episode(frames, np.arange(34) / 16, TASK, "drawer-open", outcome, seed, camera, "a double's")


@pytest.fixture
def store(tmp_path):
    with EpisodeWriter(tmp_path / "store", SIZE, SIZE) as writer:
        for seed in range(6):
            for camera in ("left", "right"):
                writer.append(episode(seed, "success", 245, camera))
                writer.append(episode(seed, "truncated", 120, camera))
    return EpisodeStore(tmp_path / "store")


@pytest.fixture
def known(bundle):
    """A bundle that knows the double's task and has sensible thresholds."""
    task = Instruction(TASK, "drawer-open", None, (), 0.05, 0.95)
    return replace(bundle, instructions=(task,), task_state=TaskStateThresholds(1.0, 0.3, 0.9))


def test_a_reader_of_the_truth_finds_everything(known, store):
    report = judge_task_states(known, Reader(), store, range(len(store)), store)
    for found in report["task_state"].values():
        assert found["success"]["f1"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 12}  # two cameras, one attempt
        assert found["stall"]["recall"]["mean"] > 0.8  # fitted, success begins midway: who stops above has succeeded
        assert found["false_alarms"]["per_success"]["mean"] == 0.0
        assert found["n"] == {"successes": 12, "failures": 12, "stalls": 12, "not_calibrated": []}
    assert report["task_state"]["bundle"]["thresholds"]["stall_s"] == 1.0
    assert report["task_state"]["bundle"]["stall"]["recall"]["mean"] == 1.0
    assert 1.0 <= report["task_state"]["bundle"]["stall"]["median_delay_s"] <= 1.3
    top = [row for row in report["curves"]["success"] if row["f1"] == 1.0]
    assert top and all(row["success_progress"] > 0.4 for row in top)
    assert report["curves"]["stall"][-1]["recall"] == 0.0  # 2.5 s cannot be told within 2 s


def test_thresholds_that_do_not_fit_are_found_out(known, store):
    streams = make_streams(known, Reader(), store, range(len(store)))
    lax = findings(TaskStateThresholds(stall_s=0.3, hold_s=0.1, success_progress=0.3), streams)
    assert lax["success"]["taken_for_success"] == {"truncated": 1.0}
    assert lax["success"]["precision"]["mean"] == 0.5
    assert lax["success"]["early"] == 1.0
    never = findings(TaskStateThresholds(stall_s=60.0, hold_s=60.0, success_progress=0.9), streams)
    assert never["success"]["recall"]["mean"] == 0.0 and never["stall"]["recall"]["mean"] == 0.0
    assert never["stall"]["median_delay_s"] is None


def test_streams_are_made_as_they_are_described(known, store):
    streams = make_streams(known, Reader(), store, range(len(store)))
    success, stall = streams.successes[0], streams.stalls[0]
    assert len(success.recorded.time_s) == 34 and success.time_s[-1] == pytest.approx(33 / 16 + 1.5)
    done_s = 33 / 16 - 0.2
    assert all(0.2 * done_s - 1 / 16 <= s.end_s <= 0.8 * done_s for s in streams.stalls)
    assert len({s.end_s for s in streams.stalls}) > 3
    frozen = stall.value[stall.time_s > stall.end_s]
    assert len(frozen) == 48 and 0 < np.std(frozen) < 0.01  # stands still, but for noise
    again = make_streams(known, Reader(), store, range(len(store)))
    assert np.array_equal(again.stalls[0].value, stall.value)


def test_a_task_whose_ends_look_alike_is_never_called_a_success(known, store):
    alike = (*known.instructions, *[replace(known.instructions[0], text=t) for t in TEXTS[2:]])
    alike = (replace(alike[0], goal=0.06), *alike[1:])
    found = findings(known.task_state, make_streams(replace(known, instructions=alike), Reader(), store, range(4)))
    assert found["n"]["not_calibrated"] == ["drawer-open"]
    assert found["success"]["recall"]["mean"] == 0.0


def test_the_command_prints_tables_and_writes_table_and_picture(store, tmp_path, capsys):
    bundle = make_bundle(tmp_path / "bundle").path
    out = tmp_path / "report"
    words = [str(bundle), "--data", str(store.path), "--task-state", "-o", str(out)]
    assert evaluate.main([*words, "--validation", str(store.path)]) == 0
    printed = capsys.readouterr().out
    assert "as the detector tells it frame by frame" in printed and "successes told early" in printed
    written = json.loads((out / "task_state.json").read_text())
    assert written["targets"]["f1"] == 0.9 and set(written["task_state"]) == {"bundle", "fitted"}
    assert (out / "task_state.png").read_bytes().startswith(b"\x89PNG")
    assert not (out / "index.html").exists()
    assert evaluate.main([*words[:4], "--json", "--episodes", "1"]) == 0
    assert set(json.loads(capsys.readouterr().out)["task_state"]) == {"bundle"}


def test_mistakes(store, tmp_path, known):
    bundle = make_bundle(tmp_path / "bundle").path
    with pytest.raises(ConfigError, match="--validation: expected --task-state"):
        evaluate.main([str(bundle), "--data", str(store.path), "--validation", str(store.path)])
    successes = [i for i, r in enumerate(store.records) if r.outcome == "success"]
    with pytest.raises(DataError, match=r"expected successes and failures .* got 12 and 0"):
        make_streams(known, Reader(), store, successes)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="a folder that can be written"):
        write_task_states(tmp_path / "file", {})
    assert isinstance(known, Bundle)
