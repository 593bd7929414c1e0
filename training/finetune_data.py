# SPDX-License-Identifier: Apache-2.0
"""The episodes of a fine-tuning: those to learn from, and those kept aside to judge old and new model by."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from liv_model.errors import DataError
from liv_model.whole_file import replace_json
from training.episodes import EpisodeRecord, EpisodeStore, EpisodeWriter
from training.paraphrases import keep_paraphrases, store_paraphrases

_DONE = "split.json"
Attempt = tuple[str, int, str]


@dataclass(frozen=True)
class Split:
    """Two stores that share no attempt, and how many attempts each has.

    Attributes:
        train: to learn from.
        held_out: to judge by.
        successes: attempts in ``train``.
        failures: likewise. Where nothing is to be learned from failures there are none, and all are kept aside, but for
            those of a simulated scene of which a success is learned from.
        held_out_successes: attempts in ``held_out``.
        held_out_failures: likewise.
    """

    train: Path
    held_out: Path
    successes: int
    failures: int
    held_out_successes: int
    held_out_failures: int


def attempt_of(record: EpisodeRecord) -> Attempt:
    """Task, seed and source: what recordings share that must not be both learned from and judged by.

    That is what several cameras saw of one attempt, and of what was simulated all that began in one scene.
    """
    return record.task, record.seed, record.source if record.seed == 0 else ""


def kept_aside(
    records: Sequence[EpisodeRecord], share: float, seed: int, *, learn_failures: bool = False
) -> set[Attempt]:
    """The attempts to keep aside: of each task's successes a share, drawn by ``seed``, and what only failed.

    Of one success of a task none is kept aside, of more at least one, of five and more at least two, and never all.
    With ``learn_failures`` the same goes for what only failed.
    """
    successes = {attempt_of(record) for record in records if record.outcome == "success"}
    failures = {attempt_of(record) for record in records} - successes
    aside = _drawn(successes, share, seed)
    return aside | (_drawn(failures, share, seed) if learn_failures else failures)


def _drawn(attempts: set[Attempt], share: float, seed: int) -> set[Attempt]:
    """A share of the attempts at each task."""
    of_task: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in sorted(attempts):
        of_task[attempt[0]].append(attempt)
    drawn: set[Attempt] = set()
    for task, of_it in of_task.items():
        count = min(len(of_it) - 1, max(2 if len(of_it) > 4 else 1, round(share * len(of_it))))
        order = np.random.default_rng([seed, *task.encode()]).permutation(len(of_it))
        drawn |= {of_it[i] for i in order[:count]}
    return drawn


def split(
    sources: Sequence[Path],
    along: Sequence[Path],
    folder: Path,
    *,
    share: float,
    seed: int,
    learn_failures: bool = False,
) -> Split:
    """Write ``train`` and ``held_out`` below a folder, or find them there as an earlier call left them.

    Args:
        sources: stores to split.
        along: stores of which all successes are learned from, too, and none is kept aside.
        folder: to write to.
        share: of the successes to keep aside.
        seed: of which.
        learn_failures: whether failures are learned from, too, but for as large a share.

    Raises:
        DataError: no success is left to learn from or to judge by, or stores of several sizes.
    """
    if not (folder / _DONE).is_file():
        _write(sources, along, folder, share, seed, learn_failures)
    found = json.loads((folder / _DONE).read_text(encoding="utf-8"))
    return Split(folder / "train", folder / "held_out", **found)


def _write(
    sources: Sequence[Path], along: Sequence[Path], folder: Path, share: float, seed: int, learn_failures: bool
) -> None:
    stores = [EpisodeStore(path) for path in sources]
    records = [record for store in stores for record in store.records]
    aside = kept_aside(records, share, seed, learn_failures=learn_failures)
    good, bad = ({attempt_of(r) for r in records if (r.outcome == "success") is is_good} for is_good in (True, False))
    learned = good - aside
    if not good & aside:
        raise DataError(
            "episodes to fine-tune on",
            expected="at least two successes of some task: one to learn from, one to judge by",
            got=f"{len(learned)} successes of {len({a[0] for a in learned})} tasks",
            remedy="record more, with verdicts; `liv episodes import --dry-run` says what is left out and why",
        )
    height, width = stores[0].height, stores[0].width
    with (
        EpisodeWriter(folder / "train", height, width) as train,
        EpisodeWriter(folder / "held_out", height, width) as held_out,
    ):
        for store in stores:
            _copy(store, [i for i, r in enumerate(store.records) if attempt_of(r) in aside], held_out)
        for store in (*stores, *map(EpisodeStore, along)):
            wanted = store.select(outcome=None if learn_failures else "success")
            _copy(store, [i for i in wanted if attempt_of(store.records[i]) not in aside], train)
    for path in (*sources, *along):
        if found := store_paraphrases(path):
            keep_paraphrases(folder / "train", found)
    failed = len(bad - aside) if learn_failures else 0
    counts = asdict(Split(folder, folder, len(learned), failed, len(good & aside), len(bad & aside)))
    replace_json(folder / _DONE, {key: value for key, value in counts.items() if isinstance(value, int)})


def _copy(store: EpisodeStore, numbers: Sequence[int], writer: EpisodeWriter) -> None:
    for number in numbers:
        if store.records[number].key not in writer.keys:
            writer.append(store[number])
    store.release()
