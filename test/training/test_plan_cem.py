# SPDX-License-Identifier: Apache-2.0
"""The search over action sequences: what it asks for, what it finds, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from liv_model.errors import ConfigError
from training.plan_cem import Cem, search, smooth
from training.uses.plan import FULL

SMALL = Cem(sequences=24, horizon=10, iterations=2)


def test_the_search_finds_the_top_of_a_hill():
    top = np.clip(np.cumsum(np.random.default_rng(1).normal(0, 0.3, (8, 4)), axis=0), -0.8, 0.8)
    found = search(
        lambda actions: -np.square(actions - top).sum(axis=(1, 2)),
        np.zeros((8, 4)),
        Cem(sequences=200, horizon=8, iterations=12),
        np.random.default_rng(0),
    )
    assert np.abs(found - top).mean() < 0.1


def test_the_search_asks_for_as_many_sequences_as_it_was_told_within_bounds():
    asked = []

    def score(actions):
        asked.append(actions)
        return np.arange(len(actions), dtype=float)

    found = search(score, np.full((10, 4), 3.0), SMALL, np.random.default_rng(0))
    assert [len(a) for a in asked] == [24, 24] and np.abs(asked).max() <= 1
    assert np.array_equal(found, asked[0][-1])  # the best that was seen, not the last mean


def test_the_mean_it_begins_with_is_among_the_first_and_is_kept_when_nothing_is_better():
    begun = np.full((10, 4), 0.5)
    found = search(lambda a: -np.abs(a - 0.5).sum(axis=(1, 2)), begun, SMALL, np.random.default_rng(0))
    assert np.array_equal(found, begun)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ConfigError, match="24 finite numbers"):
        search(lambda a: np.full(len(a), np.nan), np.zeros((10, 4)), SMALL, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"sequences": 1}, "--sequences: expected 2 or more, got 1"),
        ({"horizon": 0}, "--horizon: expected 1 or more, got 0"),
        ({"iterations": 0}, "--iterations: expected 1 or more, got 0"),
        ({"elites": 0}, "elites, spread"),
        ({"spread": 0}, "elites, spread"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, what):
    with pytest.raises(ConfigError, match=what):
        Cem(**wrong)


def test_a_search_is_the_papers_by_default_and_the_studys():
    for settings in (Cem(), FULL):
        assert settings.sequences * settings.iterations == 200 and settings.horizon == 20


def test_noise_is_smooth_and_of_unit_variance():
    noise = smooth(np.random.default_rng(0), 4000, 12, 2)
    assert noise.shape == (4000, 12, 2) and noise[:, -1].std() == pytest.approx(1, rel=0.05)
    assert np.corrcoef(noise[:, 5, 0], noise[:, 6, 0])[0, 1] == pytest.approx(0.8, abs=0.03)
