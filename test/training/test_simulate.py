# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from child_process import interrupted

import training
from liv_model.errors import DataError
from training.attempt import Settings, attempt, frame_steps, smooth_noise
from training.episodes import EpisodeStore
from training.quota import Quota, make_quotas
from training.simulate import main as simulate

ROOT = Path(training.__file__).parents[1]
SMALL = Settings(size=64, stride=10)
RUN = ["--tasks", "handle-press", "--size", "64", "--stride", "20"]


def test_the_last_step_is_a_frame():
    assert frame_steps(10, 3).tolist() == [1, 4, 7, 10]
    assert frame_steps(9, 3).tolist() == [0, 3, 6, 9]
    assert frame_steps(4, 1).tolist() == [0, 1, 2, 3, 4]


def test_smooth_noise_has_its_deviation_and_memory():
    draw = smooth_noise(0.5, np.random.default_rng(0))
    values = np.array([draw(200) for _ in range(300)])[100:]
    assert values.std() == pytest.approx(0.5, rel=0.05)
    assert np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1] == pytest.approx(0.9, abs=0.02)


def fill(quota: Quota, good) -> list[int]:
    """Run a quota to its end; which seeds gave an episode."""
    taken = []
    while quota.open:
        seed = quota.take_seed()
        quota.settle(seed, None if good(seed) else "no")
        taken += [seed] if good(seed) else []
    return taken


def test_a_quota_takes_the_first_seeds_that_are_good():
    quota = Quota("door-open", "success", wanted=3, next_seed=10)
    assert fill(quota, lambda seed: seed % 2) == [11, 13, 15]
    assert quota.missing == 0 and list(quota.failed) == [10, 12, 14]


def test_a_quota_goes_on_where_it_was_stopped():
    keys = {("door-open", "success", seed, "corner2") for seed in (3, 11, 15)} | {
        ("door-open", "random", 13, "corner2"),
        ("door-open", "success", 13, "corner"),
    }
    (quota,) = make_quotas(["door-open"], ["success"], 3, 10, "corner2", keys)
    assert quota.done == 2 and quota.present == {11, 15}
    assert fill(quota, lambda seed: seed % 2) == [13]


