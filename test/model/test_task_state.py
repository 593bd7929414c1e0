# SPDX-License-Identifier: Apache-2.0
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liv_model.bundle import TaskStateThresholds
from liv_model.calibration import Calibration
from liv_model.errors import ConfigError
from liv_model.task_state import ProgressScale, TaskState, TaskStateDetector
from liv_model.task_state_fit import ProgressCurve, detect

THRESHOLDS = TaskStateThresholds(stall_s=2.0, hold_s=0.5, success_progress=0.9)
SECOND = 10**9
NAN = math.nan


def states(*pieces, hz=20.0, thresholds=THRESHOLDS):
    """The states of every frame of straight lines: (from, to, seconds)."""
    position = np.concatenate([np.linspace(a, b, round(seconds * hz)) for a, b, seconds in pieces])
    return [s.state.name for s in detect(thresholds, ProgressCurve(np.arange(len(position)) / hz, position))]


def course(*pieces, **options):
    """The states in the order in which they come."""
    told = states(*pieces, **options)
    return [name for i, name in enumerate(told) if i == 0 or name != told[i - 1]]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([(0, 1, 3), (1, 1, 2)], "IDLE PROGRESSING SUCCEEDED"),
        ([(0, 0.5, 2), (0.5, 0.5, 4)], "IDLE PROGRESSING STALLED"),
        ([(0, 0, 4)], "IDLE STALLED"),
        (
            [(0, 0.5, 2), (0.5, 0.5, 4), (0.5, 1, 2), (1, 1, 1)],
            "IDLE PROGRESSING STALLED PROGRESSING SUCCEEDED",
        ),
        ([(0, 0.6, 2), (0.6, 0.1, 2), (0.1, 0.8, 2)], "IDLE PROGRESSING REGRESSING PROGRESSING"),
        ([(0, 0.6, 2), (0.6, 0.1, 2), (0.1, 0.1, 4)], "IDLE PROGRESSING REGRESSING STALLED"),
        ([(0, 1, 2), (1, 1, 2), (1, 0.4, 1)], "IDLE PROGRESSING SUCCEEDED REGRESSING"),
        ([(0, 1, 2), (1, 0.85, 2), (0.85, 1, 2)], "IDLE PROGRESSING SUCCEEDED"),  # within the margin
        ([(0, 1, 2), (1, 1, 30)], "IDLE PROGRESSING SUCCEEDED"),  # what is done may stand still
        ([(-0.8, -0.1, 3), (-0.1, 0.5, 3)], "IDLE PROGRESSING"),  # all at a clipped progress of 0 at first
        ([(0.6, 0.1, 3)], "IDLE REGRESSING"),
    ],
)
def test_the_course_of_states(pieces, expected):
    assert " ".join(course(*pieces)) == expected


def test_a_stall_is_told_when_it_has_lasted_for_stall_s_and_success_when_it_was_held():
    stalled = states((0, 0.5, 2), (0.5, 0.5, 4)).index("STALLED") / 20
    assert 3.8 <= stalled <= 4.3
    succeeded = states((0, 0.5, 2), (1, 1, 4)).index("SUCCEEDED") / 20
    assert 2.5 <= succeeded <= 2.75


def test_wiggling_without_gain_is_a_stall_after_a_longer_time():
    wiggle = [(0, 0.5, 2), *[(0.5, 0.3, 0.5), (0.3, 0.5, 0.5)] * 10]
    told = states(*wiggle)
    assert "STALLED" not in told[: 20 * 6]
    assert told[-1] == "STALLED"


def test_one_wrong_frame_changes_nothing():
    position = np.concatenate([np.linspace(0, 0.5, 40), np.full(60, 0.5)])
    clean = detect(THRESHOLDS, ProgressCurve(np.arange(100) / 20, position))
    position[[30, 70, 95]] = [1.0, 0.0, 1.0]
    disturbed = detect(THRESHOLDS, ProgressCurve(np.arange(100) / 20, position))
    assert [s.state for s in clean] == [s.state for s in disturbed]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", [0.3, 0.9, 0.8])
