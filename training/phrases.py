# SPDX-License-Identifier: Apache-2.0
"""Many more ways to say each task, written as patterns: what a text tower of our own learns English from.

A tower that has read five sentences of a task takes a sixth for something else. ``phrases.yaml`` beside this file has
patterns such as ``(pull|slide) open the (drawer|desk drawer)``; it was written without sight of the held-out ways
to say the tasks (tasks.yaml), and what it should happen to share with them is left out of training.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from pathlib import Path

import yaml

from training.tasks import load_tasks

TABLE = Path(__file__).with_name("phrases.yaml")
_CHOICE = re.compile(r"\(([^()]*)\)")


def expand(pattern: str) -> list[str]:
    """All sentences of a pattern: ``(a|b) c`` is ``a c`` and ``b c``; an alternative may be empty."""
    parts = _CHOICE.split(pattern)  # text, choice, text, choice, ..., text
    choices = [part.split("|") if place % 2 else [part] for place, part in enumerate(parts)]
    return [" ".join("".join(words).split()) for words in product(*choices)]


@cache
def load_phrases() -> dict[str, tuple[str, ...]]:
    """Task to the sentences of its patterns, in their order, without any that tasks.yaml has."""
    written = {text for words in load_tasks().values() for text in (*words.training_texts, *words.held_out)}
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {
        task: tuple(dict.fromkeys(text for pattern in patterns for text in expand(pattern) if text not in written))
        for task, patterns in table.items()
    }
