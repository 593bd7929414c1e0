# SPDX-License-Identifier: Apache-2.0
"""Which seeds to attempt until there are enough episodes of each task and outcome."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Quota:
    """How many episodes of one task and outcome are wanted, and how far that has come.

    Attributes:
        wanted: number of episodes.
        next_seed: the first seed that nobody has looked at.
        present: seeds that the store has already.
        done: episodes in the store, those of earlier runs included.
        running: attempts under way.
        failed: seeds that did not give this outcome, with the reason.
    """

    task: str
    outcome: str
    wanted: int
    next_seed: int
    present: set[int] = field(default_factory=set)
    done: int = 0
    running: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Episodes still to be had."""
        return self.wanted - self.done

    @property
    def open(self) -> bool:
        """Whether another attempt is called for: not enough under way, and not hopeless."""
        return self.running < self.missing and len(self.failed) < 2 * self.wanted + 20

    def take_seed(self) -> int:
        """The next seed to attempt, counted as running."""
        while self.next_seed in self.present:
            self.next_seed += 1
        self.next_seed, self.running = self.next_seed + 1, self.running + 1
        return self.next_seed - 1

    def settle(self, seed: int, reason: str | None) -> None:
        """Count an attempt that came to an end; ``reason`` is None where it gave an episode."""
        self.running -= 1
        if reason is None:
            self.done += 1
        else:
            self.failed[seed] = reason


def make_quotas(tasks: list[str], outcomes: list[str], per_task: int, seed: int, camera: str, keys: set) -> list[Quota]:
    """One quota for each task and outcome, with what the store (``keys``) already has from ``seed`` on."""
    quotas = []
    for outcome in outcomes:
        for task in tasks:
            present = {key[2] for key in keys if (key[0], key[1], key[3]) == (task, outcome, camera)}
            present = {number for number in present if number >= seed}
            quotas.append(Quota(task, outcome, per_task, seed, present, done=min(len(present), per_task)))
    return quotas


def neediest(quotas: list[Quota]) -> Quota | None:
    """The open quota that has least, so that a run that is stopped leaves all tasks alike."""
    return min((q for q in quotas if q.open), key=lambda q: q.done + q.running, default=None)
