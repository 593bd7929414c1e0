# SPDX-License-Identifier: Apache-2.0
"""Worker processes that a person can stop: Ctrl-C ends the work, and a worker that is killed is an error to mend."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from liv_model.errors import DataError

T = TypeVar("T")
_LOOK_S = 0.2  # between two looks at whether Ctrl-C was pressed


class WorkerPool:
    """Processes that work is handed to; made by :func:`worker_pool`.

    Ctrl-C is seen at a moment of our choosing: raised anywhere inside a process pool, it can leave it hanging.
    """

    def __init__(self, executor: ProcessPoolExecutor):
        self._executor, self._is_interrupted = executor, False

    def interrupt(self, *_: object) -> None:
        """Have the next wait raise KeyboardInterrupt; a signal handler."""
        self._is_interrupted = True

    def submit(self, function: Callable[..., T], *args: object) -> Future[T]:
        """Have a worker call a function of a module; the first calls start the workers.

        They never see Ctrl-C, which a terminal sends to all; this process sees to it.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._executor.submit(function, *args)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self, futures: Collection[Future[T]]) -> set[Future[T]]:
        """Those that are done, one at least; KeyboardInterrupt if Ctrl-C was pressed."""
        done: set[Future[T]] = set()
        while not done:
            if self._is_interrupted:
                raise KeyboardInterrupt
            done = wait(futures, timeout=_LOOK_S, return_when=FIRST_COMPLETED).done
        return done

    def results(self, futures: Sequence[Future[T]]) -> list[T]:
        """Of all, in their order; KeyboardInterrupt as above."""
        left = set(futures)
        while left:
            left -= self.wait(left)
        return [future.result() for future in futures]


@contextmanager
def worker_pool(workers: int, what: str) -> Iterator[WorkerPool]:
    """Processes for ``what``; at the end those that work finish what they are at.

    Raises:
        DataError: one was killed, most often for memory.
    """
    executor = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    pool = WorkerPool(executor)
    before = signal.signal(signal.SIGINT, pool.interrupt)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise DataError(
            what, expected="workers that live", got="one that was killed", remedy="try fewer --workers"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)
        signal.signal(signal.SIGINT, before)
