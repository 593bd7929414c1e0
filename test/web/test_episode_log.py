# SPDX-License-Identifier: Apache-2.0
"""Episodes and the last ten minutes, as pages that come late see them."""

import math

import pytest

from liv_web.episode_log import MOST_EPISODES, EpisodeLog, spark
from liv_web.sample_history import KEPT_S, MOST_TOLD, SampleHistory, columns
from liv_web.source import Sample


def sample(t, value=0.0, first=False):
    return Sample(t, value, 0.0, math.nan, first)


def run(log, begin, values, goal_id="g", goal="open", camera="camera"):
    for i, value in enumerate(values):
        log.add(camera, goal_id, goal, sample(begin + 0.1 * i, value, i == 0))


def test_an_episode_begins_at_is_first_and_ends_before_the_next():
    log = EpisodeLog()
    run(log, 0.0, [0.1, 0.2, 0.3])
    run(log, 10.0, [0.5, 0.6], goal_id="h", goal="close")
    first, second = log.told()
    assert (first.goal, first.begin_s, first.end_s, first.spark) == ("open", 0.0, 0.2, [0.1, 0.2, 0.3])
    assert (second.goal, second.begin_s, second.verdict) == ("close", 10.0, None)
    assert first.id != second.id


def test_a_reward_that_is_the_first_heard_begins_one_too():
    log = EpisodeLog()
    assert log.add("camera", "g", "open", sample(5.0))
    assert not log.add("camera", "g", "open", sample(5.1))
    assert len(log.told()) == 1


def test_several_cameras_make_one_episode():
    log = EpisodeLog()
    for t in (0.0, 0.1, 0.2):
        for offset, camera in enumerate(("front", "wrist")):
            log.add(camera, "g", "open", sample(t + 0.01 * offset, t, t == 0.0))
    log.add("wrist", "g", "open", sample(30.0, first=True))
    first, second = log.told()
    assert (first.camera, first.spark) == ("front", [0.0, 0.1, 0.2])
    assert second.camera == "wrist"


@pytest.mark.parametrize(
    ("t", "goal_id", "judged"),
    [
        (10.05, "", [None, None, "success"]),
        (100.0, "", [None, None, "success"]),
        (5.0, "", [None, "success", None]),
        (100.0, "g", [None, "success", None]),
        (0.0, "h", [None, None, "success"]),
        (-1.0, "", [None, None, "success"]),
        (10.05, "nobody's", [None, None, None]),
    ],
)
def test_a_verdict_is_of_the_episode_that_ran_or_ended_last(t, goal_id, judged):
    log = EpisodeLog()
    run(log, 0.0, [0.1], "g")
    run(log, 2.0, [0.1], "g")
    run(log, 10.0, [0.1, 0.2], "h")
    assert log.judge(t, goal_id, "success") == any(judged)
    assert [episode.verdict for episode in log.told()] == judged


def test_the_last_verdict_counts():
    log = EpisodeLog()
    run(log, 0.0, [0.1])
    log.judge(1.0, "g", "failure")
    log.judge(1.1, "g", "discard")
    assert log.told()[0].verdict == "discard"


def test_an_episode_of_hours_takes_no_more_memory():
    log = EpisodeLog()
    run(log, 0.0, [math.sin(i / 1000) for i in range(50_000)])
    [episode] = log._episodes
    assert len(episode.values) <= 4097
    told = log.told()[0].spark
    assert len(told) == 40
    assert max(told) == pytest.approx(1.0, abs=0.05)
    for i in range(MOST_EPISODES + 50):
        run(log, 10_000.0 + i, [0.0])
    assert len(log.told()) == MOST_EPISODES


def test_sparks_are_short():
    assert spark([]) == []
    assert spark([0.123456]) == [0.1235]
    assert spark([float(i) for i in range(1000)])[::39] == [0.0, 999.0]


def test_ten_minutes_are_kept_and_what_is_told_is_thinned_but_for_beginnings():
    history = SampleHistory()
    for i in range(40_000):
        history.add(sample(i / 50, first=i in (0, 39_001)))
    told = history.told()
    assert told[0].t >= 40_000 / 50 - KEPT_S - 0.2
    assert len(told) <= MOST_TOLD + 1
    assert any(s.is_first for s in told)
    assert [s.t for s in told] == sorted(s.t for s in told)


def test_a_step_back_of_the_time_begins_anew():
    history = SampleHistory()
    for t in (100.0, 100.1):
        history.add(sample(t))
    history.add(sample(1.0, first=True))
    assert [s.t for s in history.told()] == [1.0]


def test_columns_have_null_for_what_is_no_number():
    event = columns("camera", [sample(1.0, math.inf)])
    assert (event["value"], event["progress"]) == ([None], [None])
