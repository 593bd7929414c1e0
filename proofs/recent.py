# SPDX-License-Identifier: Apache-2.0
"""What was heard of late, by a key; the oldest is forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Recent(Generic[Item]):
    """Items by key, at most ``size`` of them in all."""

    def __init__(self, size: int):
        self._size = size
        self._by_key: dict[Hashable, list[Item]] = {}
        self._order: deque[Hashable] = deque()

    def add(self, key: Hashable, item: Item) -> None:
        """The next item."""
        self._by_key.setdefault(key, []).append(item)
        self._order.append(key)
        if len(self._order) > self._size:
            self._forget(self._order.popleft())

    def of(self, key: Hashable) -> list[Item]:
        """The items of a key, oldest first."""
        return self._by_key.get(key, [])

    def _forget(self, key: Hashable) -> None:
        items = self._by_key[key]
        del items[0]
        if not items:
            del self._by_key[key]
