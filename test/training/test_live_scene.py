# SPDX-License-Identifier: Apache-2.0
"""A scene that is acted in step by step: states to come back to, and pictures like those of recordings."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from training.live_scene import LiveScene
from training.scene import STEP_LIMIT, Scene, scripted_policy
from training.uses.plan import FULL
from training.view import View

SIZE = 32
# a hinge, a slide, a button with a spring, a free object, a tool, several objects
TASKS = ("door-open", "drawer-close", "button-press", "pick-place", "hammer", "peg-insert-side")
PLANNED = sorted({*FULL.known_tasks, *FULL.new_tasks} - {*TASKS})  # in make uses

pytestmark = pytest.mark.simulation


def trajectory(scene, actions):
    """Everything that can be told after each action, bit for bit."""
    rows = []
    for action in actions:
        scene.act(action)
        rows.append(np.concatenate([scene.observation, [scene.reward, scene.succeeded], scene.save().physics]))
    return np.array(rows)


def actions(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(np.cumsum(rng.normal(0, 0.4, (count, 4)), axis=0), -1, 1)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_actions_from_a_restored_state_give_the_same_trajectory(task):
    with LiveScene(task, 3, SIZE) as scene, LiveScene(task, 3, SIZE) as other:
        for action in actions(25):
            scene.act(action)
        state = scene.save()
        there = trajectory(scene, actions(40, 1))
        for action in actions(15, 2):
            scene.act(action)
        scene.restore(state)
        assert np.array_equal(trajectory(scene, actions(40, 1)), there)
        other.restore(pickle.loads(pickle.dumps(state)))  # as another process would
        assert np.array_equal(trajectory(other, actions(40, 1)), there)
        assert np.array_equal(scene.picture(), other.picture())


@pytest.mark.parametrize("task", PLANNED)
def test_so_it_is_on_the_way_to_success_in_every_task_that_is_planned(task):
    policy, states, done, rows = scripted_policy(task), [], [], []
    with LiveScene(task, 3, SIZE) as scene:
        while not scene.succeeded and len(done) < STEP_LIMIT:
            states.append(scene.save())
            done.append(policy.get_action(scene.observation))
            rows.append(trajectory(scene, done[-1:])[0])
        assert scene.succeeded
        for back in (5, 20):
            scene.restore(states[-back])
            assert np.array_equal(trajectory(scene, done[-back:]), rows[-back:])


def test_a_restored_state_looks_and_feels_as_it_did():
    with LiveScene("drawer-close", 3, SIZE) as scene:
        for action in actions(25):
            scene.act(action)
        before = scene.picture(), scene.observation, scene.felt, scene.reward, scene.succeeded
        state = scene.save()
        for action in actions(30, 1):
            scene.act(action)
        assert not np.array_equal(scene.picture(), before[0])
        scene.restore(state)
        after = scene.picture(), scene.observation, scene.felt, scene.reward, scene.succeeded
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_looking_changes_nothing():
    with LiveScene("door-open", 3, SIZE) as seen, LiveScene("door-open", 3, SIZE) as unseen:
        for action in actions(20):
            seen.picture()
            seen.act(action)
            unseen.act(action)
        assert np.array_equal(seen.save().physics, unseen.save().physics)


def test_pictures_are_those_of_recordings():
    chosen = actions(20)
    scene = Scene("window-open", 5)
    rollout = scene.roll_out(lambda observation, step: chosen[step], len(chosen))
    recorded = scene.render(rollout, [0, len(chosen)], View.plain(), SIZE, SIZE)
    with LiveScene("window-open", 5, SIZE) as live:
        assert np.array_equal(live.picture(), recorded[0])
        for action in chosen:
            live.act(action)
        assert np.abs(live.picture().astype(int) - recorded[1]).max() <= 1
        assert live.rendered == 2


def test_an_action_is_repeated_until_the_task_is_done():
    with LiveScene("reach", 3, SIZE) as once, LiveScene("reach", 3, SIZE) as often:
        for _ in range(6):
            once.act(np.array([0.5, 0.2, 0.1, 0]))
        for _ in range(2):
            often.act(np.array([0.5, 0.2, 0.1, 0]), repeat=3)
        assert np.array_equal(once.observation, often.observation)
        assert np.array_equal(once.felt, once.observation[:4].astype(np.float32))
