# SPDX-License-Identifier: Apache-2.0
"""What Fast DDS keeps in shared memory, and what a process that was killed leaves there.

*Segments* hold the messages that a process sends: 34 MB each with ``config/fastdds.xml``. *Ports* lead to a process:
files that their one reader has locked. Nobody removes the segments of the dead. The next process may make a port of the
same number anew, while one that lives has the old one open and sends into it for ever, so that it is not heard
(eProsima/Fast-DDS#4737, #5469; Fast DDS 2.14 and 3.6).
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SHARED_MEMORY, PROCESSES = Path("/dev/shm"), Path("/proc")
LOCK = "_el"  # after a name: the file that its owner has locked
_PORT = re.compile(r"/(fast(?:rtps|dds)_port\d+)\b(?P<gone> \(deleted\))?")
_SEGMENT = re.compile(r"fast(?:rtps|dds)_[0-9a-f]{16}")
_BEING_BORN_S = 10.0


def open_ports(processes: Path = PROCESSES) -> dict[int, dict[str, bool]]:
    """By process, the ports that it has open, and whether each is gone: its file was removed, or made anew, since.

    Nothing of processes that cannot be looked into, such as another user's.
    """
    found: dict[int, dict[str, bool]] = {}
    for maps in processes.glob("[0-9]*/maps"):
        with suppress(OSError):  # it has ended, or is another user's
            ports = _PORT.finditer(maps.read_text(errors="replace"))
            found[int(maps.parent.name)] = {port[1]: bool(port["gone"]) for port in ports}
    return found


def own_ports(process: int | str = "self") -> set[str]:
    """The ports whose lock a process has open."""
    found: set[str] = set()
    for link in (PROCESSES / str(process) / "fd").iterdir():
        with suppress(OSError):  # closed since
            target = Path(os.readlink(link))
            if target.name.endswith(LOCK) and _PORT.match(f"/{target.name.removesuffix(LOCK)}"):
                found.add(target.name.removesuffix(LOCK))
    return found


def hold_dead_ports(shared_memory: Path = SHARED_MEMORY, processes: Path = PROCESSES) -> dict[str, int]:
    """Lock the ports without a reader that a process has open; returns the descriptors of the locks, by port.

    Fast DDS passes over a port whose lock is held. The lock is a shared one: others may hold it too.
    """
    held = {lock.name.removesuffix(LOCK): descriptor for lock, descriptor in _lock_where_no_reader(shared_memory)}
    if held:
        sent_to = {port for ports in open_ports(processes).values() for port in ports}
        for port in held.keys() - sent_to:
            os.close(held.pop(port))
    return held


def _lock_where_no_reader(shared_memory: Path) -> Iterator[tuple[Path, int]]:
    for lock in shared_memory.glob(f"fast*_port*{LOCK}"):
        if (descriptor := _locked(lock, fcntl.LOCK_SH)) is not None:
            yield lock, descriptor


def _locked(lock: Path, kind: int) -> int | None:
    """A descriptor that holds the lock; None where another one does, it is gone, or another user's."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def remove_dead_segments(shared_memory: Path = SHARED_MEMORY) -> int:
    """Remove the segments whose owner has died, as ``fastdds shm clean`` does; returns how many bytes that were.

    Who has one open may read on in it.
    """
    removed = 0
    for lock in shared_memory.glob(f"fast*{LOCK}"):
        segment = lock.with_name(lock.name.removesuffix(LOCK))
        with suppress(OSError):  # gone, or another user's
            born_s = lock.stat().st_mtime
            if not _SEGMENT.fullmatch(segment.name) or time.time() - born_s < _BEING_BORN_S:
                continue
            if (descriptor := _locked(lock, fcntl.LOCK_EX)) is None:
                continue
            try:
                removed += segment.stat().st_blocks * 512 if segment.exists() else 0
                segment.unlink(missing_ok=True)
                lock.unlink()
            finally:
                os.close(descriptor)
    return removed
