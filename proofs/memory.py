# SPDX-License-Identifier: Apache-2.0
"""Memory of processes (Linux)."""

from __future__ import annotations

import resource
from pathlib import Path


def private_mib(pid: int | str = "self") -> float:
    """Resident memory that is the process's alone, MiB: without files and shared memory that are mapped."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no RssAnon in /proc/{pid}/status")


def peak_mib() -> float:
    """The most that was ever resident of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
