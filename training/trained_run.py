# SPDX-License-Identifier: Apache-2.0
"""A network as `liv train` or `liv import` left it in a run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liv_model.network import LivNetwork
from liv_model.tokenizer import Tokenizer
from training import checkpoint
from training.config import TrainConfig, load
from training.foreign_weights import fill


@dataclass(frozen=True)
class Run:
    """A trained network with its tokenizer and settings."""

    network: LivNetwork
    tokenizer: Tokenizer
    tokenizer_file: Path
    config: TrainConfig
    tasks: tuple[str, ...]
    step: int
    about: dict[str, Any]

    @property
    def is_imported(self) -> bool:
        """Whether no step was trained here: weights as `liv import` took them in."""
        return self.step == 0 and "imported" in self.about


def load_run(folder: Path, name: str = checkpoint.BEST) -> Run:
    """Read a run folder; DataError or ConfigError when it is none."""
    config = load(folder / checkpoint.CONFIG)
    weights, step = checkpoint.load_weights(folder / name)
    about = json.loads((folder / checkpoint.RUN).read_text())
    network = LivNetwork(config.network)
    fill(network, weights, str(folder / name), remedy="take the checkpoint and the config.yaml of one run")
    file = folder / checkpoint.TOKENIZER
    tokenizer = Tokenizer.load(file, config.network.text.context_length)
    return Run(network.eval(), tokenizer, file, config, tuple(about["tasks"]), step, about)
