# SPDX-License-Identifier: Apache-2.0
"""Fewer frames than a camera sends, evenly spread over time."""

from __future__ import annotations

_NANOSECONDS = 1_000_000_000


class RateLimit:
    """Says of each stamp whether its frame is due.

    Over time ``max_hz`` frames per second are due, whatever the rate they come at; of a camera that is slower, all.

    Attributes:
        max_hz: most frames per second; 0 = no limit. May be changed at any time.
    """

    def __init__(self, max_hz: float):
        self.max_hz = max_hz
        self._last_ns, self._due_ns = 0, -(10**30)

    def is_due(self, stamp_ns: int) -> bool:
        """Whether the frame of this stamp is to be taken. Time that steps back begins anew."""
        if not self.max_hz:
            return True
        period_ns = round(_NANOSECONDS / self.max_hz)
        if stamp_ns < self._last_ns or stamp_ns - self._due_ns >= period_ns:
            self._due_ns = stamp_ns
        self._last_ns = stamp_ns
        if stamp_ns < self._due_ns:
            return False
        # from when it was due, not from when it came: otherwise 20 Hz of 30 Hz would be 15 Hz
        self._due_ns += period_ns
        return True
