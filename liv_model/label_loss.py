# SPDX-License-Identifier: Apache-2.0
"""A worker that is lost with its bag: what it left half done goes, and another does the bag, a few times."""

from __future__ import annotations

import shutil
from dataclasses import replace

from liv_model.errors import LivError
from liv_model.label_job import BagJob
from liv_model.label_writing import draft_of

MOST_TRIES = 3


def clear(job: BagJob) -> None:
    """Remove what a worker that is gone has left half done."""
    if job.output is not None:
        shutil.rmtree(draft_of(job.output), ignore_errors=True)


def again(job: BagJob) -> BagJob:
    """The job for another worker, which may find its output there: the lost one's, lost behind its last step."""
    return replace(job, overwrite=True)


def given_up(job: BagJob, last: str, remedy: str) -> LivError:
    """What becomes of a bag that no worker lived through.

    Args:
        job: the bag's.
        last: how the last worker was lost.
        remedy: for what kills workers.
    """
    return LivError(
        str(job.bag),
        expected="a worker that lives to its end",
        got=f"{MOST_TRIES} that were lost, the last one with {last}",
        remedy=remedy,
    )
