# SPDX-License-Identifier: Apache-2.0
"""Worker processes: their errors are told, one that dies is told, and Ctrl-C is heard between waits alone."""

from __future__ import annotations

import os
import signal

import pytest

from liv_model.errors import DataError
from training.tasks import task as find_task
from training.worker_pool import worker_pool


def test_results_come_in_the_order_that_they_were_asked_for():
    with worker_pool(2, "adding") as pool:
        assert pool.results([pool.submit(divmod, n, 3) for n in range(7)]) == [divmod(n, 3) for n in range(7)]


def test_an_error_in_a_worker_is_told_as_it_is():
    with worker_pool(1, "finding") as pool, pytest.raises(DataError, match="got 'door-ajar'"):
        pool.results([pool.submit(find_task, "door-ajar")])


def test_a_worker_that_is_killed_is_told_with_a_remedy():
    with pytest.raises(DataError, match=r"planning: .* one that was killed; try fewer --workers"):  # noqa: SIM117
        with worker_pool(1, "planning") as pool:
            pool.results([pool.submit(os._exit, 1)])


def test_ctrl_c_is_heard_when_results_are_waited_for_and_never_by_the_workers():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), worker_pool(1, "waiting") as pool:
        (blocked,) = pool.results([pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, [])])
        assert signal.SIGINT in blocked
        for _ in range(2):  # as an impatient person does
            signal.raise_signal(signal.SIGINT)
        pool.results([pool.submit(abs, -1)])
    assert signal.getsignal(signal.SIGINT) is before
