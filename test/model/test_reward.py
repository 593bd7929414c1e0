# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from liv_model.calibration import Calibration, calibrate
from liv_model.errors import ConfigError
from liv_model.reward import RewardStream
from liv_model.value import values

SECOND = 1_000_000_000


def unit(vectors):
    vectors = np.asarray(vectors, np.float64)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def at_cosines(cosines):
    """Unit vectors in the plane whose cosine with (1, 0) is as given."""
    angles = np.arccos(cosines)
    return np.stack([np.cos(angles), np.sin(angles)], -1).astype(np.float32)


GOAL = np.array([1, 0], np.float32)


def run(cosines, stamps=None, calibration=None, **options):
    stream = RewardStream(GOAL, calibration or Calibration(), **options)
    stamps = range(len(cosines)) if stamps is None else stamps
    return stream, [stream.update(e, round(s * SECOND)) for e, s in zip(at_cosines(cosines), stamps, strict=True)]


def test_a_table_of_values_and_rewards():
    _, samples = run([0.1, 0.4, 0.2, 0.9])
    assert [s.step for s in samples] == [0, 1, 2, 3]
    assert [s.is_first for s in samples] == [True, False, False, False]
    np.testing.assert_allclose([s.value for s in samples], [0.1, 0.4, 0.2, 0.9], atol=1e-6)
    np.testing.assert_allclose([s.reward for s in samples], [0.0, 0.3, -0.2, 0.7], atol=1e-6)


@given(arrays(np.float32, (200, 8), elements=st.floats(-1, 1, width=32)), st.integers(0, 2**31))
def test_rewards_telescope(rows, seed):
    rows = unit(rows + np.random.default_rng(seed).normal(size=rows.shape))
    stream = RewardStream(rows[0], Calibration())
    samples = [stream.update(row, i) for i, row in enumerate(rows)]
    total = 0.0
    for sample in samples:
        total += sample.reward
        assert abs(total - (sample.value - samples[0].value)) < 1e-9


def test_equal_and_slightly_older_stamps_are_dropped():
    _, samples = run([0.1, 0.2, 0.3, 0.4, 0.5], [10.0, 10.0, 9.5, 10.1, 9.61])
    assert [s is None for s in samples] == [False, True, True, False, True]
    assert samples[3].step == 1
    assert samples[3].reward == pytest.approx(0.3, abs=1e-6)


def test_a_larger_step_back_begins_an_episode():
    _, samples = run([0.1, 0.2, 0.3, 0.5], [10.0, 11.0, 2.0, 3.0])
    assert [(s.step, s.is_first) for s in samples] == [(0, True), (1, False), (0, True), (1, False)]
    assert samples[2].reward == 0.0
    assert samples[3].reward == pytest.approx(0.2, abs=1e-6)


def test_the_jitter_is_a_setting():
    _, samples = run([0.1, 0.2], [10.0, 9.9], stamp_jitter_s=0.05)
    assert samples[1].is_first
    with pytest.raises(ConfigError, match="stamp_jitter_s"):
        RewardStream(GOAL, Calibration(), stamp_jitter_s=-1)


def test_reset_begins_an_episode():
    stream, _ = run([0.1, 0.2])
    stream.reset()
    assert stream.update(GOAL, 5 * SECOND).is_first


def test_progress_is_calibrated_and_clipped():
    _, samples = run([0.0, 0.2, 0.4, 0.6, 0.9], calibration=Calibration(0.2, 0.6))
    np.testing.assert_allclose([s.progress for s in samples], [0, 0, 0.5, 1, 1], atol=1e-5)


def test_an_image_goal_starts_where_the_episode_does_in_each_episode():
    _, samples = run([0.2, 0.5, 0.4, 0.6], [10, 11, 1, 2], calibration=Calibration(goal=0.8))
    np.testing.assert_allclose([s.progress for s in samples], [0, 0.5, 0, 0.5], atol=1e-5)


def test_no_calibration_no_progress():
    _, samples = run([0.2, 0.5])
    assert all(math.isnan(s.progress) for s in samples)


def test_an_episode_that_begins_at_its_goal_is_done():
    _, samples = run([0.8, 0.9], calibration=Calibration(goal=0.8))
    assert [s.progress for s in samples] == [1.0, 1.0]


