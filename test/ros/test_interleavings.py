# SPDX-License-Identifier: Apache-2.0
"""Frames, goals, resets, model swaps, respawns, late and lost messages in any order break none of the six rules."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy")
from reward_world import CAMERAS, TOPICS, World

from liv_model.admission import Admission

pytestmark = pytest.mark.ros
SECOND = 10**9
ADVANCES = [SECOND // 30] * 5 + [0, -SECOND // 10, -SECOND // 2, -10 * SECOND, 3 * SECOND]
OPERATIONS = {
    "frame": {"camera": CAMERAS, "advance_ns": ADVANCES, "good": [True, True, True, False]},
    "goal": {},
    "reset": {},
    "swap": {"dim": [2, 3]},
    "hold": {"camera": CAMERAS},
    "let_go": {},
    "respawn_encoder": {},
    "begin_reward_node": {},
    "hand_on": {"topic": TOPICS, "count": [1, 2, 100]},
}
LOSS = {"lose": {"topic": TOPICS, "at_consumer": [True, False]}}
OFTEN = ["frame"] * 6 + ["hand_on"] * 6


def operations(known):
    def arguments(name):
        return st.fixed_dictionaries({key: st.sampled_from(values) for key, values in known[name].items()})

    return st.lists(
        st.sampled_from([*known, *OFTEN]).flatmap(lambda name: st.tuples(st.just(name), arguments(name))),
        min_size=10,
        max_size=80,
    )


def play(steps, **options):
    world = World(**options)
    try:
        for name, arguments in steps:
            getattr(world, name)(**arguments)
        return world, world.close()
    finally:
        world.stop()


def random_steps(seed, count=120):
    chooser = random.Random(seed)
    names = [chooser.choice([*OPERATIONS, *OFTEN]) for _ in range(count)]
    return [(name, {key: chooser.choice(values) for key, values in OPERATIONS[name].items()}) for name in names]


FRAME = ("frame", {"camera": "left", "advance_ns": SECOND // 30, "good": True})
# of a goal and frames that wait in a busy device together, and reach the reward node in the wrong order
BUSY = [FRAME, ("hold", {"camera": "left"}), FRAME, ("goal", {}), FRAME, ("let_go", {}), FRAME]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@example([*BUSY, ("hand_on", {"topic": "left/embedding", "count": 2}), FRAME])
@given(operations(OPERATIONS))
def test_no_rule_breaks_whatever_the_order(steps):
    world, violations = play(steps, may_miss=False)
    assert violations == []
    assert world.rules.unjudged == 0


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(operations(OPERATIONS | LOSS))
def test_no_rule_breaks_where_messages_are_lost(steps):
    assert play(steps, may_miss=True)[1] == []


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(operations(OPERATIONS | LOSS), st.sampled_from([0.01, 0.3, 5.0]))
def test_no_rule_breaks_where_values_are_smoothed(steps, smoothing_s):
    assert play(steps, may_miss=True, smoothing_s=smoothing_s)[1] == []


def test_the_random_orders_do_earn_rewards():
    judged = [play(random_steps(seed), may_miss=False)[0].rules.judged for seed in range(20)]
    assert np.median(judged) >= 3


def spoil(**methods):
    from liv_ros.camera_rewards import CameraRewards

    return type("Spoilt", (CameraRewards,), methods)


class AnyActivation(Admission):
    def refusal(self, embedding, vector):
        early = embedding.sequence < self.first_sequence
        return "malformed" if early or len(vector) != self.dim else None


class AnySequence(Admission):
    def refusal(self, embedding, vector):
        return None if embedding.activation == self.activation else "another model or activation"


def admit(kind):
    def begin(self, goal, calibration):
        super(type(self), self).begin(goal, calibration)
        self._admission = kind(**vars(self._admission))

    return {"begin": begin}


def keep_the_episode(self, goal, calibration):
    before = self._stream
    super(type(self), self).begin(goal, calibration)
    if before is not None and before._last_ns is not None:
        self._stream._last_ns, self._stream._last_value = before._last_ns, before._last_value
        self._stream._step, self._stream._scale = before._step, before._scale


@pytest.mark.parametrize(
    "methods",
    [admit(AnyActivation), admit(AnySequence), {"begin": keep_the_episode}],
    ids=["scores any activation", "scores frames from before the goal", "goes on with the episode of the last goal"],
)
def test_a_reward_node_that_is_wrong_is_found(methods):
    spoilt = spoil(**methods)
    assert any(play(random_steps(seed), may_miss=False, rewards=spoilt)[1] for seed in range(200))
