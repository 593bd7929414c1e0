# SPDX-License-Identifier: Apache-2.0
"""Texts that no episode is about: what a model has to tell from the instructions it learns.

Without them a text tower that has only ever read a dozen instructions puts every sentence near one of them, and
an unfamiliar goal looks familiar. They enter InfoNCE as further wrong texts for every picture.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from itertools import product

from training.tasks import load_tasks

_VERBS = (
    "wash", "cut", "fetch", "bring me", "eat", "dry", "fill", "shake", "throw away", "find", "count", "look at",
    "hold", "lift", "move", "open", "close", "push", "pull", "press", "turn", "pick up", "put down", "clean",
)  # fmt: skip
# No task of Meta-World handles one of these, and none is in training.calibrate.UNRELATED, which has to stay unseen.
_OBJECTS = (
    "apple", "bread", "bottle", "spoon", "fork", "knife", "bucket", "chair", "sofa", "lamp", "carpet", "curtain",
    "shoe", "sock", "coat", "key", "pen", "book", "clock", "camera", "computer", "screen", "keyboard", "suitcase",
    "umbrella", "bicycle", "car", "tree", "stone", "dog", "baby", "egg", "cheese", "salad", "soup", "rice", "pot",
    "pan", "toaster", "kettle", "vacuum cleaner", "ladder", "rope", "toy train", "guitar", "letter", "pillow",
)  # fmt: skip
_OTHER = (
    "go to the kitchen", "stop", "wait for me", "say hello", "follow the person", "where are you", "good morning",
    "what time is it", "tell me a story", "be careful", "do nothing", "come here", "play some music", "never mind",
    "sit down", "jump", "turn around", "explore the room", "one two three", "the quick brown fox", "abc", "asdf",
)  # fmt: skip


@cache
def everyday() -> tuple[str, ...]:
    """Sentences about other things, the same every time."""
    return (*(f"{verb} the {thing}" for verb, thing in product(_VERBS, _OBJECTS)), *_OTHER)


def undone(tasks: Collection[str]) -> tuple[str, ...]:
    """What undoes these tasks, where no task among them is about it: near, and yet wrong, sorted."""
    table = load_tasks()
    words = [table[name] for name in tasks if name in table]
    return tuple(sorted({w.opposite_text for w in words if w.opposite_text and w.opposite not in tasks}))
