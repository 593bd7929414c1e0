# SPDX-License-Identifier: Apache-2.0
"""Patterns of sentences: what they expand to, and that no sentence means two tasks or is one that is held out."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from training.distractors import everyday
from training.phrases import expand, load_phrases
from training.tasks import load_tasks


@pytest.mark.parametrize(
    ("pattern", "sentences"),
    [
        ("close it", ["close it"]),
        ("(shut|close) the (door|lid)", ["shut the door", "shut the lid", "close the door", "close the lid"]),
        ("shut it (all the way|)", ["shut it all the way", "shut it"]),
    ],
)
def test_a_pattern_is_a_sentence_for_each_choice(pattern, sentences):
    assert expand(pattern) == sentences


def test_every_task_can_be_said_in_many_more_ways():
    assert load_phrases().keys() == load_tasks().keys()
    for task, phrases in load_phrases().items():
        assert len(phrases) >= 60, task
        for text in phrases:
            assert re.fullmatch(r"[a-z]+( [a-z]+)*", text), f"{task}: {text!r} is not plain lower-case words"
            assert 2 <= len(text.split()) <= 14


def test_no_phrase_says_two_things_or_what_is_held_out():
    counts = Counter(text for phrases in load_phrases().values() for text in phrases)
    assert [text for text, count in counts.items() if count > 1] == []
    tasks = load_tasks().values()
    written = {text for words in tasks for text in (*words.training_texts, *words.held_out, words.opposite_text)}
    assert not counts.keys() & written
    assert not counts.keys() & set(everyday())
