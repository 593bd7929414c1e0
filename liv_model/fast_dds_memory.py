# SPDX-License-Identifier: Apache-2.0
"""What Fast DDS keeps in shared memory, and what a process that was killed leaves there.

*Segments* hold the messages that a process sends: 34 MB each with ``config/fastdds.xml``. A dead one's stay unless
somebody alive has them open. *Ports* lead to a process: files that their one reader has locked. The next process may
make a dead one's port anew, while one that lives has the old one open and sends into it, now and then for ever, so that
the next process does not hear it (eProsima/Fast-DDS#4737, #5469; Fast DDS 2.14 and 3.6). A lock file that nobody has
locked says that its port's reader died: who opens that port next removes it, also from under those who have it open.

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
_PORT = re.compile(r"/(?P<name>fast(?:rtps|dds)_port\d+)\b")
_MAPPED = re.compile(rf"^\S+ \S+ \S+ (?P<device>\S+) .*{_PORT.pattern}(?P<gone> \(deleted\))?", re.MULTILINE)
_SEGMENT = re.compile(r"fast(?:rtps|dds)_[0-9a-f]{16}")
_BEING_BORN_S = 10.0
_MADE_TO_HOLD = b"held"  # in the lock files that we make; Fast DDS never reads one
_TRIES = 3


def open_ports(processes: Path = PROCESSES, shared_memory: Path = SHARED_MEMORY) -> dict[int, dict[str, bool]]:
    """By process, the ports that it has open, and whether each is gone: its file was removed, or made anew, since.

    Those of another mount, such as another container's /dev/shm, are not ours.
    """
    found: dict[int, dict[str, bool]] = {}
    with suppress(OSError):
        number = shared_memory.stat().st_dev
        device = f"{os.major(number):02x}:{os.minor(number):02x}"
        for entry in processes.iterdir():
            with suppress(OSError, ValueError):  # it has ended, is another user's, or is no process
                found[int(entry.name)] = _ports_in((entry / "maps").read_text(errors="replace"), device)
    return found


def _ports_in(maps: str, device: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for port in _MAPPED.finditer(maps):
        if port["device"] == device:
            found[port["name"]] = found.get(port["name"], False) or bool(port["gone"])
    return found


def locked_ports(process: int | str = "self") -> set[str]:
    """The ports whose lock a process has open."""
    found: set[str] = set()
    with suppress(OSError):
        for link in (PROCESSES / str(process) / "fd").iterdir():
            with suppress(OSError):  # closed since
                target = os.readlink(link)
                if target.endswith(LOCK) and (port := _PORT.search(target.removesuffix(LOCK))):
                    found.add(port["name"])
    return found


@dataclass(frozen=True)
class HeldPort:
    """A share in the lock of a port that is nobody's; Fast DDS passes over the port while anybody holds it.

    Attributes:
        port: its name.
        lock: the file.
        descriptor: of the file.
    """

    port: str
    lock: Path
    descriptor: int

    def release(self) -> None:
        """Let others have the port. The last of those who hold it removes a file that was made for this."""
        with suppress(OSError):  # it is not the last, or the file is another user's
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _has_its_name(self.descriptor) and os.pread(self.descriptor, len(_MADE_TO_HOLD), 0) == _MADE_TO_HOLD:
                self.lock.unlink()
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)  # a child of a fork has the descriptor too
        os.close(self.descriptor)


def hold_dead_ports(shared_memory: Path = SHARED_MEMORY, processes: Path = PROCESSES) -> list[HeldPort]:
    """Hold the ports that a process has open and that have no reader. Others may hold them at the same time."""
    known = open_ports(processes, shared_memory).values()
    gone = {port for ports in known for port in ports if ports[port]}
    sent_into = sorted({port for ports in known for port in ports})
    return [held for port in sent_into if (held := _hold(shared_memory, port, port in gone))]


def _hold(shared_memory: Path, port: str, is_gone: bool) -> HeldPort | None:
    """A port without a lock was made by those who send, for whoever comes: it will do, unless it is gone."""
    lock = shared_memory / f"{port}{LOCK}"
    for _ in range(_TRIES):  # the last of others who held it may remove it at this moment
        if is_gone:
            with suppress(OSError), lock.open("xb") as file:
                file.write(_MADE_TO_HOLD)
        if (descriptor := _locked(lock, fcntl.LOCK_SH)) is not None:
            return HeldPort(port, lock, descriptor)
    return None


def _locked(lock: Path, kind: int) -> int | None:
    """A descriptor that holds the lock; None where another one does, it is gone, or may not be opened."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        if _has_its_name(descriptor):
            return descriptor
    os.close(descriptor)
    return None


def _has_its_name(descriptor: int) -> bool:
    """Whether the file has not been removed since it was opened."""
    return os.fstat(descriptor).st_nlink > 0


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
