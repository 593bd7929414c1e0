# SPDX-License-Identifier: Apache-2.0
"""What the page keeps of a camera (curve.js): gaps, episodes, stamps that go back, and how much of it."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PRELUDE = """async ({ calls, keep, ask }) => {
    const { Curve } = await import("./static/js/curve.js");
    const curve = new Curve(keep);
    for (const [name, argument] of calls) curve[name](argument);
    const asked = ask ? curve[ask[0]](...ask[1]) : null;
    const { t, value, firsts, states, verdicts, scores } = curve;
    return { t, value, firsts, states, verdicts, scores, asked };
}"""


@pytest.fixture
def curve(robot, open_page):
    """Calls on a new Curve: ``curve(("append", batch), ask=("at", [3]))``."""
    page = open_page(robot.address)

    def curve(*calls, keep=630, ask=None):
        return page.evaluate(PRELUDE, {"calls": [list(call) for call in calls], "keep": keep, "ask": ask})

    return curve


def batch(times, first=None):
    columns = {name: [round(0.1 * t, 6) for t in times] for name in ("value", "reward", "progress")}
    return {"camera": "camera", "t": list(times), **columns, "is_first": [t == first for t in times]}


def test_episodes_and_gaps_are_parted(curve):
    held = curve(("append", batch([1, 1.5, 2, 2.5], first=2)), ("append", batch([5])))
    assert held["t"] == [1, 1.5, 1.75, 2, 2.5, 3.75, 5]
    assert [i for i, value in enumerate(held["value"]) if value is None] == [2, 5]
    assert held["firsts"] == [2]


def test_what_came_already_is_not_taken_twice_and_a_new_clock_begins_anew(curve):
    assert curve(("append", batch([1, 2])), ("append", batch([1.8, 2, 2.2])))["t"] == [1, 2, 2.2]
    assert curve(("append", batch([100, 101])), ("append", batch([3, 4])))["t"] == [3, 4]


def test_a_reconnection_replaces_the_curve_and_keeps_the_states(curve):
    state = {"t": 1, "state": "stalled", "message": ""}
    held = curve(("append", batch([1, 2])), ("appendState", state), ("replace", batch([1, 1.5, 2, 2.5])))
    assert held["t"] == [1, 1.5, 2, 2.5]
    assert held["states"] == [state]


def test_what_is_too_long_ago_is_forgotten(curve):
    states = [
        ("appendState", {"t": t, "state": s, "message": ""}) for t, s in ((0, "idle"), (5, "stalled"), (9, "blind"))
    ]
    scores = {"texts": ["a"], "t": list(range(20)), "values": [[0.5]] * 20}
    held = curve(*states, ("appendScores", scores), ("append", batch(range(20))), keep=8)
    assert held["t"][0] >= 11 - 1
    assert held["scores"]["t"] == list(range(11, 20))
    assert [state["state"] for state in held["states"]] == ["blind"]  # it still holds at the beginning


def test_another_goal_set_begins_anew(curve):
    one, two = (
        {"texts": texts, "t": [t], "values": [[0.1] * len(texts)]} for texts, t in ((["a"], 1), (["a", "b"], 2))
    )
    assert curve(("appendScores", one), ("appendScores", two))["scores"] == {
        "texts": ["a", "b"],
        "t": [2],
        "values": [[0.1], [0.1]],
    }


def test_what_held_at_a_time(curve):
    calls = [("append", batch([1, 2, 3], first=3)), ("appendState", {"t": 2, "state": "stalled", "message": "why"})]
    asked = curve(*calls, ask=("at", [2.6]))["asked"]
    assert (asked["t"], asked["state"], asked["message"]) == (2, "stalled", "why")
    assert curve(*calls, ask=("at", [0]))["asked"]["state"] is None
    assert curve(*calls, ask=("few", [0, 2]))["asked"] == [0.1, 0.3]
