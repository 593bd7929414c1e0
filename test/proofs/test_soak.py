# SPDX-License-Identifier: Apache-2.0
"""A short ``make soak``, and how its measurements are judged."""

import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros


def heard(slower=1.0, growth=0.0, seconds=600.0):
    from proofs.rules import Rules
    from proofs.soak_run import Heard

    made = Heard(Rules(may_miss=True), published=1200, seconds=seconds, goals=3, swaps=1)
    times = range(int(seconds))
    made.latency_ms = [(float(t), 5.0 * (slower if t > seconds / 2 else 1)) for t in times]
    made.memory_mib = {"encoder_node": [(float(t), 100 * (1 + growth * t / seconds)) for t in times]}
    return made


def row(rows, what):
    return next(row for row in rows if row["what"].startswith(what))


def test_memory_that_grows_is_found():
    from proofs.soak import judge

    assert row(judge(heard()), "memory")["passed"]
    assert row(judge(heard(growth=0.005)), "memory")["passed"]
    grown = row(judge(heard(growth=0.1)), "memory")
    assert not grown["passed"]
    assert grown["growth"] == pytest.approx(1.095 / 1.015 - 1, abs=2e-3)


def test_latency_that_rises_is_told():
    from proofs.soak import judge

    assert row(judge(heard(slower=1.05)), "p99")["passed"]
    assert not row(judge(heard(slower=1.2)), "p99")["passed"]


def test_violations_and_failures_fail():
    from proofs.soak import judge

    spoilt = heard()
    spoilt.rules._tell(2, "two goals")
    spoilt.failures.append("load_bundle: no")
    rows = judge(spoilt)
    assert [found["passed"] for found in rows[:2]] == [False, False]
    assert rows[0]["violations"] == ["rule 2: two goals"]


def test_a_short_one(bundle, tmp_path, monkeypatch):
    from proofs import soak_run

    monkeypatch.setattr(soak_run, "GOAL_EVERY_S", 1.0)
    monkeypatch.setattr(soak_run, "BUNDLE_EVERY_S", 2.0)
    monkeypatch.setattr(soak_run, "SIZE", (64, 48))
    found = soak_run.soak(tmp_path, str(bundle.path), 12.0, lambda count: None)
    assert found.rules.violations == []
    assert found.rules.judged > 50
    assert found.failures == []
    assert found.goals >= 5
    assert found.swaps >= 2
    assert set(found.memory_mib) == {"encoder_node", "reward_node", "monitor_node"}
