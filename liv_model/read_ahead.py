# SPDX-License-Identifier: Apache-2.0
"""Reading while the reader is busy with what was read before: decoding overlaps with encoding."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
AHEAD = 4  # a decoded 1080p frame takes 6 MB
_END = object()


def read_ahead(items: Iterable[Item], ahead: int = AHEAD) -> Generator[Item, None, None]:
    """Yield ``items`` in their order, while a thread of its own gets up to ``ahead`` further ones.

    What getting an item raises is raised here, in its place. When the generator is closed or interrupted, the item
    under way is waited for, nothing further is got, and ``items`` is closed if it can be.

    Args:
        items: got on the other thread, one at a time.
        ahead: how many may wait; at least 1.
    """
    iterator = iter(items)
    executor = ThreadPoolExecutor(1, thread_name_prefix="liv_read_ahead")
    coming = deque(executor.submit(next, iterator, _END) for _ in range(ahead))
    try:
        while (item := coming.popleft().result()) is not _END:
            coming.append(executor.submit(next, iterator, _END))
            yield item
    finally:
        executor.shutdown(cancel_futures=True)
        if hasattr(iterator, "close"):
            iterator.close()
