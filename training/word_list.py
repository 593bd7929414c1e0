# SPDX-License-Identifier: Apache-2.0
"""Several names in one word of a command line."""

from __future__ import annotations


def word_list(text: str) -> list[str]:
    """``drawer-open, door-close`` as its names, without spaces and without empty ones."""
    return [word.strip() for word in text.split(",") if word.strip()]
