# SPDX-License-Identifier: Apache-2.0
"""In which scripts a text is written.

A small text tower has read the bytes of one script only. All of another one look alike to it, and by chance like an
instruction it knows: cosine 0.98 of an Arabic sentence to an English one. There the script says what the cosine cannot.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_NEUTRAL = ("P", "Z", "N", "C", "M", "Sm", "Sc", "Sk")  # punctuation, spaces, numbers, marks: of every script


def scripts(texts: Iterable[str]) -> frozenset[str]:
    """Names of the scripts of letters and pictograms, such as ``LATIN``, ``ARABIC``, ``CJK``; empty for digits alone.

    By the first word of each character's Unicode name, which is the script for letters.
    """
    marked = (c for text in texts for c in unicodedata.normalize("NFKC", text))
    return frozenset(_script(c) for c in marked if not unicodedata.category(c).startswith(_NEUTRAL))


def _script(character: str) -> str:
    if unicodedata.category(character) == "So":
        return "PICTOGRAM"
    return unicodedata.name(character, "UNNAMED").split()[0]