def test_noise_does_not_make_states_flicker(seed, level):
    """Also at the thresholds themselves: 0.9 is success, 0.8 where it is lost again."""
    noise = np.random.default_rng(seed).normal(0, 0.02, 1200)
    position = np.concatenate([np.linspace(0, level, 60), np.full(1140, level)]) + noise
    told = [s.state for s in detect(THRESHOLDS, ProgressCurve(np.arange(1200) / 30, position))]
    changes = sum(a != b for a, b in pairwise(told))
    assert changes <= 4, [s.name for a, s in zip([None, *told], told, strict=False) if a != s]


def run(detector, samples):
    return [detector.update(*sample) for sample in samples]


def test_without_calibration_it_goes_by_value_and_says_that_success_cannot_be_told():
    detector = TaskStateDetector(THRESHOLDS)
    rising = run(detector, [(i * SECOND // 20, 0.2 + 0.01 * i, NAN, i == 0) for i in range(40)])
    assert rising[-1].state == TaskState.PROGRESSING
    assert math.isnan(rising[-1].progress)
    assert rising[-1].rate == pytest.approx(0.2)  # value per second
    assert "success cannot be told" in rising[-1].message
    still = run(detector, [((40 + i) * SECOND // 20, 0.99, NAN, False) for i in range(80)])
    assert still[-1].state == TaskState.STALLED
    assert "value 0.990" in still[-1].message


def test_rate_is_progress_per_second_and_one_wrong_frame_does_not_turn_it():
    detector = TaskStateDetector(THRESHOLDS, calibration=Calibration(0.0, 0.5))
    told = run(detector, [(i * SECOND // 20, 0.005 * i, 0.01 * i, i == 0) for i in range(40)])
    assert math.isnan(told[0].rate)
    assert told[-1].rate == pytest.approx(0.2)
    disturbed = detector.update(2 * SECOND, 0.0, 0.0, False)
    assert disturbed.rate == pytest.approx(0.2, abs=0.03)


def test_messages_say_the_state_and_why():
    told = detect(THRESHOLDS, ProgressCurve(np.arange(130) / 20, np.r_[np.linspace(0, 0.41, 50), np.full(80, 0.41)]))
    assert told[-1].message == "stalled for 4.1 s at 0.41"
    assert told[30].message.startswith("progressing for ")
    assert all(s.message.startswith(s.state.name.lower()) for s in told)


def test_after_a_gap_and_after_blindness_it_is_judged_anew():
    detector = TaskStateDetector(THRESHOLDS, blind_s=1.0)
    run(detector, [(i * SECOND // 10, 0.5, 0.5, i == 0) for i in range(40)])
    assert detector.sample.state == TaskState.STALLED
    assert detector.update(20 * SECOND, 0.5, 0.5).state == TaskState.IDLE
    run(detector, [(20 * SECOND + i * SECOND // 10, 0.5, 0.5) for i in range(1, 40)])
    assert detector.sample.state == TaskState.STALLED
    blind = detector.blind(1.3)
    assert (blind.state, blind.message) == (TaskState.BLIND, "blind: no usable picture for 1.3 s")
    assert math.isnan(blind.progress) and math.isnan(blind.rate)
    assert detector.update(24 * SECOND, 0.5, 0.5).state == TaskState.IDLE


def test_a_step_back_of_the_stamps_begins_an_episode_and_a_small_one_is_dropped():
    detector = TaskStateDetector(THRESHOLDS)
    run(detector, [(i * SECOND // 10, 0.5, 0.5, i == 0) for i in range(40)])
    before = detector.sample
    assert detector.update(39 * SECOND // 10 - SECOND // 4, 0.9, 0.9) is before
    assert detector.update(39 * SECOND // 10, 0.9, 0.9) is before
    assert detector.update(SECOND, 0.5, 0.5).state == TaskState.IDLE


def test_the_scale_that_comes_counts_not_the_goals():
    """An operator's calibration, 0.4 to 0.6, where the goal's is 0 to 1: positions go on below 0 and above 1."""
    scale = ProgressScale(Calibration(0.0, 1.0))
    scale.begin(0.42)
    theirs = Calibration(0.4, 0.6)
    told = [scale.position(v, theirs.progress(v)) for v in (0.42, 0.44, 0.5, 0.3, 0.7)]
    assert told == pytest.approx([0.1, 0.2, 0.5, -0.5, 1.5])


def test_a_goal_picture_begins_its_scale_at_the_first_value():
    scale = ProgressScale(Calibration(NAN, 0.9))
    scale.begin(0.5)
    assert [scale.position(0.3, 0.0), scale.position(0.7, 0.5)] == pytest.approx([-0.5, 0.5])


numbers = st.one_of(st.floats(-2, 2), st.sampled_from([NAN, math.inf, -math.inf]))
stamps = st.integers(-(10**10), 10**11)
samples = st.lists(st.tuples(stamps, numbers, st.one_of(st.floats(0, 1), st.just(NAN)), st.booleans()), max_size=60)


@given(samples)
def test_whatever_comes_the_sample_is_sound(given_samples):
    detector = TaskStateDetector(THRESHOLDS, calibration=Calibration(0.1, 0.7))
    for sample in run(detector, given_samples):
        assert sample.state in TaskState and sample.state != TaskState.BLIND
        assert math.isnan(sample.progress) or 0 <= sample.progress <= 1
        assert not math.isinf(sample.rate)
        assert sample.message
    if all(math.isnan(progress) for _, _, progress, _ in given_samples):
        assert detector.sample.state != TaskState.SUCCEEDED


@given(samples, samples)
def test_nothing_of_an_episode_is_left_in_the_next(before, after):
    used, fresh = (TaskStateDetector(THRESHOLDS, calibration=Calibration(0.1, 0.7)) for _ in range(2))
    run(used, before)
    begin = (10**12, 0.2, 0.3, True)
    assert str(run(used, [begin, *after])) == str(run(fresh, [begin, *after]))  # as text: NaN is not itself


@given(samples, st.data())
def test_what_is_out_of_order_or_no_number_changes_nothing(given_samples, data):
    detector = TaskStateDetector(THRESHOLDS)
    detector.update(0, 0.1, 0.1, True)
    run(detector, [(abs(stamp) + 1, value, progress, False) for stamp, value, progress, _ in given_samples])
    before, last_ns = detector.sample, detector._last_ns
    back_ns = data.draw(st.integers(0, SECOND // 2))
    assert detector.update(last_ns - back_ns, 0.5, 0.5) is before
    assert detector.update(last_ns + 1, NAN, NAN) is before


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=80))
def test_success_means_that_the_threshold_was_held(position):
    """By its definition, which looks at the whole past: every smoothed position of hold_s is at the threshold."""
    curve = ProgressCurve(np.arange(len(position)) / 10, np.array(position))
    smooth = [float(np.median(position[max(0, i - 2) : i + 1])) for i in range(len(position))]
    told = [s.state for s in detect(THRESHOLDS, curve)]
    for i, state in enumerate(told):
        if i > 0 and state == told[i - 1]:
            continue
        if state == TaskState.SUCCEEDED:
            assert i >= 5 and min(smooth[i - 5 : i + 1]) >= THRESHOLDS.success_progress
        if state == TaskState.STALLED:
            assert smooth[i] < THRESHOLDS.success_progress


@pytest.mark.parametrize(
    "change",
    [{"stall_s": 0.0}, {"stall_s": NAN}, {"hold_s": -1.0}, {"success_progress": 0.0}, {"success_progress": 1.1}],
)
def test_thresholds_out_of_range_are_refused(change):
    values = {"stall_s": 2.0, "hold_s": 0.5, "success_progress": 0.9, **change}
    with pytest.raises(ConfigError, match=f"task state: {next(iter(change))}: expected"):
        TaskStateDetector(TaskStateThresholds(**values))


@pytest.mark.parametrize("name", ["blind_s", "uncalibrated_span"])
def test_other_settings_out_of_range_are_refused(name):
    with pytest.raises(ConfigError, match=name):
        TaskStateDetector(THRESHOLDS, **{name: 0.0})


def test_the_states_are_those_of_the_message():
    text = (Path(__file__).parents[2] / "msg" / "TaskState.msg").read_text()
    constants = [line.split() for line in text.splitlines() if line.startswith("uint8 ") and "=" in line]
    assert {name: int(number) for _, name, _, number in constants} == {s.name: int(s) for s in TaskState}
