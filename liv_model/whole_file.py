# SPDX-License-Identifier: Apache-2.0
"""Files that are replaced as a whole: a reader, a kill or a power cut sees the old content or the new, never half."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write in place of what is there, making its folder; if anything fails in it, the old one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")  # two processes may write the same file
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut leaves an empty file under the new name
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file in place of what is there; OSError if that fails, and then the old one stays."""
    with replacing(path) as file:
        file.write(content)


def replace_text(path: Path, content: str) -> None:
    """The same for text, in UTF-8."""
    replace_bytes(path, content.encode())


def replace_json(path: Path, content: Any, *, indent: int | None = 1) -> None:
    """The same for plain types, as JSON."""
    replace_text(path, json.dumps(content, indent=indent, ensure_ascii=False) + "\n")
