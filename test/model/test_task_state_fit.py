# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from liv_model.bundle import TaskStateThresholds
from liv_model.task_signals import PATIENCE
from liv_model.task_state import TaskState
from liv_model.task_state_fit import (
    HOLDS_S,
    ProgressCurve,
    detect,
    fit_task_state,
    highest_held,
    judge_task_state,
    longest_pause_s,
)


def _curve(position, step_s=0.1):
    return ProgressCurve(np.arange(len(position)) * step_s, np.array(position))


def test_only_what_lasts_counts_as_held():
    spike = _curve([0.1, 0.2, 1.0, 0.3, 0.3, 0.3])
    assert highest_held(spike, 0.2) == pytest.approx(0.3)
    assert highest_held(_curve([0.1, 1.0, 1.0, 1.0, 0.3, 0.3]), 0.0) == 1.0
    assert highest_held(spike, 5.0) == 0.0
    assert highest_held(_curve([np.nan, np.nan]), 0.1) == 0.0


def test_a_pause_is_standing_still_or_a_long_time_without_gain():
    assert longest_pause_s(_curve(np.linspace(0, 1, 11)), 0.9, 0.1) == pytest.approx(0.1, abs=0.11)
    assert longest_pause_s(_curve([0, 0.5, *[0.5] * 30, 1.0]), 0.9, 0.1) == pytest.approx(3.0, abs=0.2)
    assert longest_pause_s(_curve([0, 0.5, 1.0, *[1.0] * 50]), 0.9, 0.1) <= 0.2  # at the goal it may stand
    fallen = [0.5, *np.linspace(0.1, 0.5, 30), 0.7, 1.0, 1.0]  # winning back what was lost is no gain
    assert longest_pause_s(_curve(fallen), 0.9, 0.1) == pytest.approx(3.1 / PATIENCE, abs=0.1)


def _episodes(rng, end, count=20):
    way = np.concatenate([np.linspace(0, end, 20), np.full(12, end)])
    return [_curve(way + rng.normal(0, 0.01, len(way))) for _ in range(count)]


def test_fitted_thresholds_part_successes_from_failures():
    rng = np.random.default_rng(0)
    successes, failures = _episodes(rng, 0.9), _episodes(rng, 0.5)
    fit = fit_task_state(successes, failures)
    assert 0.5 < fit.success_progress < 0.9 and fit.hold_s == HOLDS_S[-1]
    assert 0.1 <= fit.stall_s < 1.0
    got = judge_task_state(fit, successes, failures)
    assert (got.recognised, got.refused, got.stalls_found) == (1.0, 1.0, 1.0)
    assert got.false_stalls <= 0.05 and (got.successes, got.failures) == (20, 20)


def test_recordings_that_end_where_they_arrive_still_have_a_hold():
    successes = [_curve(np.linspace(0, 1, 12)) for _ in range(5)]
    failures = [_curve(np.full(12, 0.2)) for _ in range(5)]
    fit = fit_task_state(successes, failures)
    assert fit.hold_s == HOLDS_S[-1]
    assert judge_task_state(fit, successes, failures).recognised == 1.0


def test_of_levels_that_are_about_equally_right_the_middle_is_taken():
    """Failures up to 0.5, successes from 0.9, and one stray of each: which gap is widest is chance."""
    failures = [_curve(np.full(30, end)) for end in [*np.linspace(0.1, 0.5, 29), 0.86]]
    successes = [_curve(np.linspace(0, end, 30)) for end in [*np.linspace(0.9, 1.0, 29), 0.6]]
    assert fit_task_state(successes, failures).success_progress == pytest.approx(0.67, abs=0.08)


def test_thresholds_that_do_not_fit_are_found_out():
    strict = TaskStateThresholds(stall_s=0.05, hold_s=0.1, success_progress=1.0)
    got = judge_task_state(strict, [_curve(np.linspace(0, 0.95, 30))], [])
    assert (got.recognised, got.false_stalls) == (0.0, 1.0)
    assert np.isnan(got.refused) and np.isnan(got.stalls_found)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_fitted_is_what_is_detected(seed):
    """The detector calls a curve stalled or succeeded exactly where the fit's own functions say so."""
    rng = np.random.default_rng(seed)
    curve = _curve(np.cumsum(rng.normal(0.01, 0.05, 120)), step_s=1 / 16)
    thresholds = TaskStateThresholds(stall_s=0.6, hold_s=0.3, success_progress=0.8)
    states = [s.state for s in detect(thresholds, curve)]
    held = highest_held(curve, thresholds.hold_s)
    assert (TaskState.SUCCEEDED in states) == (held >= thresholds.success_progress)
    until = states.index(TaskState.SUCCEEDED) if TaskState.SUCCEEDED in states else None
    pause_s = longest_pause_s(curve, thresholds.success_progress, thresholds.hold_s)
    assert (TaskState.STALLED in states[:until]) == (pause_s >= thresholds.stall_s)
