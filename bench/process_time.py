# SPDX-License-Identifier: Apache-2.0
"""How much processor time processes have taken."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of all threads of these processes so far, in user and kernel (Linux, in steps of 10 ms a process)."""
    ticks = sum(_ticks(Path(f"/proc/{pid}/stat").read_text()) for pid in pids)
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(stat: str) -> int:
    """utime + stime of a line of /proc/<pid>/stat; the name in brackets may hold anything."""
    fields = stat[stat.rindex(")") + 1 :].split()
    return int(fields[11]) + int(fields[12])
