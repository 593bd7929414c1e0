# SPDX-License-Identifier: Apache-2.0
"""A store of the first successes of each task of another store: few shots, and more that hold the fewer."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.episodes import EpisodeRecord, EpisodeStore, EpisodeWriter
from training.evaluation import choose


def subset(store: EpisodeStore, per_task: int, out: Path) -> int:
    """Write them; what is there already stays. Returns how many episodes there are then."""
    # by seed, as a store that was filled in pieces or by many workers has them in another order
    by_seed = sorted(choose(store, (), outcomes=("success",)), key=lambda i: store.records[i].seed)
    counts: dict[str, int] = {}
    with EpisodeWriter(out, store.height, store.width) as writer:
        for number in by_seed:
            record: EpisodeRecord = store.records[number]
            counts[record.task] = counts.get(record.task, 0) + 1
            if counts[record.task] <= per_task and record.key not in writer.keys:
                writer.append(store[number])
        return len(writer.keys)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python3 -m training.results.subset", description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--per-task", type=int, required=True, metavar="N")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    count = subset(EpisodeStore(arguments.store), arguments.per_task, arguments.out)
    print(f"{arguments.out}: {count} episodes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
