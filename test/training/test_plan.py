# SPDX-License-Identifier: Apache-2.0
"""Planning: the search, what it is told by the simulator, and that only what the objective reads is rendered."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass

import numpy as np
import pytest
from child_process import interrupted
from PIL import Image

from liv_model.errors import ConfigError, DataError
from training import plan, plan_end, plan_rollouts
from training.live_scene import LiveScene
from training.plan import Control, Planned, main, plan_episode, read_rows
from training.plan_cem import Cem, smooth
from training.plan_end import SIDE, End, write_picture
from training.plan_objective import Objective, open_objective
from training.plan_rollouts import Outcomes, Rollouts, act_out_at
from training.representation import Representation
from training.tasks import TaskWords, load_tasks
from training.worker_pool import worker_pool

SMALL = Cem(sequences=24, horizon=10, iterations=2)


@dataclass
class Bright:
    """An encoder double: the brighter a picture, the nearer to the goal."""

    batches: list
    model: str = "bright@0"

    def encode_texts(self, texts):
        return np.array([[1, 0]] * len(texts), np.float32)

    def encode_images(self, rgb):
        self.batches.append(len(rgb))
        angle = np.pi / 2 * (1 - rgb.reshape(len(rgb), -1).mean(axis=1) / 255)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_the_value_of_the_last_picture_is_the_objective():
    pictures = np.stack([np.full((4, 4, 3), grey, np.uint8) for grey in range(0, 200, 2)])
    encoder = Bright([])
    objective = Objective(Representation(encoder, 4), np.array([1, 0], np.float32))
    scores = objective.score(Outcomes(np.zeros(100), pictures), np.random.default_rng(0))
    assert (np.diff(scores) > 0).all() and encoder.batches == [64, 36]


def test_the_simulators_reward_and_nothing_need_no_pictures():
    outcomes, rng = Outcomes(np.array([1.0, 3.0]), None), np.random.default_rng(0)
    assert open_objective("simulator", "door-open", "right", {}).score(outcomes, rng).tolist() == [1, 3]
    by_lot = open_objective("nothing", "door-open", "right", {})
    assert len({tuple(by_lot.score(outcomes, rng)) for _ in range(5)}) == 5
    for name in ("simulator", "nothing"):
        with pytest.raises(ConfigError, match="reads none"):
            open_objective(name, "door-open", "opposite", {})


def test_an_instruction_can_be_the_opposite_or_a_text_of_its_own(monkeypatch):
    asked = []

    @dataclass
    class Listens:
        encoder: object = None

        def encode_texts(self, texts):
            asked.extend(texts)
            return np.zeros((1, 2), np.float32)

    opened = {"x": Representation(Listens(), 4)}
    for instruction in ("right", "opposite", "wave"):
        open_objective("x", "door-open", instruction, opened)
    words = load_tasks()["door-open"]
    assert asked == [words.text, words.opposite_text, "wave"]


def test_a_task_without_an_opposite_cannot_be_told_it(tmp_path, monkeypatch):
    monkeypatch.setattr("training.plan_objective.find_task", lambda name: TaskWords(name, "wave", (), ()))
    with pytest.raises(ConfigError, match="no opposite"):
        open_objective(str(tmp_path), "wave", "opposite", {})


def test_wrong_numbers_are_refused():
    given = ["--objective", "simulator", "--tasks", "door-open"]
    for words in (
        ["--scenes", "0"],
        ["--execute", "21"],
        ["--repeat", "0"],
        ["--steps", "441"],
        ["--workers", "-1"],
        ["--horizon", "0"],
        ["--horizon", "140"],  # longer than the simulator goes on
        ["--horizon", "5", "--execute", "6"],
        ["--threads", "-1"],
        ["--instruction", "opposite"],
    ):
        with pytest.raises(ConfigError):
            main([*given, *words])
    with pytest.raises(DataError, match="door-ajar"):
        main(["--objective", "simulator", "--tasks", "door-ajar"])


def test_a_torn_line_is_left_out_and_the_file_as_it_is(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"task": "a", "scene": 1}\n{"task": "b", "scene": 1}\n{"ta')
    before = file.read_bytes()
    assert [row["task"] for row in read_rows(file)] == ["a", "b"] and file.read_bytes() == before
    assert read_rows(tmp_path / "none") == []


@pytest.mark.parametrize("torn", ["{", '{"task', '{"task": "drawer-close", "sce'])
def test_a_first_line_that_is_torn_is_no_episode(tmp_path, torn):
    file = tmp_path / "rows.jsonl"
    file.write_text(torn)
    assert read_rows(file) == []


@pytest.mark.parametrize("content", [b"a word", b"{}", b'{"a', b"[1]\n", b'{"a": 1}\n', b"{\n 1}\n", b"\xff\xfe\n"])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path, content):
    file = tmp_path / "mine"
    file.write_bytes(content)
    with pytest.raises(DataError, match="episodes of liv plan"):
        main(["--objective", "simulator", "--tasks", "drawer-close", "-o", str(file)])
    assert file.read_bytes() == content


def test_episodes_of_other_settings_are_not_taken_for_these(tmp_path):
    file = tmp_path / "rows.jsonl"
    settings = {"objective": "simulator", "instruction": "right", "repeat": 3, "execute": 10, "steps": 150}
    row = {"task": "drawer-close", "scene": 100_000, **settings, **asdict(Cem(sequences=8))}
    file.write_text(json.dumps(row) + "\n")
    given = ["--tasks", "drawer-close", "--sequences", "8", "--scenes", "1", "-o", str(file)]
    for other in (["--objective", "nothing"], ["--objective", "simulator", "--steps", "120"]):
        with pytest.raises(ConfigError, match="name another file"):
            main([*given, *other])


def test_episodes_of_a_network_that_is_another_by_now_are_not_taken_for_these(tmp_path, monkeypatch):
    bundle = Representation(Bright([], "bundle@1"), 4)
    monkeypatch.setattr("training.plan_objective.open_representation", lambda *_, **__: bundle)
    monkeypatch.setattr(plan, "plan_episode", lambda *_, **__: pytest.fail("it is planned anew"))
    control = Control(Cem())
    settings = {"instruction": "right", "repeat": 3, "execute": 10, "steps": control.steps, **asdict(control.cem)}
    row = {"task": "drawer-close", "scene": 100_000, "success_step": 3, "pictures": 0, "rollout_s": 0, **settings}
    words = ["--tasks", "drawer-close", "--scenes", "1"]
    for objective, model, is_known in (("b", "bundle@1", True), ("b", "bundle@2", False), ("b", None, False)):
        file = tmp_path / f"{model}.jsonl"
        file.write_text(json.dumps({**row, "objective": objective, "model": model}) + "\n")
        arguments = ["--objective", objective, *words, "-o", str(file)]
        if is_known:
            assert main(arguments) == 0
        else:
            with pytest.raises(ConfigError, match=f"model bundle@1, got model {model}; name another file"):
                main(arguments)


def test_what_cannot_be_written_is_said_before_the_work(tmp_path):
    given = ["--objective", "simulator", "--tasks", "drawer-close"]
    (tmp_path / "file").write_text("")
    no_folder, no_file = ["--pictures", str(tmp_path / "file")], ["-o", str(tmp_path / "file/a")]
    for words in (["-o", str(tmp_path)], no_file, no_folder, ["-o", "/proc/rows.jsonl"], ["--pictures", "/proc/1"]):
        with pytest.raises(ConfigError, match="expected a f"):
            main([*given, *words])


def drawn(count, horizon=6):
    return np.clip(smooth(np.random.default_rng(2), count, horizon, 4), -1, 1)


@pytest.mark.simulation
def test_only_the_last_picture_of_a_sequence_is_rendered_and_only_when_it_is_asked_for():
    with LiveScene("drawer-close", 7, 16) as scene, Rollouts("drawer-close", 7, 16) as rollouts:
        scene.act(np.array([0.1, 0.5, 0, 0]))
        state, actions = scene.save(), drawn(5)
        unseen = rollouts.act_out(state, actions, look=False)
        assert unseen.pictures is None and rollouts.pictures == 0
        seen = rollouts.act_out(state, actions, look=True)
        assert seen.pictures.shape == (5, 16, 16, 3) and rollouts.pictures == 5
        assert np.array_equal(seen.rewards, unseen.rewards)
        rewards = []
        for action in actions[3]:
            scene.act(action)
            rewards.append(scene.reward)
        assert seen.rewards[3] == sum(rewards) and np.array_equal(seen.pictures[3], scene.picture())


@pytest.mark.slow
@pytest.mark.simulation
def test_worker_processes_see_what_one_process_sees_in_one_scene_after_the_other(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL", "osmesa"))
    with worker_pool(2, "planning") as pool:
        for place in (("door-lock", 7, 16), ("door-lock", 8, 16), ("drawer-close", 7, 16)):
            with LiveScene(*place) as scene, Rollouts(*place) as here, Rollouts(*place, pool=pool) as there:
                for action in drawn(1, 20)[0]:
                    scene.act(action)
                one, many = (r.act_out(scene.save(), drawn(19), look=True) for r in (here, there))
                assert np.array_equal(one.rewards, many.rewards) and np.array_equal(one.pictures, many.pictures)
        with Rollouts("door-ajar", 7, 16, pool=pool) as lost, pytest.raises(DataError, match="got 'door-ajar'"):
            lost.act_out(LiveScene(*place).save(), drawn(1), look=False)


@pytest.mark.simulation
def test_a_worker_keeps_its_scene_until_another_is_asked_for():
    places = ("drawer-close", 7, 16), ("drawer-close", 8, 16)
    states = {}
    for place in places:
        with LiveScene(*place) as scene:
            states[place] = scene.save()
    scenes = []
    for place in (places[0], places[0], places[1], places[0]):
        act_out_at(place, states[place], drawn(1), 1, False)
        scenes.append(*plan_rollouts._kept.values())
    assert scenes[0] is scenes[1] and len(set(scenes)) == 3


@pytest.mark.simulation
def test_one_pool_serves_a_whole_run_and_changes_nothing(monkeypatch, capsys):
    opened = []
    monkeypatch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL", "osmesa"))
    monkeypatch.setattr(plan, "worker_pool", lambda *args: opened.append(args) or worker_pool(*args))
    words = ["--objective", "simulator", "--tasks", "drawer-close,reach", "--scenes", "1", "--steps", "30", "--json"]
    found = []
    for workers in ("0", "2"):
        main([*words, "--sequences", "12", "--iterations", "1", "--workers", workers])
        found.append([row["success_step"] for row in json.loads(capsys.readouterr().out)])
    assert opened == [(2, "planning")] and found[0] == found[1]


@pytest.mark.simulation
def test_ctrl_c_ends_planning_and_keeps_what_is_done(tmp_path):
    out = tmp_path / "rows.jsonl"
    words = ["--objective", "simulator", "--tasks", "drawer-close", "--scenes", "500", "--steps", "30"]
    words += ["--sequences", "20", "--iterations", "1", "--workers", "2", "-o", str(out)]
    code, error = interrupted([sys.executable, "-m", "liv_model.cli", "plan", *words], out.exists)
    assert code == 130 and error.strip() == "liv plan: interrupted"
    assert read_rows(out)


@pytest.mark.simulation
def test_with_the_simulators_reward_the_drawer_is_closed():
    control = Control(Cem(sequences=32, horizon=20, iterations=2), execute=10, steps=100)
    found = plan_episode("drawer-close", 100_000, Objective(), control)
    assert isinstance(found, Planned) and found.success_step is not None and found.pictures == 0
    assert 3 * len(found.actions) == found.success_step
    again = plan_episode("drawer-close", 100_000, Objective(), control)
    assert np.array_equal(found.actions, again.actions)


@pytest.mark.simulation
def test_the_scripted_policys_success_is_looked_for_where_its_value_or_picture_is_wanted(tmp_path, monkeypatch, capsys):
    ends = []
    monkeypatch.setattr(plan.End, "of", lambda *args: ends.append(args) or End(*args[:2], None, None))
    monkeypatch.setattr(plan, "write_picture", lambda end, path: None)
    bundle = Representation(Bright([]), 16)
    monkeypatch.setattr("training.plan_objective.open_representation", lambda *_, **__: bundle)
    words = ["--tasks", "reach", "--scenes", "1", "--sequences", "2", "--iterations", "1", "--steps", "3", "--json"]
    for more, count in ((["nothing"], 0), (["nothing", "--pictures", str(tmp_path)], 1), (["bundle"], 2)):
        main([*words, "--objective", *more])
        assert len(ends) == count and json.loads(capsys.readouterr().out)[0]["value_of_success"] is None


@pytest.mark.simulation
def test_searches_are_told_one_by_one_and_those_that_success_spared_at_once():
    told = []
    control = Control(Cem(8, 4, 1), repeat=3, execute=4, steps=31)
    plan_episode("door-lock", 100_000, Objective(is_blind=True), control, searched=told.append)
    assert told == [1, 1, 1, 0] and control.most_searches == 3
    with_success = Control(Cem(32, 20, 2), execute=5, steps=150)
    plan_episode("drawer-close", 100_000, Objective(), with_success, searched=told.append)
    assert sum(told[4:]) == with_success.most_searches and told[-1] > 0


@pytest.mark.simulation
def test_the_value_of_what_it_would_see_decides_what_is_done():
    rendered = []
    encoder = Bright(rendered)
    objective = Objective(Representation(encoder, 16), np.array([1, 0], np.float32))
    found = plan_episode("reach", 100_000, objective, Control(Cem(6, 4, 1), repeat=2, execute=4, steps=16))
    assert found.pictures == 12 and sum(rendered) == 14  # and one before, one after
    assert found.rollout_s <= found.wall_s and all(-1 <= value <= 1 for value in found.value)


@pytest.mark.simulation
def test_time_is_never_overrun_and_chance_moves():
    control = Control(Cem(4, 8, 1), repeat=3, execute=8, steps=31)
    found, again = (plan_episode("door-lock", 100_000, Objective(is_blind=True), control) for _ in range(2))
    assert found.success_step is None and len(found.actions) == 10
    assert np.abs(found.actions).mean() > 0.2 and np.array_equal(found.actions, again.actions)
    other = plan_episode("door-unlock", 100_000, Objective(is_blind=True), control)
    assert not np.array_equal(found.actions, other.actions)


@pytest.mark.simulation
def test_an_imagined_success_does_not_cut_the_sequence_short():
    """It would tell the objective of it."""
    with LiveScene("reach", 7, 16) as scene, Rollouts("reach", 7, 16, repeat=3) as rollouts:
        state, actions = scene.save(), np.zeros((1, 4, 4))
        actions[:, :, 0] = 0.3
        honest = rollouts.act_out(state, actions, look=True)
        seen = rollouts._here._env
        step = seen.step
        seen.step = lambda action: (lambda r: (*r[:4], {**r[4], "success": 1.0}))(step(action))
        assert np.array_equal(rollouts.act_out(state, actions, look=True).pictures, honest.pictures)


@pytest.mark.simulation
def test_an_end_is_shown_beside_the_success_that_it_is_judged_against(tmp_path):
    objective = Objective(Representation(Bright([]), 16), np.array([1, 0], np.float32))
    with LiveScene("drawer-close", 100_000, 16) as scene:
        begun, value = scene.save(), objective.value_now(scene)
    end = End.of("drawer-close", 100_000, objective, begun)
    assert not end.reached.succeeded and end.success.succeeded
    assert end.reached.value == value and end.value_of_success == end.success.value
    write_picture(end, tmp_path / "a" / "end.png")
    shown = np.asarray(Image.open(tmp_path / "a" / "end.png"))
    left, right = shown[:SIDE, :SIDE], shown[:SIDE, SIDE:]
    assert shown.shape == (SIDE + 18, 2 * SIDE, 3) and np.abs(left.astype(int) - right).mean() > 1
    with LiveScene("drawer-close", 100_000, SIDE) as scene:
        assert np.array_equal(left, scene.picture())
    assert End.of("drawer-close", 100_000, Objective(), begun).value_of_success is None


@pytest.mark.simulation
def test_an_end_stands_alone_where_the_scripted_policy_fails(tmp_path, monkeypatch):
    class Still:
        def get_action(self, observation):
            return np.zeros(4)

    monkeypatch.setattr(plan_end, "scripted_policy", lambda task: Still())
    with LiveScene("drawer-close", 100_000, 16) as scene:
        begun = scene.save()
    end = End.of("drawer-close", 100_000, Objective(), begun)
    assert end.success is None and end.value_of_success is None and not end.reached.succeeded
    write_picture(end, tmp_path / "end.png")
    assert np.asarray(Image.open(tmp_path / "end.png")).shape == (SIDE + 18, SIDE, 3)


@pytest.mark.slow
@pytest.mark.simulation
def test_planning_goes_on_where_it_was_stopped(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    words = ["--objective", "simulator", "--tasks", "drawer-close", "--sequences", "12", "--iterations", "1"]
    main([*words, "--scenes", "1", "-o", str(out)])
    first = out.read_text()
    main([*words, "--scenes", "2", "-o", str(out), "--pictures", str(tmp_path)])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert out.read_text().startswith(first) and [row["scene"] for row in rows] == [100_000, 100_001]
    assert [file.name for file in tmp_path.glob("*.png")] == ["drawer-close-100001.png"]
    assert "of 2" in capsys.readouterr().out
