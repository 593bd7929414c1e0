# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from liv_model.bundle import TaskStateThresholds
from liv_model.task_state_fit import (
    HOLDS_S,
    ProgressCurve,
    fit_task_state,
    highest_held,
    judge_task_state,
    longest_pause_s,
)


def _curve(progress, step_s=0.1):
    return ProgressCurve(np.arange(len(progress)) * step_s, np.array(progress))


def test_only_what_lasts_counts_as_held():
    blip = _curve([0.1, 0.2, 1.0, 0.3, 0.3, 0.3])
    assert highest_held(blip, 0.0) == 1.0
    assert highest_held(blip, 0.2) == pytest.approx(0.3)
    assert highest_held(blip, 5.0) == 0.0
    assert highest_held(_curve([np.nan, np.nan]), 0.1) == 0.0


def test_a_pause_ends_with_a_rise_and_at_success():
    assert longest_pause_s(_curve(np.linspace(0, 1, 11)), 1.0) == pytest.approx(0.1)
    assert longest_pause_s(_curve([0, 0.2, 0.21, 0.2, 0.22, 0.6, 1.0]), 0.9) == pytest.approx(0.4)
    assert longest_pause_s(_curve([0, 0.5, 1.0, *[1.0] * 50]), 0.9) == pytest.approx(0.1)
    fallen = [0.5, 0.1, 0.3, 0.4, 0.5, 0.7, 1.0]  # winning back what was lost is no progress
    assert longest_pause_s(_curve(fallen), 0.9) == pytest.approx(0.5)


def test_fitted_thresholds_part_successes_from_failures():
    rng = np.random.default_rng(0)
    arrived = [np.concatenate([np.linspace(0, 0.9, 20), np.full(12, 0.9)]) for _ in range(20)]
    given_up = [np.concatenate([np.linspace(0, 0.5, 10), np.full(40, 0.5)]) for _ in range(20)]
    successes = [_curve(np.clip(c + rng.normal(0, 0.01, len(c)), 0, 1)) for c in arrived]
    failures = [_curve(np.clip(c + rng.normal(0, 0.01, len(c)), 0, 1)) for c in given_up]
    fit = fit_task_state(successes, failures)
    assert 0.5 < fit.success_progress < 0.9 and fit.hold_s == HOLDS_S[-1]
    assert 0.1 <= fit.stall_s < 1.0
    got = judge_task_state(fit, successes, failures)
    assert (got.recognised, got.refused, got.stalls_found) == (1.0, 1.0, 1.0)
    assert got.false_stalls <= 0.05 and (got.successes, got.failures) == (20, 20)


def test_a_hold_that_recordings_are_too_short_for_is_not_asked():
    successes = [_curve(np.linspace(0, 1, 12)) for _ in range(5)]  # they end where they arrive
    failures = [_curve(np.full(12, 0.2)) for _ in range(5)]
    fit = fit_task_state(successes, failures)
    assert judge_task_state(fit, successes, failures).recognised == 1.0


def test_thresholds_that_do_not_fit_are_found_out():
    strict = TaskStateThresholds(stall_s=0.05, hold_s=0.1, success_progress=1.0)
    got = judge_task_state(strict, [_curve(np.linspace(0, 0.95, 10))], [])
    assert (got.recognised, got.false_stalls) == (0.0, 1.0)
    assert np.isnan(got.refused) and np.isnan(got.stalls_found)
