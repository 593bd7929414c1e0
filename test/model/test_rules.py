# SPDX-License-Identifier: Apache-2.0
"""The checker of the six rules finds what is planted, and nothing in a stream that is right."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from proofs.rules import Rules

GOALS = {"g1": np.float32([1, 0]), "g2": np.float32([0, 1])}


def header(stamp_ms, frame_id="optical"):
    sec, ms = divmod(stamp_ms, 1000)
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=ms * 10**6), frame_id=frame_id)


def goal(goal_id="g1", activation="a", first=0, model="m"):
    return SimpleNamespace(
        goal=SimpleNamespace(id=goal_id),
        model=model,
        activation=activation,
        embedding=GOALS[goal_id],
        cameras=["camera"],
        first_sequence=[first],
    )


def embedding(sequence, stamp_ms, activation="a", model="m", data=None):
    angle = sequence + (0.5 if activation == "a" else 0.7)
    data = np.float32([math.cos(angle), math.sin(angle)]) if data is None else np.float32(data)
    return SimpleNamespace(
        camera="camera",
        header=header(stamp_ms),
        model=model,
        activation=activation,
        sequence=sequence,
        data=data,
    )


class Stream:
    """A reward node that does everything right, and lets a test spoil what it says."""

    def __init__(self, **options):
        self.rules = Rules(**options)
        self.last = None
        self.sent = []

    def take_up(self, goal_id="g1", **fields):
        self.goal = goal(goal_id, **fields)
        self.rules.goal(self.goal)
        self.last = None

    def show(self, sequence, stamp_ms=None, *, lose=False, **changes):
        stamp_ms = 1000 + 33 * sequence if stamp_ms is None else stamp_ms
        seen = embedding(sequence, stamp_ms, self.goal.activation)
        self.rules.embedding(seen)
        value = float(np.clip(seen.data.astype(float) @ self.goal.embedding.astype(float), -1, 1))
        reward = SimpleNamespace(
            camera="camera",
            header=header(stamp_ms),
            goal_id=self.goal.goal.id,
            model=self.goal.model,
            is_first=self.last is None,
            step=0 if self.last is None else self.last.step + 1,
            value=value,
            reward=0.0 if self.last is None else value - self.last.value,
            progress=math.nan,
        )
        self.last = SimpleNamespace(**vars(reward))
        vars(reward).update(changes)
        if not lose:
            self.rules.reward(reward)

    def found(self):
        return {violation.rule for violation in self.rules.close()}


@pytest.fixture
def stream():
    stream = Stream()
    for goal_id in GOALS:
        stream.rules.ask(goal_id)
    for number in range(100):
        stream.rules.picture("camera", header(1000 + 33 * number), good=number != 50)
    stream.take_up("g1")
    for sequence in range(5):
        stream.show(sequence)
    return stream


def test_nothing_is_found_in_a_stream_that_is_right(stream):
    stream.take_up("g2", first=5)
    for sequence in range(5, 10):
        stream.show(sequence)
    stream.rules.reset()
    stream.last = None
    stream.show(10)
    stream.take_up("g2", activation="b")  # respawned
    for number in range(3):
        stream.show(number, 1400 + 33 * number - 4)  # 1396 = 1000 + 33 * 12
    assert stream.rules.close() == []
    assert (stream.rules.judged, stream.rules.unjudged, stream.rules.gaps) == (14, 0, 0)


SPOILT = {
    "a reward that is no difference": (1, {"reward": 0.123}),
    "a value out of its range": (1, {"value": 1.5}),
    "a NaN": (1, {"reward": math.nan}),
    "a step that comes again": (1, {"step": 4}),
    "a step that is missing": (1, {"step": 6}),
    "a first step that is not 0": (1, {"is_first": True, "reward": 0.0}),
    "a reward at is_first": (1, {"is_first": True, "step": 0, "reward": 0.2}),
    "progress out of its range": (1, {"progress": 1.2}),
    "the value of another embedding": (2, {"value": 0.3, "reward": 0.0}),
    "another goal in the midst of an episode": (2, {"goal_id": "g2"}),
    "a goal that nobody heard of": (2, {"goal_id": "g3", "is_first": True, "step": 0, "reward": 0.0}),
    "another model": (2, {"model": "n", "is_first": True, "step": 0, "reward": 0.0}),
    "a stamp of its own": (2, {"header": header(7777)}),
    "a frame_id of its own": (2, {"header": header(1000 + 33 * 5, "base_link")}),
    "a stamp that does not advance": (4, {"header": header(1000 + 33 * 4)}),
    "an episode without a reason": (4, {"is_first": True, "step": 0, "reward": 0.0}),
}


@pytest.mark.parametrize("what", list(SPOILT))
def test_a_reward_that_breaks_a_rule_is_found(stream, what):
    rule, changes = SPOILT[what]
    stream.show(5, **changes)
    assert rule in stream.found()


def test_a_frame_from_before_its_goal_is_found(stream):
    stream.take_up("g2", first=7)
    stream.show(6)
    assert 2 in stream.found()


def test_an_embedding_of_another_activation_is_found(stream):
    stream.take_up("g1", activation="b")
    stream.last = SimpleNamespace(step=4, value=0.0)
    stream.show(0, 1000 + 33 * 20)
    assert 2 in stream.found()


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        (2, embedding(4, 1000 + 33 * 20)),
        (2, embedding(9, 1000 + 33 * 20)),
        (3, embedding(5, 1005)),
        (3, embedding(5, 1000 + 33 * 2)),
        (5, embedding(5, 1000 + 33 * 50)),
        (5, embedding(5, 1000 + 33 * 20, data=[1, 1])),
        (5, embedding(5, 1000 + 33 * 20, data=[math.nan, 0])),
    ],
    ids=["again", "missing", "no picture", "an older picture", "a bad picture", "no unit", "NaN"],
)
def test_an_embedding_that_breaks_a_rule_is_found(stream, rule, seen):
    stream.rules.embedding(seen)
    assert rule in stream.found()


def test_a_goal_that_does_not_survive_is_found(stream):
    stream.take_up("g2", first=5)
    stream.take_up("g1", activation="b")
    assert stream.found() == {6}


def test_a_goal_that_nobody_asked_for_is_found(stream):
    GOALS["other"] = GOALS["g1"]
    stream.take_up("other")
    del GOALS["other"]
    assert stream.found() == {6}


@pytest.mark.parametrize(
    "state",
    [{"state": 6, "progress": 0.5}, {"state": 1, "progress": 2.0}, {"state": 4, "progress": math.nan}],
)
def test_a_task_state_that_cannot_be_is_found(stream, state):
    stream.rules.task_state(SimpleNamespace(camera="camera", goal_id="g1", **state))
    assert stream.found() == {1}


def test_who_misses_messages_takes_the_difference_of_the_values():
    stream = Stream(may_miss=True)
    stream.take_up("g1")
    for sequence in range(10):
        stream.show(sequence, lose=sequence in (0, 3, 4))
    assert stream.rules.close() == []
    assert stream.rules.gaps == 2
    stream.show(10, reward=0.3)
    assert stream.found() == {1}


def test_topics_come_in_any_order():
    """A reward is heard before its embedding, and that before its goal."""
    heard = []
    stream = Stream()
    real, stream.rules = (
        stream.rules,
        SimpleNamespace(
            **{
                name: (lambda message, name=name: heard.append((name, message)))
                for name in ("goal", "embedding", "reward")
            }
        ),
    )
    stream.take_up("g1")
    for sequence in range(20):
        stream.show(sequence)
    for topic in ("reward", "embedding", "goal"):
        for name, message in heard:
            if name == topic:
                getattr(real, name)(message)
    assert real.close() == []
    assert real.judged == 20
