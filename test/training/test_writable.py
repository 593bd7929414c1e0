# SPDX-License-Identifier: Apache-2.0
"""Whether something can be written is found out by writing, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from liv_model.errors import ConfigError
from training.writable import require_file, require_folder


def test_folders_are_made_and_left_empty(tmp_path):
    require_folder(tmp_path / "a" / "b", "--pictures")
    require_file(tmp_path / "c" / "rows.jsonl", "-o")
    assert [[*(tmp_path / name).iterdir()] for name in ("a/b", "c")] == [[], []]
    require_file(None, "-o")
    require_folder(None, "-o")


def test_a_file_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "rows").write_text("a")
    require_file(tmp_path / "rows", "-o")
    assert (tmp_path / "rows").read_text() == "a"


def test_a_folder_that_is_there_and_takes_no_files_is_refused():
    for ask, path in ((require_folder, "/proc"), (require_file, "/proc/rows")):
        with pytest.raises(ConfigError, match="/proc: expected a folder to write into, got"):
            ask(Path(path), "-o")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_refused(tmp_path):
    (tmp_path / "rows").touch(0o444)
    with pytest.raises(ConfigError, match="expected a file to write, got Permission denied"):
        require_file(tmp_path / "rows", "-o")
