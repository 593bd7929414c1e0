# SPDX-License-Identifier: Apache-2.0
"""A run folder: begun, or taken up again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from liv_model.errors import ConfigError, DataError
from liv_model.tokenizer import Tokenizer
from training import checkpoint, clip_tokenizer, tokenizer_fit
from training.commit import current_commit
from training.config import TrainConfig, dump
from training.episodes import EpisodeStore
from training.processes import make_accelerator, share
from training.sampler import Sampler
from training.trainer import Trainer


def prepare(
    config: TrainConfig, store: EpisodeStore, folder: Path, *, resume: bool, init: Path | None = None
) -> Trainer:
    """A trainer for a run folder: a new one, or one that goes on from its last checkpoint.

    Args:
        config: all settings.
        store: what to learn from.
        folder: the run folder.
        resume: whether to go on.
        init: a run folder of the same network whose weights and tokenizer a new run begins with.

    Raises:
        ConfigError: the folder has a run already and ``resume`` is false, or one of other settings.
        DataError: nothing to resume, or the store's frames are of another size.
    """
    if (store.height, store.width) != (config.network.image_size,) * 2:
        raise DataError(
            f"episode store {store.path}",
            expected=f"frames of {config.network.image_size}x{config.network.image_size}",
            got=f"{store.width}x{store.height}",
            remedy="set network.image_size, or simulate frames of that size",
        )
    sampler = Sampler(store, config.tasks, config.sampler, config.augmentation, config.seed)
    accelerator = make_accelerator(config.device)
    share(config.batch, accelerator)  # a batch that cannot be shared stops the run before there is a folder
    if resume:
        _require_same(config, folder)
    else:
        _require_new(folder)
    accelerator.wait_for_everyone()  # all have looked before one writes
    if not resume and accelerator.is_main_process:
        _begin(config, store, sampler, folder, init)
    accelerator.wait_for_everyone()
    tokenizer = Tokenizer.load(folder / checkpoint.TOKENIZER, config.network.text.context_length)
    tokenizer.encode(sampler.texts)  # a text that is too long stops the run now, not at some later step
    trainer = Trainer(config, tokenizer, sampler, accelerator)
    if resume:
        trainer.load_state(*checkpoint.load(folder))
    elif init is not None:
        trainer.load_weights(checkpoint.load_weights(init / checkpoint.BEST)[0])
    if not resume and accelerator.is_main_process:  # a run killed at once can be resumed too
        checkpoint.save(folder, trainer.network.state_dict(), trainer.state())
    return trainer


def _require_new(folder: Path) -> None:
    if (folder / checkpoint.CONFIG).exists():
        raise ConfigError(
            f"run folder {folder}",
            expected="an empty or new folder",
            got="a run",
            remedy="add --resume, or name another folder",
        )


def _begin(config: TrainConfig, store: EpisodeStore, sampler: Sampler, folder: Path, init: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    inherited: dict[str, Any] = {}
    if init is not None:
        shutil.copyfile(init / checkpoint.TOKENIZER, folder / checkpoint.TOKENIZER)
        before = json.loads((init / checkpoint.RUN).read_text())
        inherited = {k: before[k] for k in ("image", "imported") if k in before}
    elif config.network.text.kind == "open_clip":
        clip_tokenizer.write(folder / checkpoint.TOKENIZER)
    else:
        tokenizer_fit.write(folder / checkpoint.TOKENIZER, config.network.text.vocabulary)
    about = {
        "commit": current_commit(),
        "tasks": list(sampler.tasks),
        "episodes": len(sampler.episodes),
        "episodes_in_store": len(store),
        **inherited,
    }
    (folder / checkpoint.RUN).write_text(json.dumps(about, indent=2) + "\n")
    (folder / checkpoint.CONFIG).write_text(dump(config))


def _require_same(config: TrainConfig, folder: Path) -> None:
    path = folder / checkpoint.CONFIG
    if not path.is_file():
        raise DataError(f"run folder {folder}", expected="a run to resume", got="none", remedy="leave out --resume")
    if path.read_text() != dump(config):
        raise ConfigError(
            str(path),
            expected="the settings the run began with",
            got="others",
            remedy=f"give --config {path} and no --set",
        )
