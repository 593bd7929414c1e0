# SPDX-License-Identifier: Apache-2.0
import math
import threading

import pytest

from liv_model.rates import GapMeter, LatencyMeter, RateMeter

MS = 1_000_000
SECOND = 1_000_000_000


class ClockDouble:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return ClockDouble()


@pytest.mark.parametrize("hz", [0.5, 5, 30, 1000])
@pytest.mark.parametrize("seconds", [3, 60])
def test_the_rate_of_a_steady_stream(clock, hz, seconds):
    meter = RateMeter(clock)
    for _ in range(round(hz * seconds) + 1):
        clock.now_s += 1 / hz
        meter.add()
    assert meter.per_s() == pytest.approx(hz, rel=0.01)


def test_a_stream_that_ends_falls_to_nothing(clock):
    meter = RateMeter(clock)
    assert meter.per_s() == 0.0
    for _ in range(100):
        clock.now_s += 0.1
        meter.add()
    rates = []
    for _ in range(6):
        clock.now_s += 1.0
        rates.append(meter.per_s())
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0


def test_events_are_counted_from_many_threads():
    meter = RateMeter(lambda: 1.0)
    threads = [threading.Thread(target=lambda: [meter.add() or meter.per_s() for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(meter._at_s) == 4000


def test_latency_is_told_in_percentiles(clock):
    meter = LatencyMeter(clock)
    for i in range(100):
        meter.add(i * SECOND, i * SECOND + (i + 1) * MS)
    told = meter.told()
    assert told["latency p50 (ms)"] == pytest.approx(50.5)
    assert told["latency p99 (ms)"] == pytest.approx(99.01)
    assert told["latency problem"] == ""


def test_no_pictures_no_latency(clock):
    meter = LatencyMeter(clock)
    meter.add(0, MS)
    clock.now_s += 11
    told = meter.told()
    assert math.isnan(told["latency p50 (ms)"])
    assert told["latency problem"] == ""


@pytest.mark.parametrize(
    ("latency_ns", "problem"),
    [
        (-3 * MS, "1 of 11 stamps lie in the future, by up to 3.0 ms; synchronise"),
        (-90 * SECOND, "in the future, by up to 90.0 s"),
        (11 * SECOND, "1 of 11 stamps are old on arrival, by up to 11.0 s; a recording"),
        (40 * 86400 * SECOND, "by up to 40.0 days"),
    ],
)
def test_clocks_that_disagree_are_said_and_no_figures_are_shown(clock, latency_ns, problem):
    meter = LatencyMeter(clock)
    for latency in [5 * MS] * 10 + [latency_ns]:
        meter.add(100 * SECOND, 100 * SECOND + latency)
    told = meter.told()
    assert math.isnan(told["latency p50 (ms)"])
    assert math.isnan(told["latency p99 (ms)"])
    assert problem in told["latency problem"]
    clock.now_s += 10.1  # they agree again
    meter.add(0, 5 * MS)
    assert meter.told()["latency p50 (ms)"] == 5.0


def fed(stamps_ms):
    meter = GapMeter()
    for stamp in stamps_ms:
        meter.add(round(stamp * MS))
    return meter.missing


def test_missing_pictures_are_suspected_by_the_stamps():
    stamps = [i * 33.3 for i in range(60)]
    assert fed(stamps) == 0
    assert fed([s for i, s in enumerate(stamps) if i not in (20, 40, 41)]) == 3
    assert fed([s for i, s in enumerate(stamps) if i not in (3,)]) == 0  # too early to know what is usual


def test_jitter_pauses_and_steps_back_are_no_losses():
    jittery = [i * 33.3 + (i % 3) * 4 for i in range(60)]
    assert fed(jittery) == 0
    assert fed([*jittery, jittery[-1] + 5000, jittery[-1] + 5033]) == 0
    assert fed([*jittery, *jittery]) == 0
    assert fed([*jittery, jittery[-1], jittery[-1]]) == 0
