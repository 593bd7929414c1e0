# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from liv_model import metrics


@pytest.mark.parametrize("seed", range(20))
def test_spearman_equals_scipy_with_ties(seed):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 20), rng.normal(size=20).round(1)
    assert metrics.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize("length", [2, 19, 20, 21, 300])
def test_voc_of_a_rising_curve_is_one_at_any_frame_rate(length):
    curve = np.linspace(-0.2, 0.9, length) ** 3
    assert metrics.voc(curve) == pytest.approx(1.0)
    assert metrics.voc(-curve) == pytest.approx(-1.0)
    assert metrics.voc(curve[::-1]) == pytest.approx(-1.0)


@pytest.mark.parametrize("curve", [[], [0.3], [0.3] * 50, [0.1, np.nan, 0.5], [0.0, np.inf]])
def test_voc_of_a_constant_or_broken_curve_is_zero(curve):
    assert metrics.voc(np.array(curve)) == 0.0


def test_resample_keeps_ends_and_is_linear():
    assert metrics.resample(np.array([0.0, 19.0])) == pytest.approx(np.arange(20))
    assert metrics.resample(np.array([7.0])) == pytest.approx(np.full(20, 7.0))


def test_final_value_is_the_mean_of_the_last_three_points():
    assert metrics.final_value(np.arange(20.0)) == pytest.approx(18.0)
    assert np.isnan(metrics.final_value(np.array([1.0, np.nan])))


def test_negative_rate():
    assert metrics.negative_rate(np.arange(20.0)) == 0.0
    assert metrics.negative_rate(-np.arange(20.0)) == 1.0
    zigzag = np.arange(20.0) % 2
    assert metrics.negative_rate(zigzag) == pytest.approx(9 / 19)
    assert metrics.negative_rate(np.array([0.0, np.nan])) == 1.0


def test_success_auc_table():
    def level(x):
        return np.full(5, x)

    assert metrics.success_auc([level(0.9), level(0.8)], [level(0.1)]) == 1.0
    assert metrics.success_auc([level(0.5)], [level(0.5)]) == 0.5
    assert metrics.success_auc([level(0.9), level(0.2)], [level(0.1), level(0.4)]) == 0.75
    assert metrics.success_auc([level(np.nan)], [level(0.4)]) == 0.0
    assert metrics.success_auc([level(0.5)], [level(np.nan)]) == 0.0
    assert np.isnan(metrics.success_auc([], [level(0.4)]))


def test_goal_discrimination_table():
    scores = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.1], [0.4, 0.3, 0.0], [np.nan, 0.1, 0.2], [0.2, 0.2, 0.2]])
    truth = np.array([0, 1, 2, 0, 1])
    assert metrics.top1(scores, truth) == pytest.approx([1, 0, 0, 0, 0])
    expected = [(0.9 - 0.15) / 0.8, (0.5 - 0.3) / 0.4, -0.35 / 0.4, 0.0, 0.0]
    assert metrics.diagonal_margin(scores, truth) == pytest.approx(expected)


def test_only_rivals_count():
    scores = np.array([[0.9, 0.5, 0.95], [0.2, 0.1, np.nan]])
    truth = np.array([0, 1])
    among = np.array([[True, True, False], [False, True, True]])
    assert metrics.top1(scores, truth, among) == pytest.approx([1, 0])
    assert metrics.top1(scores, truth, ~np.eye(3, dtype=bool)[[1, 0]]) == pytest.approx([0, 0])


def test_confusions_table():
    scores = np.array([[0.9, 0.1, 0.2], [0.3, 0.1, 0.4], [0.3, 0.3, 0.1], [0.1, 0.5, 0.4], [np.nan, 0.5, 0.4]])
    truth = np.array([0, 0, 0, 2, 2])
    shares = metrics.confusions(scores, truth)
    np.testing.assert_allclose(shares, [[0, 1 / 3, 1 / 3], [0, 0, 0], [0, 1 / 2, 0]])


def test_antonym_contrast():
    curve = np.linspace(0, 1, 30)
    assert metrics.antonym_contrast(curve, -curve) == pytest.approx(2.0)
    assert metrics.antonym_contrast(curve, curve) == 0.0


def test_estimate_is_the_mean_over_tasks():
    got = metrics.estimate([np.array([1.0, 1.0, 1.0]), np.array([0.0]), np.array([])])
    assert (got.mean, got.n) == (0.5, 4)
    assert got.low == got.high == 0.5
    wide = metrics.estimate([np.random.default_rng(0).normal(size=400)])
    assert wide.low < wide.mean < wide.high
    assert wide.high - wide.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert metrics.estimate([]).n == 0


def test_an_interval_is_not_narrowed_by_numbers_of_the_same_episode():
    per_episode = np.random.default_rng(1).normal(size=20)
    copied = np.repeat(per_episode[:, None], 50, axis=1)  # each of 20 episodes against 50 others, all alike
    single, crossed, flattered = (metrics.estimate([g]) for g in (per_episode, copied, copied.ravel()))
    assert crossed.n == 20 and crossed.mean == pytest.approx(single.mean)
    assert crossed.high - crossed.low == pytest.approx(single.high - single.low, rel=0.1)
    assert flattered.high - flattered.low < (single.high - single.low) / 4


def test_other_tasks_are_less_certain_than_these():
    groups = [np.full(8, level) + np.linspace(-0.01, 0.01, 8) for level in (0.2, 0.5, 0.9)]
    these, others = metrics.estimate(groups), metrics.estimate(groups, across_tasks=True)
    assert these.mean == others.mean
    assert others.high - others.low > 10 * (these.high - these.low)
    assert np.isnan(metrics.estimate(groups[:1], across_tasks=True).low)
