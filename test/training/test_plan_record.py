# SPDX-License-Identifier: Apache-2.0
"""Planned episodes as recordings in a store."""

from __future__ import annotations

import json

import numpy as np
import pytest

from liv_model.errors import ConfigError
from training.episodes import EpisodeStore
from training.live_scene import LiveScene
from training.plan import Control, main, plan_episode
from training.plan_cem import Cem
from training.plan_objective import Objective
from training.plan_record import recording
from training.tasks import load_tasks

SMALL = Cem(sequences=24, horizon=10, iterations=2)


@pytest.mark.simulation
def test_what_was_done_becomes_an_episode_once(tmp_path, capsys):
    store = tmp_path / "store"
    words = ["--objective", "models/metaworld", "--tasks", "drawer-close", "--scenes", "1", "--seed", "7"]
    words += ["--sequences", "2", "--iterations", "1", "--horizon", "2", "--steps", "9", "--record", str(store)]
    for _ in range(2):
        assert main([*words, "--json"]) == 0
        [row] = json.loads(capsys.readouterr().out)
        assert row["scene"] == 7
    [episode] = EpisodeStore(store)
    assert (episode.task, episode.outcome, episode.seed) == ("drawer-close", "failure", 7)
    assert episode.frames.shape == (4, 112, 112, 3) and "metaworld@" in episode.source
    assert episode.time_s == pytest.approx(0.0375 * np.arange(4))


@pytest.mark.simulation
def test_a_recording_ends_as_the_episode_did():
    done = plan_episode("drawer-close", 100_000, Objective(), Control(SMALL, steps=120))
    episode = recording("drawer-close", 100_000, done.actions, repeat=3, size=32, source="test")
    assert done.success_step == 3 * len(done.actions) and episode.outcome == "success"
    assert len(episode) == len(done.actions) + 1 and episode.text == load_tasks()["drawer-close"].text
    with LiveScene("drawer-close", 100_000, 32) as scene:
        scene.restore(done.end)
        assert np.array_equal(episode.frames[-1], scene.picture())


@pytest.mark.parametrize("words", [["--objective", "simulator"], ["--objective", "x", "--instruction", "opposite"]])
def test_only_attempts_at_the_task_by_its_looks_are_recorded(tmp_path, words):
    with pytest.raises(ConfigError, match=r"--record: expected attempts at the task.*got --objective"):
        main([*words, "--tasks", "drawer-close", "--record", str(tmp_path / "store")])
