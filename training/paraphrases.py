# SPDX-License-Identifier: Apache-2.0
"""Other ways to say the instructions of a store: ``paraphrases.json`` beside its frames, which people may write too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from liv_model.errors import DataError
from liv_model.whole_file import replace_json

FILE = "paraphrases.json"
Paraphrases = dict[str, tuple[str, ...]]


def read_paraphrases(path: Path) -> Paraphrases:
    """A YAML or JSON file of lists by instruction: ``open the drawer: [pull the drawer open, slide it open]``.

    Raises:
        DataError: it cannot be read or is something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        got = error.strerror if isinstance(error, OSError) else error
        raise DataError(str(path), expected="a file of paraphrases (YAML, UTF-8)", got=got) from error
    if not isinstance(content, Mapping) or not all(_is_list_of_texts(ways) for ways in content.values()):
        raise DataError(str(path), expected="lists of texts by instruction", got=str(content)[:60])
    return {_plain(str(text)): tuple(map(_plain, ways)) for text, ways in content.items()}


def store_paraphrases(store: Path) -> Paraphrases:
    """Those of a store; none where it has no such file."""
    return read_paraphrases(store / FILE) if (store / FILE).is_file() else {}


def keep_paraphrases(store: Path, found: Paraphrases) -> None:
    """Add to those of a store; DataError if the file cannot be written."""
    merged = dict(store_paraphrases(store))
    for text, ways in found.items():
        merged[text] = tuple(dict.fromkeys([*merged.get(text, ()), *ways]))
    try:
        replace_json(store / FILE, merged)
    except OSError as error:
        raise DataError(str(store / FILE), expected="a file that can be written", got=error.strerror) from error


def _is_list_of_texts(ways: object) -> bool:
    return isinstance(ways, list) and all(isinstance(way, str) and way.split() for way in ways)


def _plain(text: str) -> str:
    return " ".join(text.split())
