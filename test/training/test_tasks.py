# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from liv_model.errors import DataError
from training.scene import load_simulator
from training.tasks import load_tasks, select_tasks, task

TASKS = load_tasks()


def test_all_fifty_tasks_are_there():
    assert len(TASKS) == 50


@pytest.mark.simulation
def test_the_names_are_metaworlds():
    environments, policies = load_simulator()
    assert {f"{name}-v3" for name in TASKS} == set(environments) == set(policies)


@pytest.mark.simulation
def test_tasks_share_a_scene_where_metaworld_has_one_model_for_them():
    environments, _ = load_simulator()
    models: dict[str, list[str]] = {}
    for name in TASKS:
        model = Path(environments[f"{name}-v3"].model_name.fget(None)).stem.removeprefix("sawyer_")
        models.setdefault(model, []).append(name)
    shared = {name: model for model, names in models.items() for name in names if len(names) > 1}
    assert {words.name: words.scene for words in TASKS.values() if words.scene} == shared


@pytest.mark.parametrize("words", TASKS.values(), ids=TASKS.keys())
def test_each_task_can_be_said_in_many_ways(words):
    assert len(words.paraphrases) + len(words.held_out) >= 6
    assert len(words.held_out) >= 2
    for text in (*words.training_texts, *words.held_out, words.opposite_text or words.text):
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", text), f"{text!r} is not plain lower-case words"
        assert 2 <= len(text.split()) <= 16


def test_no_text_says_two_things():
    counts = Counter(text for words in TASKS.values() for text in (*words.training_texts, *words.held_out))
    assert [text for text, count in counts.items() if count > 1] == []


def test_opposites_are_mutual():
    for words in TASKS.values():
        if words.opposite:
            assert TASKS[words.opposite].opposite == words.name
            assert words.opposite_text == TASKS[words.opposite].text


def test_an_opposite_in_words_alone_is_no_task():
    said = {text for words in TASKS.values() for text in (*words.training_texts, *words.held_out)}
    assert not [words.name for words in TASKS.values() if not words.opposite and words.opposite_text in said]


def test_training_never_sees_a_held_out_text():
    for words in TASKS.values():
        assert not set(words.training_texts) & set(words.held_out)


def test_an_unknown_task_is_named():
    with pytest.raises(DataError, match=r"expected one of assembly, .* got 'juggle'"):
        task("juggle")


def test_tasks_are_selected_in_order_and_once():
    assert [words.name for words in select_tasks(["door-open", "assembly"])] == ["door-open", "assembly"]
    assert len(select_tasks(None)) == 50
    with pytest.raises(DataError, match="each once"):
        select_tasks(["door-open", "door-open"])
    with pytest.raises(DataError, match="at least one"):
        select_tasks([])
