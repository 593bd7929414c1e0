# SPDX-License-Identifier: Apache-2.0
"""What a node that starts does about participants of Fast DDS that were killed. See ``liv_model/fast_dds_memory.py``.

It does not take a port that others still send to the dead in: it would not hear them, often for seconds, now and then
for ever. And it removes what the dead have left in memory, 34 MB each.
"""

from __future__ import annotations

import atexit
import threading
import time
from contextlib import suppress

from liv_model.fast_dds_memory import HeldPort, hold_dead_ports, locked_ports, remove_dead_segments
from liv_ros import fast_dds

_AT_MOST_S, _LOOK_EVERY_S = 10.0, 0.02
_ALL_S = 0.5  # a process that has ports and made no other for so long has them all


def bury_dead_participants() -> None:
    """Remove the segments of the dead, and hold their ports until this process has its own; before its first node."""
    if not fast_dds.is_in_use():
        return
    with suppress(OSError):  # a node starts without it, too
        remove_dead_segments()
        known = locked_ports()
        if held := hold_dead_ports():
            atexit.register(_release, held)  # a node that ends before it has ports
            known |= {one.port for one in held}
            threading.Thread(target=_release_in_time, args=(held, known), name="dead ports", daemon=True).start()


def _release_in_time(held: list[HeldPort], known: set[str]) -> None:
    """No later than needed: a sender that meets a held lock may wait for a second, and frees no memory of the dead."""
    own: set[str] = set()
    begin_s = since_s = time.monotonic()
    while (now_s := time.monotonic()) - begin_s < _AT_MOST_S and not (own and now_s - since_s > _ALL_S):
        if (found := locked_ports() - known) != own:
            own, since_s = found, now_s
        time.sleep(_LOOK_EVERY_S)
    _release(held)


def _release(held: list[HeldPort]) -> None:
    """Each of them once, whichever thread comes first."""
    with suppress(IndexError):  # no more
        while True:
            held.pop().release()
