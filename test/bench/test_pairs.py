# SPDX-License-Identifier: Apache-2.0
import pytest

from bench.pairs import digits, in_turns, ratios, spread


def test_the_sides_take_turns_in_who_begins():
    calls = []
    sides = {name: lambda name=name: calls.append(name) or len(calls) for name in "ABC"}
    rounds = list(in_turns(sides, 4))
    assert "".join(calls) == "ABCBCACABABC"
    assert rounds[1] == {"A": 6, "B": 4, "C": 5}  # by side, whoever began
    assert [list(whole) for whole in rounds] == [["A", "B", "C"]] * 4


def test_what_was_whole_before_an_interruption_was_given_out():
    def interrupted():
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return 1

    rounds = []
    with pytest.raises(KeyboardInterrupt):
        for whole in in_turns({"A": lambda: 0, "B": interrupted}, 9):
            rounds.append(whole)
    assert rounds == [{"A": 0, "B": 1}] * 2


def test_a_spread_is_median_and_tenths():
    assert spread(range(101)) == {"n": 101, "median": 50.0, "p10": 10.0, "p90": 90.0}
    assert spread([7.0]) == {"n": 1, "median": 7.0, "p10": 7.0, "p90": 7.0}


def test_ratios_are_taken_pair_by_pair():
    # a machine that slows down by ten: the ratio of the medians would be 2 / 11, that of the pairs is 1 / 2
    ours, theirs = [1, 1, 1, 10, 10], [2, 2, 2, 20, 20]
    assert ratios(ours, theirs) == {"n": 5, "median": 0.5, "p10": 0.5, "p90": 0.5}
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


def test_four_digits():
    assert [digits(x) for x in (1234567.0, 0.000123456, 12.0)] == [1235000.0, 0.0001235, 12.0]
