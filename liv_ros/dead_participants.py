# SPDX-License-Identifier: Apache-2.0
"""What a node that starts does about participants of Fast DDS that were killed. See ``liv_model/fast_dds_memory.py``.

It does not take the port that others still send to its dead self: it would hear nothing from them, often for seconds,
now and then for ever. And it removes what the dead have left in memory, 34 MB each.
"""

from __future__ import annotations

import os
import threading
import time

import rclpy

from liv_model.fast_dds_memory import hold_dead_ports, own_ports, remove_dead_segments

_AT_MOST_S, _LOOK_EVERY_S = 10.0, 0.02
_ALL_S = 0.5  # from the first of a process's ports to the last, at most


def bury_dead_participants() -> None:
    """Remove the segments of the dead, and hold their ports until this process has its own; before its first node."""
    if "fastrtps" not in rclpy.get_rmw_implementation_identifier():
        return
    remove_dead_segments()
    if held := hold_dead_ports():
        threading.Thread(target=_release_in_time, args=(held,), name="dead ports", daemon=True).start()


def _release_in_time(held: dict[str, int]) -> None:
    """A sender that meets a held lock may wait for a second, so they are held no longer than needed."""
    end_s = time.monotonic() + _AT_MOST_S
    while time.monotonic() < end_s and own_ports() <= held.keys():
        time.sleep(_LOOK_EVERY_S)
    time.sleep(_ALL_S)
    for descriptor in held.values():
        os.close(descriptor)