def test_calibrate_takes_the_medians_of_first_and_last():
    curves = [np.array([0.1, 0.5]), np.array([0.2, 0.3, 0.6]), np.array([0.9, 0.0, 0.7])]
    assert calibrate(curves) == Calibration(0.2, 0.6)


def test_smoothing_goes_by_time_not_by_frames():
    tau = 0.5
    _, samples = run([0.0, 0.8, 0.8, 0.8], [0.0, 0.1, 0.2, 3.0], smoothing_s=tau)
    steady = [0.8 * (1 - math.exp(-s / tau)) for s in (0.0, 0.1, 0.2, 3.0)]
    np.testing.assert_allclose([s.value for s in samples], steady, atol=1e-6)
    _, at_once = run([0.0, 0.8], [0.0, 0.2], smoothing_s=tau)
    assert at_once[-1].value == pytest.approx(samples[2].value, abs=1e-6)  # twice the rate, the same curve


def test_smoothing_begins_anew_with_each_episode():
    stream, samples = run([0.1, 0.9, 0.2, 0.8], [10, 10.1, 1, 1.1], smoothing_s=1.0)
    assert samples[2].value == pytest.approx(0.2, abs=1e-6)
    stream.reset()
    assert stream.update(GOAL, 2 * SECOND).value == pytest.approx(1.0)


def test_progress_is_that_of_the_smoothed_value():
    _, samples = run([0.0, 1.0], [0.0, 0.5], calibration=Calibration(0.0, 1.0), smoothing_s=0.5)
    assert samples[1].progress == pytest.approx(1 - math.exp(-1), abs=1e-6)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_a_smoothing_that_is_none_is_refused(seconds):
    with pytest.raises(ConfigError, match="smoothing_s"):
        RewardStream(GOAL, Calibration(), smoothing_s=seconds)


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-20, 5), st.sampled_from([0.0, 0.01, 0.3, 60.0])), min_size=1),
)
def test_rewards_telescope_however_values_are_smoothed_and_stamps_jump(steps):
    """Values, changes of the stamp (s) and changes of the setting, in any order."""
    stream, stamp = RewardStream(GOAL, Calibration()), 1000 * SECOND
    first = total = None
    for cosine, step_s, smoothing_s in steps:
        stream.smoothing_s = smoothing_s
        stamp += round(step_s * SECOND)
        sample = stream.update(at_cosines([cosine])[0], stamp)
        if sample is None:
            continue
        if sample.is_first:
            first, total = sample.value, 0.0
        total += sample.reward
        assert abs(total - (sample.value - first)) < 1e-9
        assert -1 <= sample.value <= 1


def test_what_is_shown_is_the_mean_of_half_a_second_not_smoothed():
    stream, _ = run([0.9, 0.2, 0.3, 0.4], [0.0, 1.0, 1.2, 1.5], smoothing_s=5.0)
    seen = stream.shown()
    assert (seen.mean, seen.count) == (pytest.approx(0.3, abs=1e-6), 3)
    assert seen.noise == pytest.approx(np.std([0.2, 0.3, 0.4]), abs=1e-6)
    stream.reset()  # the scene is the same
    assert stream.shown().count == 3
    stream.update(GOAL, round(0.9 * SECOND))  # another time
    assert stream.shown().count == 1


def test_nothing_is_shown_before_the_first_embedding():
    assert RewardStream(GOAL, Calibration()).shown() is None


def test_another_calibration_counts_at_once_in_the_same_episode():
    stream, samples = run([0.2, 0.4], calibration=Calibration(goal=1.2))
    assert samples[1].progress == pytest.approx(0.2, abs=1e-6)
    stream.recalibrate(Calibration(0.4, 0.6))
    sample = stream.update(at_cosines([0.5])[0], 5 * SECOND)
    assert (sample.progress, sample.step) == (pytest.approx(0.5, abs=1e-5), 2)
    stream.recalibrate(Calibration(goal=0.6))  # from the value at is_first on
    assert stream.update(at_cosines([0.5])[0], 6 * SECOND).progress == pytest.approx(0.75, abs=1e-5)


def test_values_are_cosines_of_every_pair():
    rows, goals = unit(np.eye(3)), unit([[1, 1, 0], [0, 0, -1]])
    table = values(rows, goals)
    assert table.dtype == np.float64
    np.testing.assert_allclose(table, [[0.5**0.5, 0], [0.5**0.5, 0], [0, -1]], atol=1e-7)
