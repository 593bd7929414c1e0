# SPDX-License-Identifier: Apache-2.0
"""Where engines are kept, so that each is built once: one folder per engine in the user's cache.

``engine.json`` says in words what an engine is and what its files must be. A folder appears under its name whole
(built beside it, then renamed), its files are compared with their sums before they are taken, and a lock file that
the kernel lets go of when its owner dies keeps two processes from building the same.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from liv_model.bundle import sha256
from liv_model.engines.engine import Engine
from liv_model.errors import BackendError, BundleError
from liv_model.folders import cache_folder

FORMAT = 2  # of engine.json and of what is built; another number and every engine is built anew
ABOUT = "engine.json"
Report = Callable[[str, float], None]  # what is being done, and the share of it that is done, 0 to 1
_TELL_EVERY_S, _ASK_EVERY_S = 2.0, 0.1
_DRAFT = ".draft-"

_log = logging.getLogger(__name__)


class EngineCache:
    """The folders of engines: that of the user's cache, and another one for when it cannot be written to.

    Args:
        folders: looked into in this order; the first that can be written to takes what is built. By default
            ``engines`` in the user's cache, then a folder of this user's in the system's temporary one.
    """

    def __init__(self, folders: tuple[Path, ...] = ()):
        self._folders = folders or (cache_folder() / "engines", _temporary())

    def entries(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Every engine's folder and what its ``engine.json`` says; what cannot be read is left out."""
        for root in self._folders:
            if not _is_ours(root):
                continue
            for file in sorted(root.glob(f"[!.]*/{ABOUT}")):
                about = _read(file)
                if about.get("format") == FORMAT:
                    yield file.parent, about

    def writable(self) -> Path:
        """The first folder that can be written to; says so in the log where it is not the first.

        Raises:
            BackendError: none can.
        """
        tried = []
        for root in self._folders:
            if (problem := _try_to_write(root)) is None:
                if tried:
                    _log.warning(
                        "engines cannot be kept in %s; taking %s, which may not outlast a restart of the machine "
                        "(mend it, or set XDG_CACHE_HOME to a folder that can be written to)",
                        "; ".join(tried),
                        root,
                    )
                return root
            tried.append(f"{root} ({problem})")
        raise BackendError(
            "engine cache",
            expected="a folder that can be written to",
            got="; ".join(tried),
            remedy="set XDG_CACHE_HOME to one",
        )


@contextmanager
def locked(folder: Path, report: Report) -> Iterator[None]:
    """Hold the lock of an engine's folder, from before it exists; another process that asks waits, and says so."""
    told_s = -math.inf
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        while not _take(lock):
            if time.monotonic() - told_s >= _TELL_EVERY_S:
                told_s = time.monotonic()
                report("waiting for another process that builds this engine", 0.0)
            time.sleep(_ASK_EVERY_S)
        yield  # closing the file lets go of it


@contextmanager
def draft(folder: Path) -> Iterator[Path]:
    """A folder to build in, beside the engine's own; gone at the end, whatever happened. Needs the lock.

    What a killed process left is cleared away.
    """
    for left in folder.parent.glob(f"{_DRAFT}{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{_DRAFT}{folder.name}-", dir=folder.parent))
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def publish(new: Path, folder: Path, about: dict[str, Any]) -> None:
    """Describe what was built in a draft and give it its name, in place of what has it. Needs the lock."""
    files = {file.name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for file in sorted(new.iterdir())}
    text = json.dumps({"format": FORMAT, **about, "files": files}, indent=2) + "\n"
    with (new / ABOUT).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(0o755)
    remove(folder)
    new.rename(folder)


def remove(engine: Engine | Path) -> None:
    """Delete an engine and all that is kept beside it; nothing happens where there is none."""
    folder = engine if isinstance(engine, Path) else engine.folder
    if not folder.is_dir():
        return
    old = Path(tempfile.mkdtemp(prefix=f"{_DRAFT}{folder.name}-", dir=folder.parent))
    folder.rename(old / "engine")  # at once, so that nobody reads a half of it
    shutil.rmtree(old, ignore_errors=True)


def is_whole(folder: Path, about: dict[str, Any]) -> bool:
    """Whether an engine's files are what ``engine.json`` says; a log line names the one that is not."""
    for name, expected in about["files"].items():
        file = folder / name
        try:
            size, found = file.stat().st_size, sha256(file)
        except (OSError, BundleError):
            _log.warning("engine %s: %s cannot be read; it is built anew", folder.name, file)
            return False
        if (size, found) != (expected["bytes"], expected["sha256"]):
            _log.warning(
                "engine %s: %s: expected %d bytes with sum %s, got %d with %s; it is built anew",
                folder.name,
                file,
                expected["bytes"],
                expected["sha256"][:12],
                size,
                found[:12],
            )
            return False
    return True


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: Path) -> dict[str, Any]:
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"liv_ros-engines-{os.getuid()}"


def _is_ours(root: Path) -> bool:
    """Whether nobody else can have put engines there: they are code that this process will run."""
    try:
        found = root.stat()
    except OSError:
        return False
    return found.st_uid in (os.getuid(), 0) and not found.st_mode & stat.S_IWOTH


def _try_to_write(root: Path) -> str | None:
    """Make a folder and write into it; returns why that cannot be done."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return error.strerror or str(error)
    return None if _is_ours(root) else "another user can write to it"
