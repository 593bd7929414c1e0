# SPDX-License-Identifier: Apache-2.0
"""Looks at held-out episodes during a run, to choose the best step by."""

from __future__ import annotations

import numpy as np

from liv_model.encoder import Encoder
from liv_model.errors import DataError
from training.config import TrainConfig
from training.episodes import EpisodeStore
from training.evaluation import Embedded, Evaluation, Report, choose, embed, instructions


class Validator:
    """Looks at a few held-out successful episodes of each task."""

    def __init__(self, store: EpisodeStore, config: TrainConfig, tasks: tuple[str, ...]):
        self._store = store
        self._numbers = choose(store, tasks, config.validate_episodes, ("success",))
        if not self._numbers:
            raise DataError(
                f"validation store {store.path}",
                expected=f"successful episodes of {', '.join(tasks)}",
                got="none",
                remedy="simulate some of other seeds, or leave out --validation",
            )

    def report(self, encoder: Encoder) -> Report:
        """The metrics of the network as it is now."""
        episodes: list[Embedded] = embed(encoder, self._store, self._numbers)
        return Evaluation(encoder, episodes, instructions(self._store, self._numbers)).report()


def score(report: Report) -> float:
    """What the best checkpoint is best in: the mean of language VOC, image VOC and top-1."""
    names = [n for n in ("language_voc", "image_voc", "top1") if n in report.overall]
    return float(np.mean([report.overall[n].mean for n in names]))
