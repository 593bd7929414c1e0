# SPDX-License-Identifier: Apache-2.0
"""Whether there can be a file or a folder at a path: tried before the work whose result goes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from liv_model.errors import ConfigError


def require_file(path: Path | None, option: str) -> None:
    """Make the folder of a file to write; ConfigError if there can be none. None is no file."""
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{option} {path}", expected="a file to write", got="a folder")
    require_folder(path.parent, option)
    if path.exists():
        with _refusing(path, option, "a file to write"), path.open("ab"):
            pass


def require_folder(path: Path | None, option: str) -> None:
    """Make a folder to write into; ConfigError if there can be none. None is no folder."""
    if path is None:
        return
    with _refusing(path, option, "a folder to write into"):
        path.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()


@contextmanager
def _refusing(path: Path, option: str, expected: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{option} {path}", expected=expected, got=error.strerror) from error
