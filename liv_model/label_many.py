# SPDX-License-Identifier: Apache-2.0
"""Many bags, each done once: here, or by several processes of which any may be lost."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from liv_model.errors import LivError
from liv_model.label_bag import Labeller
from liv_model.label_job import BagJob, Labelled, Setup
from liv_model.label_loss import MOST_TRIES, again, clear, given_up

Tell = Callable[[int], None]
Ended = Callable[[BagJob, "Labelled | LivError"], None]
_FRAMES, _DONE, _FAILED = "frames", "done", "failed"


def label_all(
    jobs: Sequence[BagJob],
    setup: Setup,
    workers: int = 1,
    *,
    tell: Tell = lambda count: None,
    ended: Ended = lambda job, outcome: None,
) -> list[Labelled | LivError]:
    """Label bags; one that cannot be is an error in its place, and the others are done.

    Args:
        jobs: no two of the same output.
        setup: for all of them.
        workers: processes; 1 = this one.
        tell: called with how many more frames were read; fewer than none where a worker was lost with its bag.
        ended: called with each bag as it ends.

    Returns:
        What became of each, in the order of ``jobs``.
    """
    if min(workers, len(jobs)) <= 1:
        return _label_here(jobs, Labeller(setup), tell, ended)
    return _Crew(jobs, setup, tell, ended).work(min(workers, len(jobs)))


def _label_here(jobs: Sequence[BagJob], labeller: Labeller, tell: Tell, ended: Ended) -> list[Labelled | LivError]:
    outcomes = []
    for job in jobs:
        outcomes.append(try_to_label(labeller, job, tell))
        ended(job, outcomes[-1])
    return outcomes


def try_to_label(labeller: Labeller, job: BagJob, tell: Tell) -> Labelled | LivError:
    """Label one bag; whatever goes wrong is its outcome."""
    try:
        return labeller.label(job, tell)
    except LivError as error:
        return error
    except Exception as error:  # what nobody thought of ends this bag, not the others
        return LivError(str(job.bag), expected="a bag that can be labelled", got=repr(error))


@dataclass
class _Worker:
    process: Any
    line: Connection
    job: int | None = None  # that it has, by its index
    told: int = 0  # frames of that job


class _Crew:
    """Processes that take one bag after the other."""

    def __init__(self, jobs: Sequence[BagJob], setup: Setup, tell: Tell, ended: Ended):
        self._jobs, self._setup, self._tell, self._ended = list(jobs), setup, tell, ended
        self._waiting = deque(range(len(jobs)))
        self._tries = [0] * len(jobs)
        self._outcomes: dict[int, Labelled | LivError] = {}
        self._workers: list[_Worker] = []
        self._processes = multiprocessing.get_context("spawn")  # a fork would copy locks of the device's threads

    def work(self, count: int) -> list[Labelled | LivError]:
        """Do all the jobs with so many workers."""
        try:
            while len(self._outcomes) < len(self._jobs):
                self._hire(count)
                for line in wait([worker.line for worker in self._workers]):
                    self._hear(next(worker for worker in self._workers if worker.line is line))
        finally:
            for worker in self._workers:
                worker.process.terminate()
                worker.process.join()
                self._clear(worker)
        return [self._outcomes[index] for index in range(len(self._jobs))]

    def _hire(self, count: int) -> None:
        """Give every waiting job to a worker, as far as there are some."""
        for worker in self._workers:
            if worker.job is None and self._waiting:
                self._give(worker)
        while self._waiting and len(self._workers) < count:
            here, there = self._processes.Pipe()
            process = self._processes.Process(target=_work, args=(there, self._setup), daemon=True)
            process.start()
            there.close()  # or the end of that process would not be the end of the line
            self._workers.append(_Worker(process, here))
            self._give(self._workers[-1])

    def _give(self, worker: _Worker) -> None:
        worker.job, worker.told = self._waiting.popleft(), 0
        self._tries[worker.job] += 1
        with contextlib.suppress(OSError):  # it is lost; the end of its line is heard next
            worker.line.send(self._jobs[worker.job])

    def _hear(self, worker: _Worker) -> None:
        try:
            what, content = worker.line.recv()
        except (EOFError, OSError):
            self._lose(worker)
            return
        if what == _FRAMES:
            worker.told += content
            self._tell(content)
        elif worker.job is not None:
            self._end(worker, content)

    def _end(self, worker: _Worker, outcome: Labelled | LivError) -> None:
        index, worker.job = worker.job, None
        self._outcomes[index] = outcome
        self._ended(self._jobs[index], outcome)

    def _lose(self, worker: _Worker) -> None:
        """Let another worker do the lost one's bag, from its beginning."""
        self._workers.remove(worker)
        worker.line.close()
        worker.process.join()
        index = worker.job
        if index is None:
            return
        self._clear(worker)
        self._tell(-worker.told)
        if self._tries[index] < MOST_TRIES:
            self._jobs[index] = again(self._jobs[index])
            self._waiting.appendleft(index)
            return
        how, remedy = f"exit code {worker.process.exitcode}", "is the memory enough? Try fewer --workers"
        self._end(worker, given_up(self._jobs[index], how, remedy))

    def _clear(self, worker: _Worker) -> None:
        if worker.job is not None:
            clear(self._jobs[worker.job])


def _work(line: Connection, setup: Setup) -> None:
    """A worker's life: jobs in, outcomes out, until the line ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started it, which then ends it
    labeller = None
    while True:
        try:
            job = line.recv()
        except EOFError:
            return
        try:
            labeller = labeller or Labeller(setup)
        except LivError as error:
            line.send((_FAILED, error))
            continue
        outcome = try_to_label(labeller, job, lambda count: line.send((_FRAMES, count)))
        line.send((_DONE if isinstance(outcome, Labelled) else _FAILED, outcome))
