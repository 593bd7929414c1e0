# SPDX-License-Identifier: Apache-2.0
"""What Fast DDS keeps in shared memory, and what a process that was killed leaves there.

*Segments* hold the messages that a process sends: 34 MB each with ``config/fastdds.xml``. A dead one's stay unless
somebody alive has them open. *Ports* lead to a process: files that their one reader has locked. The next process may
make a dead one's port anew, while one that lives has the old one open and sends into it, now and then for ever, so that
the next process does not hear it (eProsima/Fast-DDS#4737, #5469; Fast DDS 2.14 and 3.6).

Nothing is known of processes that cannot be looked into: another user's, another container's without ``--pid=host``.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY, PROCESSES = Path("/dev/shm"), Path("/proc")
LOCK = "_el"  # after a name: the file that its owner has locked
_PORT = re.compile(r"/(fast(?:rtps|dds)_port\d+)\b(?P<gone> \(deleted\))?")
_SEGMENT = re.compile(r"fast(?:rtps|dds)_[0-9a-f]{16}")
_BEING_BORN_S = 10.0


def open_ports(processes: Path = PROCESSES) -> dict[int, dict[str, bool]]:
    """By process, the ports that it has open, and whether each is gone: its file was removed, or made anew, since."""
    found: dict[int, dict[str, bool]] = {}
    with suppress(OSError):
        for entry in processes.iterdir():
            with suppress(OSError, ValueError):  # it has ended, is another user's, or is no process
                found[int(entry.name)] = _ports_in((entry / "maps").read_text(errors="replace"))
    return found


def _ports_in(maps: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for port in _PORT.finditer(maps):
        found[port[1]] = found.get(port[1], False) or bool(port["gone"])
    return found


def locked_ports(process: int | str = "self") -> set[str]:
    """The ports whose lock a process has open."""
    found: set[str] = set()
    with suppress(OSError):
        for link in (PROCESSES / str(process) / "fd").iterdir():
            with suppress(OSError):  # closed since
                target = os.readlink(link)
                if target.endswith(LOCK) and (port := _PORT.search(target.removesuffix(LOCK))):
                    found.add(port[1])
    return found


@dataclass(frozen=True)
class HeldPort:
    """The lock of a port that is nobody's; Fast DDS passes over the port while it is held.

    Attributes:
        port: its name.
        lock: the file.
        descriptor: of the file.
        is_ours: whether the file was made for this.
    """

    port: str
    lock: Path
    descriptor: int
    is_ours: bool

    def release(self) -> None:
        """Let others have the port."""
        if self.is_ours:
            self.lock.unlink(missing_ok=True)
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)  # a child of a fork has the descriptor too
        os.close(self.descriptor)


def hold_dead_ports(shared_memory: Path = SHARED_MEMORY, processes: Path = PROCESSES) -> list[HeldPort]:
    """Hold the ports that a process has open and that have no reader. Others may hold them at the same time."""
    known = open_ports(processes).values()
    gone = {port for ports in known for port in ports if ports[port]}
    sent_into = sorted({port for ports in known for port in ports})
    return [held for port in sent_into if (held := _hold(shared_memory, port, port in gone))]


def _hold(shared_memory: Path, port: str, is_gone: bool) -> HeldPort | None:
    """A port without a lock was made by those who send, for whoever comes: it will do, unless it is gone."""
    lock = shared_memory / f"{port}{LOCK}"
    is_ours = is_gone and not lock.exists()
    descriptor = _locked(lock, fcntl.LOCK_SH, os.O_CREAT if is_ours else 0)
    return None if descriptor is None else HeldPort(port, lock, descriptor, is_ours)


def _locked(lock: Path, kind: int, flags: int = 0) -> int | None:
    """A descriptor that holds the lock; None where another one does, it is gone, or may not be opened."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | flags, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def remove_dead_segments(shared_memory: Path = SHARED_MEMORY) -> None:
    """Remove the segments whose owner began some seconds ago and has died. Who has one open may read on in it."""
    for lock in shared_memory.glob(f"fast*{LOCK}"):
        segment = lock.with_name(lock.name.removesuffix(LOCK))
        with suppress(OSError):  # gone, or another user's
            if not _SEGMENT.fullmatch(segment.name) or time.time() - lock.stat().st_mtime < _BEING_BORN_S:
                continue
            if (descriptor := _locked(lock, fcntl.LOCK_EX)) is None:
                continue
            try:
                segment.unlink(missing_ok=True)
                lock.unlink()
            finally:
                os.close(descriptor)
