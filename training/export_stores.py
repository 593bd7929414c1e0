# SPDX-License-Identifier: Apache-2.0
"""The episodes that a bundle is made and judged with, and that they are not the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from liv_model.errors import ConfigError, DataError, first_few
from training.episodes import EpisodeRecord, EpisodeStore
from training.trained_run import Run

_SHOWN = 5


@dataclass(frozen=True)
class Stores:
    """Three kinds of episodes; each None where there are none.

    Attributes:
        train: what the run learned from: calibration.
        validation: what the run was chosen by: samples and task-state thresholds.
        test: episodes that nothing was chosen by: metrics.
    """

    train: EpisodeStore | None = None
    validation: EpisodeStore | None = None
    test: EpisodeStore | None = None

    @property
    def named(self) -> dict[str, EpisodeStore]:
        """Those that there are, by name."""
        return {name: store for name, store in vars(self).items() if store is not None}

    @property
    def measured(self) -> str | None:
        """Name of the one that the metrics are of."""
        return next((name for name in ("test", "validation") if name in self.named), None)

    def require(self, run: Run) -> None:
        """Refuse what a bundle of this run cannot be made with.

        Raises:
            ConfigError: a store is lacking. Imported weights need none, but no other without ``train``.
            DataError: frames of another size than the network's, or one attempt in two stores.
        """
        if not run.is_imported and (self.train is None or self.validation is None):
            raise ConfigError(
                "liv export", expected="--data, --validation and --made-by for a trained run", got="not all"
            )
        if self.train is None and self.named:
            raise ConfigError("liv export", expected=f"--data with --{next(iter(self.named))}", got="no --data")
        size = run.config.network.image_size
        for store in self.named.values():
            if (store.height, store.width) != (size, size):
                raise DataError(
                    f"episode store {store.path}",
                    expected=f"frames of {size}x{size}",
                    got=f"{store.width}x{store.height}",
                )
        _require_apart(self, run.tasks)

    def seeds(self, tasks: Sequence[str]) -> dict[str, Any]:
        """First and last seed and number of episodes of each store, and of each camera where there are several."""
        return {name: _seeds(_records(store, tasks)) for name, store in self.named.items()}


def _records(store: EpisodeStore, tasks: Sequence[str]) -> list[EpisodeRecord]:
    return [record for record in store.records if not tasks or record.task in tasks]


def _seeds(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    cameras = dict.fromkeys(record.camera for record in records)
    each = {camera: _span([r.seed for r in records if r.camera == camera]) for camera in cameras}
    return {**_span([r.seed for r in records]), **({"cameras": each} if len(each) > 1 else {})}


def _span(seeds: Sequence[int]) -> dict[str, int]:
    return {"first": min(seeds), "last": max(seeds), "episodes": len(seeds)} if seeds else {"episodes": 0}


def _require_apart(stores: Stores, tasks: Sequence[str]) -> None:
    """A seed is the scene and its arrangement, whatever came of the attempt; recordings without one go by source."""
    seen = {
        name: {(r.task, r.camera, r.seed, r.source if r.seed == 0 else ""): r.name for r in _records(store, tasks)}
        for name, store in stores.named.items()
    }
    for a, b in combinations(seen, 2):
        if shared := [seen[a][key] for key in seen[a] if key in seen[b]]:
            raise DataError(
                f"episode stores {stores.named[a].path} and {stores.named[b].path}",
                expected=f"{b} episodes that are not in {a}",
                got=f"{len(shared)} in both: {first_few([f'({name})' for name in shared], _SHOWN)}",
                remedy="simulate or import others, of other seeds",
            )
