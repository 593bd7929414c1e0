# SPDX-License-Identifier: Apache-2.0
"""Cloning: demonstrations that are kept and read back, a policy that learns, and the whole way on the true state."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

pytest.importorskip("torch")

from liv_model.cloned_policy import Policy, inputs_of
from liv_model.errors import ConfigError, DataError
from training import imitate as command
from training.imitate import Eye, follow, imitate, judge, main, open_eye
from training.imitate_demos import REPEAT, STEPS, Demonstrations, demonstrate
from training.imitate_policy import clone
from training.live_scene import OBSERVED, UNSEEN, LiveScene
from training.representation import Representation, open_representation
from training.scene import scripted_policy


def demonstrations(lengths, size=8, seed=0):
    rng, total = np.random.default_rng(seed), sum(lengths)
    return Demonstrations(
        frames=rng.integers(0, 256, (total, size, size, 3), dtype=np.uint8),
        felt=rng.normal(size=(total, 4)).astype(np.float32),
        observed=rng.normal(size=(total, 39)).astype(np.float32),
        wanted=rng.uniform(-1, 1, (total, 4)).astype(np.float32),
        episode=np.repeat(np.arange(len(lengths)), lengths),
    )


class Encoder:
    """A double to which everything looks alike."""

    model = "mine@1"

    def encode_texts(self, texts):
        return np.ones((len(texts), 2), np.float32)

    def encode_images(self, rgb):
        return np.ones((len(rgb), 2), np.float32)


def test_demonstrations_are_kept_whole_and_the_fewer_are_part_of_the_more(tmp_path):
    made = demonstrations([3, 5, 2])
    made.save(tmp_path / "there" / "task.npz")
    read = Demonstrations.load(tmp_path / "there" / "task.npz")
    assert np.array_equal(read.frames, made.frames) and np.array_equal(read.wanted, made.wanted)
    assert len(read.first(2).felt) == 8 and np.array_equal(read.first(2).observed, made.observed[:8])
    assert len(list((tmp_path / "there").iterdir())) == 1  # no draft is left
    assert read.count == 3


def test_what_are_no_demonstrations_is_said(tmp_path):
    demonstrations([3]).save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    np.save(tmp_path / "lone.npy", np.zeros(3))
    damaged = {"word": b"nothing", "empty": b"", "cut": whole[:200], "lone": (tmp_path / "lone.npy").read_bytes()}
    for name, content in damaged.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in (*damaged, "other", "missing"):
        path = tmp_path / f"{name}.npz"
        with pytest.raises(DataError, match="demonstrations"):
            Demonstrations.load(path)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda d: {"felt": d.felt[:-1]}, r"felt float32 \(7, 4\), not float32 \(8, 4\)"),
        (lambda d: {"wanted": d.wanted[:, :3]}, "wanted float32"),
        (lambda d: {"observed": d.observed.astype(float)}, "observed float64"),
        (lambda d: {"frames": d.frames[:, :-1]}, "frames uint8"),
        (lambda d: {"frames": d.frames[0, 0, 0, 0]}, r"frames uint8 \(\)"),
        (lambda d: {"episode": np.int64(1)}, r"not .* \(1, "),
        (lambda d: {name: column[:0] for name, column in vars(d).items()}, "no decision"),
        (lambda d: {"episode": d.episode[::-1]}, "episodes that do not rise from 0 one by one"),
        (lambda d: {"episode": 2 * d.episode}, "episodes that do not rise from 0 one by one"),
        (lambda d: {"wanted": d.wanted * np.float32("nan")}, "not finite"),
    ],
)
def test_damaged_demonstrations_are_refused_when_they_are_read(tmp_path, spoil, what):
    whole = demonstrations([3, 5])
    np.savez(tmp_path / "task.npz", **{**vars(whole), **spoil(whole)})
    with pytest.raises(DataError, match=what):
        Demonstrations.load(tmp_path / "task.npz")


@pytest.mark.simulation
def test_demonstrations_that_will_not_do_are_refused_before_others_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "demonstrate", lambda *_: pytest.fail("simulated"))
    monkeypatch.setattr(command, "open_representation", lambda *_, **__: Representation(None, 16))
    file = tmp_path / "drawer-open.npz"
    demonstrations([3, 5]).save(file)
    before = file.read_bytes()
    for encoder, count, what in (("state", "3", "3 demonstrations or more, got 2"), ("x", "2", "16 pixels, got 8")):
        with pytest.raises(DataError, match=f"{file}: expected .*{what}; name another --data, or remove the file"):
            words = ["--tasks", "drawer-close,drawer-open", "--demonstrations", count, "--data", str(tmp_path)]
            main(["--encoder", encoder, *words])
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


@pytest.mark.simulation
def test_demonstrations_are_kept_where_an_encoder_may_look_at_them_again(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "demonstrate", lambda task, count, size: demonstrations([2] * count, size))
    monkeypatch.setattr(command, "imitate", lambda *_, **__: (None, None))
    monkeypatch.setattr(command, "judge", lambda *_: {"drawer-close": [None]})
    monkeypatch.setattr(command, "open_representation", lambda *_, **__: Representation(None, 16))
    words = ["--tasks", "drawer-close", "--demonstrations", "2", "--data", str(tmp_path)]
    for encoder, is_kept in (("state", False), ("nothing", False), ("x", True)):
        main(["--encoder", encoder, *words])
        assert (tmp_path / "drawer-close.npz").exists() == is_kept


def test_bars_tell_of_every_picture_and_every_scene(monkeypatch):
    bars = []

    @contextmanager
    def bar(what, total, **_):
        told = []
        yield told.append
        bars.append((what, total, sum(told)))

    monkeypatch.setattr(command, "progress_bar", bar)
    monkeypatch.setattr(command, "LiveScene", lambda *_: nullcontext())
    monkeypatch.setattr(command, "follow", lambda *_: None)
    eye = Eye(Representation(Encoder(), 8))
    shown = {"drawer-open": demonstrations([4, 90]), "drawer-close": demonstrations([5])}
    _, goals = imitate(eye, tuple(shown), shown, seed=0, steps=1)
    judge(eye, None, goals, tuple(shown), range(3))
    assert bars == [("pictures", 99, 99), ("scenes", 6, 6)]


def test_a_clone_does_what_was_shown_and_acts_with_numpy_as_it_was_trained(tmp_path):
    rng = np.random.default_rng(0)
    inputs = (5 + 3 * rng.normal(size=(2000, 6))).astype(np.float32)
    actions = np.tanh((inputs - 5) @ rng.normal(0, 0.3, (6, 4))).astype(np.float32)
    policy = clone(inputs, actions, model="m", instructions=["push"], seed=0, steps=400)
    assert np.abs(policy.act(inputs) - actions).mean() < 0.05
    policy.save(tmp_path / "policy.npz")
    read = Policy.load(tmp_path / "policy.npz")
    assert np.abs(read.act(inputs) - policy.act(inputs)).max() < 0.02  # kept in half precision
    assert np.abs(read.act(inputs)).max() <= 1 and read.act(inputs[0]).shape == (4,)


def test_the_same_seed_gives_the_same_clone():
    rng = np.random.default_rng(0)
    inputs, actions = rng.normal(size=(50, 6)).astype(np.float32), rng.uniform(-1, 1, (50, 4)).astype(np.float32)
    known = {"model": "m", "instructions": ["push"]}
    one, other, third = (clone(inputs, actions, **known, seed=seed, steps=20) for seed in (1, 1, 2))
    assert np.array_equal(one.act(inputs), other.act(inputs)) and not np.array_equal(one.act(inputs), third.act(inputs))


def test_the_true_state_needs_no_encoder_and_tells_tasks_apart():
    tasks = ("drawer-open", "drawer-close")
    shown = {task: demonstrations([4, 4], seed=number) for number, task in enumerate(tasks)}
    policy, goals = imitate(Eye(), tasks, shown, seed=0, steps=5)
    assert np.array_equal(goals, np.eye(2)) and len(policy.mean) == 39 + 2 + 4
    assert (policy.model, policy.instructions) == ("state", ("open the drawer", "close the drawer"))


def test_eyes_that_are_shut_leave_the_instruction_and_what_the_arm_feels():
    shown = {"drawer-open": demonstrations([4, 4], seed=0)}
    policy, _ = imitate(open_eye("nothing"), ("drawer-open",), shown, seed=0, steps=5)
    assert len(policy.mean) == 1 + 4 and policy.model == "nothing" and open_eye("state") == Eye()


def test_a_policy_names_the_encoder_that_it_was_cloned_on():
    shown = {"drawer-open": demonstrations([4, 4])}
    policy, _ = imitate(Eye(Representation(Encoder(), 8)), ("drawer-open",), shown, seed=0, steps=5)
    assert (policy.model, policy.instructions) == ("mine@1", ("open the drawer",))


def test_an_encoder_that_is_none_is_said(tmp_path):
    for name in (str(tmp_path), f"random:{tmp_path}", "nowhere"):
        with pytest.raises(DataError, match=r"a bundle, a run folder.*liv import"):
            open_representation(name)


def test_wrong_words_are_refused_before_the_work(tmp_path):
    for words in (["--demonstrations", "0"], ["--scenes", "0"], ["--train-steps", "0"], ["--threads", "-1"]):
        with pytest.raises(ConfigError, match=f"{words[0]}: expected . or more, got"):
            main(["--encoder", "state", "--tasks", "drawer-close", *words])
    one = ["-o", str(tmp_path / "a"), "--policy", str(tmp_path / "b" / ".." / "a")]
    with pytest.raises(ConfigError, match=r"--policy .*: expected another file than that of -o"):
        main(["--encoder", "state", "--tasks", "drawer-close", *one])
    (tmp_path / "file").write_text("")
    for option in ("-o", "--policy"):
        with pytest.raises(ConfigError, match="a file to write, got a folder"):
            main(["--encoder", "state", "--tasks", "drawer-close", option, str(tmp_path)])
    with pytest.raises(ConfigError, match="a folder to write into"):
        main(["--encoder", "state", "--tasks", "drawer-close", "--data", str(tmp_path / "file")])
    with pytest.raises(DataError, match="drawer-shut"):
        main(["--encoder", "state", "--tasks", "drawer-shut"])


class Scripted:
    """Acts on what a policy is given of the true state as the scripted policy would."""

    def __init__(self, task, does=1.0):
        self._policy, self._does, self.given = scripted_policy(task), does, []

    def act(self, inputs):
        self.given.append(inputs)
        return self._does * self._policy.get_action(inputs[:OBSERVED].astype(float))


@pytest.mark.simulation
def test_a_policy_is_followed_until_the_task_is_done_and_no_longer_than_it_has_time():
    goal = np.array([0, 1], np.float32)
    with LiveScene("drawer-close", 100_000, UNSEEN) as scene:
        policy = Scripted("drawer-close")
        first = inputs_of(scene.observation.astype(np.float32), goal, scene.felt)
        taken = follow(policy, Eye(), goal, scene)
        assert scene.succeeded and taken == REPEAT * len(policy.given) < STEPS
        assert np.array_equal(policy.given[0], first)
    with LiveScene("drawer-close", 100_000, UNSEEN) as scene:
        still = Scripted("drawer-close", does=0.0)
        assert follow(still, Eye(), goal, scene) is None and len(still.given) == STEPS // REPEAT


@pytest.mark.simulation
def test_each_task_is_judged_by_its_own_goal_in_every_scene():
    policy, scenes = Scripted("drawer-close"), [100_000, 100_001]
    found = judge(Eye(), policy, np.eye(2, dtype=np.float32), ["drawer-close", "reach"], scenes)
    assert list(found) == ["drawer-close", "reach"] and None not in found["drawer-close"]
    assert found["reach"] == [None, None]  # a policy of another task
    goals = [tuple(inputs[OBSERVED : OBSERVED + 2]) for inputs in policy.given]
    decisions = sum(found["drawer-close"]) // REPEAT
    assert goals == [(1, 0)] * decisions + [(0, 1)] * (len(goals) - decisions)


@pytest.mark.simulation
def test_a_demonstration_is_a_success_and_shows_what_the_policy_wanted():
    shown = demonstrate("drawer-close", 2, 16)
    assert shown.episode.tolist() == sorted(shown.episode) and set(shown.episode) == {0, 1}
    assert shown.frames.shape == (len(shown.felt), 16, 16, 3) and np.abs(shown.wanted).max() <= 1
    assert np.array_equal(shown.felt, shown.observed[:, :4])
    again = demonstrate("drawer-close", 2, 16)
    assert np.array_equal(again.frames, shown.frames) and np.array_equal(again.wanted, shown.wanted)


@pytest.mark.slow
@pytest.mark.simulation
def test_cloning_the_true_state_closes_the_drawer(tmp_path, capsys):
    words = ["--encoder", "state", "--tasks", "drawer-close", "--demonstrations", "5", "--scenes", "3"]
    words += ["--train-steps", "500", "--data", str(tmp_path), "--policy", str(tmp_path / "policy.npz")]
    demonstrate("drawer-close", 6, 16).save(tmp_path / "drawer-close.npz")
    made = (tmp_path / "drawer-close.npz").stat().st_mtime_ns
    assert main([*words, "-o", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert sum(found["success"]["drawer-close"]) >= 2
    assert "drawer-close" in capsys.readouterr().out
    assert Policy.load(tmp_path / "policy.npz").act(np.zeros(44)).shape == (4,)
    assert (tmp_path / "drawer-close.npz").stat().st_mtime_ns == made  # what is there is not simulated again
