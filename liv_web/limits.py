# SPDX-License-Identifier: Apache-2.0
"""How much may be asked, so that no page, and no stranger, keeps the machine from its work."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

LARGEST_PICTURE = 8 * 2**20  # bytes of a body
LARGEST_BODY = 2**17
BODY_WITHIN_S = 20.0
REQUESTS_PER_S, REQUESTS_AT_ONCE = 100.0, 200.0
CHANGES_PER_S, CHANGES_AT_ONCE = 10.0, 30.0  # POST
WRONG_TOKENS_PER_S, WRONG_TOKENS_AT_ONCE = 0.2, 10.0
MOST_EVENT_SOCKETS = 100
MOST_CAMERA_SOCKETS = 100
_MOST_CLIENTS = 1000


class Budget:
    """So many at once, and then so many a second, for each client. Belongs to the loop.

    Args:
        per_s: that are given back.
        at_once: most that a client has.
        clock: seconds, steady.
    """

    def __init__(self, per_s: float, at_once: float, clock: Callable[[], float] = time.monotonic):
        self._per_s, self._at_once, self._clock = per_s, at_once, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # by client: how many, and when that was

    def take(self, client: str) -> bool:
        """Take one; whether there was one."""
        left = self.left(client)
        self._left[client] = (left - 1 if left >= 1 else left, self._clock())
        self._left.move_to_end(client)
        while len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return left >= 1

    def left(self, client: str) -> float:
        """How many a client has."""
        left, when = self._left.get(client, (self._at_once, self._clock()))
        return min(self._at_once, left + (self._clock() - when) * self._per_s)


def largest_body(path: str) -> int:
    """Most bytes of a request to a path."""
    return LARGEST_PICTURE if path.endswith("/api/goal/image") else LARGEST_BODY
