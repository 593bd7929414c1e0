# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C that waits for the end of the step."""

from __future__ import annotations

import signal
import time

# A launcher may pass on the Ctrl-C that the terminal has sent to everyone already.
_SAME_REQUEST_S = 1.0


class StopRequest:
    """Turns the first Ctrl-C or SIGTERM into ``wanted`` (so that a step is never cut); a later one interrupts."""

    def __init__(self) -> None:
        self.wanted = False
        self._since = 0.0

    def __enter__(self) -> StopRequest:
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        if self.wanted and time.monotonic() - self._since > _SAME_REQUEST_S:
            raise KeyboardInterrupt
        if not self.wanted:
            self.wanted, self._since = True, time.monotonic()