def test_a_quota_gives_up_at_last():
    quota = Quota("door-open", "success", wanted=2, next_seed=0)
    assert fill(quota, lambda seed: False) == []
    assert quota.missing == 2 and len(quota.failed) == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "8"], "--size: expected a number from 16 on, got 8"),
        (["--stride", "0"], "--stride: expected"),
        (["--workers", "0"], "--workers: expected"),
        (["--episodes-per-task", "0"], "--episodes-per-task: expected"),
        (["--noise", "-1"], "--noise: expected"),
        (["--slowest", "0"], "--slowest: expected a share"),
        (["--outcomes", "success,perhaps"], "--outcomes: expected some of"),
        (["--outcomes", ""], "--outcomes: expected some of"),
        (["--tasks", "juggle"], "expected one of assembly"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        simulate([*arguments, "-o", str(tmp_path / "store")])
    assert not (tmp_path / "store").exists()


def _fail_to_load(code: str, **environment: str) -> str:
    code += "\nfrom training.scene import load_simulator\nload_simulator()"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert run.returncode == 1
    return run.stderr.strip().splitlines()[-1]


def test_a_missing_simulator_is_told_with_the_remedy():
    error = _fail_to_load("import sys; sys.modules['metaworld'] = None")
    assert "expected the Python packages metaworld and packaging" in error and "pip install" in error


@pytest.mark.simulation
def test_missing_rendering_is_told_with_the_remedy():
    error = _fail_to_load("", MUJOCO_GL="nonsense")
    assert "offscreen rendering: expected an OpenGL for MUJOCO_GL=nonsense" in error
    assert "apt install libosmesa6" in error


@pytest.mark.simulation
def test_triton_is_loaded_before_what_renders(tmp_path):
    """With a double of Triton, which torch has where there is a GPU: the real one crashes the process after Mesa."""
    (tmp_path / "triton.py").write_text('import sys\nif "mujoco" in sys.modules: raise SystemError("too late")\n')
    code = "import sys; from training.scene import load_simulator; load_simulator(); print('triton' in sys.modules)"
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == "True", run.stderr


@pytest.mark.simulation
def test_a_success_shows_the_goal_reached():
    episode = attempt("handle-press", "success", 0, SMALL).episode
    assert episode.frames.shape[1:] == (64, 64, 3) and len(episode) >= 4
    assert episode.text == "press the handle down" and episode.camera == "corner2"
    assert np.diff(episode.time_s) == pytest.approx(0.125)
    assert episode.time_s[0] == 0
    moved = np.abs(episode.frames[-1].astype(int) - episode.frames[0]).mean()
    assert moved > 1
    # The arm comes in from the left, the floor is below: the camera hangs upside down and its pictures are turned.
    red = (episode.frames[0][..., 0] > 90) & (episode.frames[0][..., 1] < 60)
    assert np.nonzero(red)[1].mean() < 32 and red.sum() > 100
    grey_sky = np.ptp(episode.frames[0][:6, 40:].reshape(-1, 3).astype(int), axis=0)
    assert grey_sky.max() < 30


@pytest.mark.simulation
def test_a_truncated_attempt_comes_to_rest():
    episode = attempt("handle-press", "truncated", 1, SMALL).episode
    steps = np.abs(np.diff(episode.frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert steps[-1] < 0.25 * steps.max()
    assert len(episode) == len(attempt("handle-press", "success", 1, SMALL).episode)


@pytest.mark.simulation
@pytest.mark.parametrize("outcome", ["random", "wrong_task"])
def test_other_failures_last_as_long_as_a_success(outcome):
    seed = next(seed for seed in range(10) if attempt("drawer-open", outcome, seed, SMALL).episode)
    episode = attempt("drawer-open", outcome, seed, SMALL).episode
    assert episode.outcome == outcome and episode.text == "open the drawer"
    assert len(episode) == len(attempt("drawer-open", "success", seed, SMALL).episode)


@pytest.mark.simulation
def test_the_same_seed_gives_the_same_episode():
    first, second, other = (attempt("handle-press", "success", seed, SMALL).episode for seed in (4, 4, 5))
    assert np.array_equal(first.frames, second.frames)
    assert first.frames.shape != other.frames.shape or not np.array_equal(first.frames, other.frames)


@pytest.mark.simulation
def test_an_unknown_camera_is_named():
    with pytest.raises(DataError, match=r"camera: expected one of .*corner2.*, got 'selfie'"):
        attempt("handle-press", "success", 0, Settings(size=64, stride=50, camera="selfie"))


@pytest.mark.simulation
def test_a_run_goes_on_where_it_was_stopped(tmp_path, capsys):
    store = str(tmp_path / "store")
    run = [*RUN, "--outcomes", "success,truncated", "--json", "-o", store]
    assert simulate([*run, "--episodes-per-task", "1"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["added"] == 2 and first["skipped"] == 0 and first["missing"] == {}
    assert simulate([*run, "--episodes-per-task", "2"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["added"] == 2 and second["skipped"] == 2
    records = EpisodeStore(store).records
    assert sorted(record.key[:4] for record in records) == [
        ("handle-press", outcome, seed, "corner2") for outcome in ("success", "truncated") for seed in (0, 1)
    ]
    EpisodeStore(store).verify()


def _episodes(store: Path) -> int:
    index = store / "index.jsonl"
    return index.read_bytes().count(b"\n") - 1 if index.exists() else 0


@pytest.mark.simulation
def test_ctrl_c_leaves_a_store_that_can_be_read(tmp_path):
    store = tmp_path / "store"
    command = [sys.executable, "-m", "liv_model.cli", "episodes", "simulate", *RUN, "--episodes-per-task", "500"]
    code, error = interrupted([*command, "-o", str(store)], lambda: _episodes(store) > 0, cwd=ROOT)
    assert code == 130 and "interrupted" in error and "Traceback" not in error
    EpisodeStore(store).verify()


@pytest.mark.simulation
def test_the_demo_recording_is_a_bag_of_a_success(tmp_path, capsys):
    from liv_model.bags import read_messages
    from training.record_demo import main as record_demo

    bag = tmp_path / "demo"
    size = ["--width", "64", "--height", "48", "--task", "drawer-open"]
    assert record_demo([*size, "--json", "-o", str(bag)]) == 0
    summary = json.loads(capsys.readouterr().out)
    messages = list(read_messages(bag))
    assert len(messages) == summary["frames"] and 120 <= len(messages) <= 180
    topic, stamp_ns, message = messages[1]
    assert topic == "/camera/image/compressed"
    assert message.header.frame_id == "camera" and message.format == "jpeg"
    assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp_ns
    assert stamp_ns - messages[0][1] == pytest.approx(1e9 / 30, abs=1)
    with pytest.raises(Exception, match="expected a new folder"):
        record_demo([*size, "-o", str(bag)])
