# SPDX-License-Identifier: Apache-2.0
"""What a node that starts does about participants of Fast DDS that were killed. See ``liv_model/fast_dds_memory.py``.

It does not take a port that others still send to the dead in: it would not hear them, often for seconds, now and then
for ever. And it removes what the dead have left in memory, 34 MB each.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from liv_model.fast_dds_memory import HeldPort, hold_dead_ports, locked_ports, remove_dead_segments
from liv_ros import fast_dds

_AT_MOST_S, _LOOK_EVERY_S = 10.0, 0.02
_ALL_S = 0.5  # from the first of a process's ports to the last, at most


def bury_dead_participants() -> None:
    """Remove the segments of the dead, and hold their ports until this process has its own; before its first node."""
    if not fast_dds.is_in_use():
        return
    with suppress(OSError):  # a node starts without it, too
        remove_dead_segments()
        known = locked_ports()
        if held := hold_dead_ports():
            known |= {one.port for one in held}
            threading.Thread(target=_release_in_time, args=(held, known), name="dead ports", daemon=True).start()


def _release_in_time(held: list[HeldPort], known: set[str]) -> None:
    """No later than needed: a sender that meets a held lock may wait for a second, and frees no memory of the dead."""
    end_s = time.monotonic() + _AT_MOST_S
    while time.monotonic() < end_s and locked_ports() <= known:
        time.sleep(_LOOK_EVERY_S)
    time.sleep(_ALL_S)
    for one in held:
        with suppress(OSError):
            one.release()
