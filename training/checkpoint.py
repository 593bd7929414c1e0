# SPDX-License-Identifier: Apache-2.0
"""Weights and checkpoints on the disk, and that they are never half-saved.

A run folder holds ``config.yaml``, ``tokenizer.json``, ``run.json`` (data, versions), ``metrics.jsonl``,
``tensorboard/``, and

    best.safetensors      weights, the best on held-out episodes; the step is in its metadata
    last.pt               optimizer, step, best score, and the name of
    last-<step>.safetensors   the weights that belong to it

A checkpoint counts from the moment ``last.pt`` is renamed into its place; until then the one before it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from liv_model.errors import DataError

CONFIG, TOKENIZER, RUN = "config.yaml", "tokenizer.json", "run.json"
LAST, BEST = "last.pt", "best.safetensors"


def save(folder: Path, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Make this the last checkpoint of a run folder; a full disk leaves the one before it.

    Args:
        folder: the run folder.
        weights: of the network.
        state: ``step`` and all else to go on from.

    Raises:
        DataError: it could not be written.
    """
    file = folder / f"last-{state['step']}.safetensors"
    is_new = not file.exists()
    save_weights(file, weights, state["step"])
    try:
        _replace(folder / LAST, lambda draft: torch.save({**state, "weights": file.name}, draft))
    except DataError:
        if is_new:
            file.unlink(missing_ok=True)
        raise
    for old in folder.glob("last-*.safetensors"):
        if old != file:
            old.unlink()


def save_weights(path: Path, weights: Mapping[str, Tensor], step: int) -> None:
    """Write weights of step ``step``; DataError when that fails, and then the old file is still there."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    _replace(path, lambda draft: safetensors.torch.save_file(plain, draft, {"step": str(step)}))


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside ``path``, then put it in its place."""
    draft = path.with_name(path.name + ".part")
    try:
        write(draft)
        draft.chmod(0o644)  # safetensors makes files for their owner alone
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:
        draft.unlink(missing_ok=True)
        raise DataError(
            str(path), expected="room for a checkpoint", got=error, remedy="free disk space, then --resume"
        ) from error


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and the state of a run folder's last checkpoint; DataError when there is none that is whole."""
    state = _load_state(folder / LAST)
    if "weights" not in state:
        raise DataError(
            str(folder / LAST),
            expected="a checkpoint that names its weights",
            got=f"one with {sorted(state)}",
            remedy="begin a new run with --init",
        )
    return load_weights(folder / state["weights"])[0], state


def load_weights(path: Path) -> tuple[dict[str, Tensor], int]:
    """Weights and the step they are of.

    Args:
        path: ``best.safetensors``, ``last.pt``, or a ``.pt`` of the time when these held the weights too.

    Raises:
        DataError: there are none, or the file is none of these.
    """
    if path.suffix == ".pt":
        state = _load_state(path)
        return (state["network"], state["step"]) if "network" in state else load_weights(path.parent / state["weights"])
    older = path.with_suffix(".pt")
    if not path.is_file() and older.is_file():
        return load_weights(older)
    _require_file(path)
    try:
        with safe_open(path, "pt") as file:
            step = int((file.metadata() or {})["step"])
            return {name: file.get_tensor(name) for name in file.keys()}, step  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(str(path), expected="weights of a run", got=error) from error


def _load_state(path: Path) -> dict[str, Any]:
    _require_file(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(str(path), expected="a checkpoint", got=type(error).__name__) from error
    if not isinstance(state, dict) or "step" not in state or not {"weights", "network"} & set(state):
        raise DataError(str(path), expected="a checkpoint", got="something else")
    return state


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(str(path), expected="a checkpoint", got="none", remedy="run `liv train` first")
