# SPDX-License-Identifier: Apache-2.0
"""A bundle as the run folder that a fine-tuning begins with, and the settings that suit its network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError

from liv_model.bundle import Bundle
from liv_model.errors import BundleError
from liv_model.network_config import NetworkConfig
from training import checkpoint
from training.commit import current_commit
from training.config import TrainConfig, dump, load

CONFIGS = Path(__file__).parent / "configs"
WEIGHTS = "weights.safetensors"


def settings(bundle: Bundle, config: Path | None, overrides: Sequence[str]) -> TrainConfig:
    """The settings of a fine-tuning; the network is always the bundle's.

    Args:
        bundle: to begin with.
        config: a file; None for the one that suits the network: ``finetune.yaml``, the released settings, or
            ``finetune_small.yaml`` for small networks of ours.
        overrides: ``key=value``.

    Raises:
        BundleError: the bundle does not say what its network is, or has no weights.
        ConfigError: see :func:`training.config.load`.
    """
    described = bundle.manifest.get("network") or {}
    if not described or WEIGHTS not in bundle.manifest["files"]:
        raise BundleError(
            str(bundle.path),
            expected=f"a bundle with {WEIGHTS}, to go on from",
            got="one that only runs",
            remedy="take one that `liv export` made",
        )
    network = NetworkConfig.from_dict(described)
    small = network.vision.kind == "cnn"
    own = CONFIGS / ("finetune_small.yaml" if small else "finetune.yaml")
    return replace(load(config or own, overrides), network=network)


def write_base(bundle: Bundle, config: TrainConfig, folder: Path) -> Path:
    """Write the bundle's weights and tokenizer as a run folder, for ``init``; returns it.

    Raises:
        BundleError: the weights cannot be read.
        DataError: no room.
    """
    file = bundle.file(WEIGHTS)
    try:
        weights = safetensors.torch.load_file(file)
    except (OSError, SafetensorError) as error:
        raise BundleError(str(file), expected="weights", got=error) from error
    folder.mkdir(parents=True, exist_ok=True)
    (folder / checkpoint.CONFIG).write_text(dump(config), encoding="utf-8")
    shutil.copyfile(bundle.file("tokenizer.json"), folder / checkpoint.TOKENIZER)
    image = {key: value for key, value in bundle.manifest["image"].items() if key != "size"}
    origin = {"from": bundle.identity, "sha256": bundle.manifest["files"][WEIGHTS]}
    about = {"commit": current_commit(), "tasks": [], "image": image, "imported": origin}
    (folder / checkpoint.RUN).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    checkpoint.save_weights(folder / checkpoint.BEST, weights, step=0)
    return folder
