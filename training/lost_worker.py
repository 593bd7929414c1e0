# SPDX-License-Identifier: Apache-2.0
"""A worker process that is killed, most often for memory: an error a person can mend."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from liv_model.errors import DataError


@contextmanager
def workers_that_live(what: str) -> Iterator[None]:
    """While workers do ``what``; DataError if one is killed."""
    try:
        yield
    except BrokenProcessPool as error:
        raise DataError(
            what, expected="workers that live", got="one that was killed", remedy="try fewer --workers"
        ) from error
