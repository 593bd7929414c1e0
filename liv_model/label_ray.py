# SPDX-License-Identifier: Apache-2.0
"""Many bags on a Ray cluster: each done once, and done again where its worker was lost.

The machines of the cluster see bags, outputs and bundle at the same paths (a shared folder), and have what
requirements/runtime.txt lists; this package itself is brought along.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import liv_model
from liv_model.errors import ConfigError, LivError
from liv_model.label_bag import Labeller
from liv_model.label_job import BagJob, Labelled, Setup
from liv_model.label_loss import MOST_TRIES, again, clear, given_up
from liv_model.label_many import Ended, Tell, try_to_label


def label_on_ray(
    jobs: Sequence[BagJob],
    setup: Setup,
    address: str,
    *,
    tell: Tell = lambda count: None,
    ended: Ended = lambda job, outcome: None,
) -> list[Labelled | LivError]:
    """Label bags on a cluster; see :func:`liv_model.label_many.label_all`. Frames are told bag by bag.

    Args:
        address: of the cluster, ``host:6379`` or ``ray://host:10001``; ``auto`` for the one of this machine,
            ``local`` for a new one here.

    Raises:
        ConfigError: no Ray, or no cluster at the address.
    """
    jobs = [_with_absolute_paths(job) for job in jobs]
    bundle = None if setup.bundle is None else str(Path(setup.bundle).absolute())
    same = pickle.dumps(replace(setup, bundle=bundle, threads=1))
    with _cluster(address) as ray:
        label = ray.remote(_label).options(num_cpus=1, max_retries=0)
        running = {label.remote(same, job): index for index, job in enumerate(jobs)}
        tries, outcomes = [1] * len(jobs), {}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            index = running.pop(done)
            try:
                outcome = ray.get(done)
            except ray.exceptions.RayError as error:  # the worker is lost, or its machine
                clear(jobs[index])
                if tries[index] < MOST_TRIES:
                    tries[index] += 1
                    jobs[index] = again(jobs[index])
                    running[label.remote(same, jobs[index])] = index
                    continue
                remedy = "is the memory of the cluster's machines enough?"
                outcome = given_up(jobs[index], type(error).__name__, remedy)
            outcomes[index] = outcome
            tell(outcome.frames if isinstance(outcome, Labelled) else 0)
            ended(jobs[index], outcome)
        return [outcomes[index] for index in range(len(jobs))]


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "--ray", expected="the package ray", got="none", remedy="pip install -r requirements/ray.txt"
        ) from error
    package = str(Path(liv_model.__file__).parent)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", runtime_env={"py_modules": [package]})
    except (ConnectionError, ValueError, RuntimeError) as error:
        got = str(error).splitlines()[0]
        raise ConfigError(
            f"--ray {address}", expected="a running cluster", got=got, remedy="ray start --head"
        ) from error
    try:
        with redirect_stdout(sys.stderr):  # Ray tells of lost workers on stdout, where --json is printed
            yield ray
    finally:
        ray.shutdown()


def _label(setup: bytes, job: BagJob) -> Labelled | LivError:
    """On a worker."""
    try:
        labeller = _labeller(setup)
    except LivError as error:
        return error
    return try_to_label(labeller, job, lambda count: None)


@lru_cache(1)
def _labeller(setup: bytes) -> Labeller:
    """Of a pickled setup; its model stays open from bag to bag."""
    return Labeller(pickle.loads(setup))


def _with_absolute_paths(job: BagJob) -> BagJob:
    """A worker has a folder of its own."""
    paths = {name: getattr(job, name) for name in ("bag", "output", "table")}
    return replace(job, **{name: path.absolute() for name, path in paths.items() if path is not None})
