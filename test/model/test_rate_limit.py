# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liv_model.rate_limit import RateLimit

MS = 10**6


def due(limit, stamps_ms):
    return [ms for ms in stamps_ms if limit.is_due(round(ms * MS))]


def test_no_limit():
    assert due(RateLimit(0), [5, 5, 3]) == [5, 5, 3]


@pytest.mark.parametrize(
    ("camera_hz", "most_hz", "expected_hz"), [(30, 10, 10), (30, 20, 20), (30, 60, 30), (60, 7, 7)]
)
def test_the_rate_over_time(camera_hz, most_hz, expected_hz):
    jitter = np.random.default_rng(0).uniform(-3, 3, 100 * camera_hz)
    stamps = np.arange(100 * camera_hz) * 1000 / camera_hz + jitter + 10
    assert len(due(RateLimit(most_hz), stamps)) == pytest.approx(100 * expected_hz, rel=0.01)


def test_a_pause_is_not_made_up_for():
    assert due(RateLimit(10), [0, 100, 5000, 5010, 5020, 5100]) == [0, 100, 5000, 5100]


def test_time_that_steps_back_begins_anew():
    assert due(RateLimit(1), [10_000, 10_500, 100, 200, 1_100]) == [10_000, 100, 1_100]


@given(st.lists(st.integers(0, 10**12)), st.floats(0.1, 1000))
def test_never_two_within_half_a_period_in_order(stamps, most_hz):
    limit, last = RateLimit(most_hz), None
    taken = [stamp for stamp in sorted(stamps) if limit.is_due(stamp)]
    for stamp in taken:
        assert last is None or stamp >= last
        last = stamp
    if taken:
        span_s = (taken[-1] - taken[0]) / 1e9
        assert len(taken) <= span_s * most_hz + 2
