# SPDX-License-Identifier: Apache-2.0
"""A file is the old one or the new one."""

import json
import os

import pytest

from liv_model.whole_file import replace_json, replace_text


def test_the_folder_is_made_and_nothing_is_left_beside(tmp_path):
    path = tmp_path / "a" / "b.json"
    for content in ({"goal": "öffne die Tür"}, [1.5, None]):
        replace_json(path, content)
        assert json.loads(path.read_text(encoding="utf-8")) == content
        assert [file.name for file in path.parent.iterdir()] == ["b.json"]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    replace_text(path, "old")
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        replace_text(path, "new")
    assert path.read_text() == "old" and [file.name for file in tmp_path.iterdir()] == ["a.txt"]
