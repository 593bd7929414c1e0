# SPDX-License-Identifier: Apache-2.0
"""Weights that others saved: read without running their code, and renamed to the towers of this project.

Layouts that are known::

    released LIV            {"liv": {"module.model.visual.conv1.weight": ...}}; its fine-tuning snapshots: "model."
    open_clip, OpenAI CLIP  {"state_dict": {...}} or bare; text tower under "text." or at the top; "module." or none
    bare backbones          keys of timm (torchvision's ResNets have the same), under any prefix
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from liv_model.errors import DataError, first_few

State = dict[str, Tensor]
# Under which of these a file may keep its weights; files with none of them are the weights themselves.
_HOLDERS = ("liv", "vip", "r3m", "state_dict", "model", "network")
# Of CLIP, but not of its towers: the temperature, which LIV does not use, and constants.
_NOT_OF_A_TOWER = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size", "attn_mask")
_TEXT_AT_THE_TOP = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
_SHOWN = 3


def read(path: Path) -> State:
    """The named tensors of a ``.pt`` / ``.pth`` / ``.safetensors`` file, on the CPU.

    Raises:
        DataError: there is no such file, or it holds no tensors by name that can be read without running code.
    """
    if not path.is_file():
        raise DataError(str(path), expected="a checkpoint file", got="no such file")
    content = _load(path)
    for holder in _HOLDERS:
        if isinstance(content, Mapping) and isinstance(content.get(holder), Mapping):
            content = content[holder]
            break
    state = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not state:
        got = f"keys {first_few(content, _SHOWN)}" if isinstance(content, Mapping) else type(content).__name__
        raise DataError(str(path), expected="tensors by name, or such under 'liv' or 'state_dict'", got=got)
    return state


def _load(path: Path) -> object:
    if path.suffix == ".safetensors":
        import safetensors.torch

        try:
            return safetensors.torch.load_file(path)
        except Exception as error:  # the library's own kinds
            raise DataError(str(path), expected="a safetensors file", got=error) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise DataError(
            str(path),
            expected="a checkpoint of torch that holds tensors and plain values only",
            got=str(error).splitlines()[0][:120] if str(error) else type(error).__name__,
            remedy="a TorchScript archive or a pickled object is not read, as that would run its code; save its "
            "state_dict() (for OpenAI's CLIP: --model RN50 --pretrained openai)",
        ) from error


def clip_towers(state: Mapping[str, Tensor], what: str) -> State:
    """Weights of a CLIP under the names of a :class:`liv_model.network.LivNetwork`: ``vision.*`` and ``text.*``.

    Args:
        state: in any of the layouts above.
        what: the file, for the error.

    Raises:
        DataError: there is no picture tower ``visual.*`` in it.
    """
    marker = next((key for key in state if "visual." in key), None)
    if marker is None:
        raise DataError(
            what,
            expected="a CLIP (keys visual.*), such as the released LIV or an open_clip model",
            got=f"{len(state)} tensors such as {first_few(state, _SHOWN)}",
            remedy="for a bare vision backbone name it: --backbone resnet50",
        )
    prefix = marker[: marker.index("visual.")]
    named = {key.removeprefix(prefix): value for key, value in state.items()}
    return {_tower_key(key): value for key, value in named.items() if key.split(".")[-1] not in _NOT_OF_A_TOWER}


def _tower_key(key: str) -> str:
    if key.startswith("visual."):
        return "vision." + key.removeprefix("visual.")
    return "text." + key if key.startswith(_TEXT_AT_THE_TOP) else key


def backbone(state: Mapping[str, Tensor], trunk: nn.Module, what: str) -> tuple[State, int]:
    """Weights of a bare backbone under the names of its tower: ``vision.trunk.*``.

    Args:
        state: the backbone's, under any prefix, its classifier and other modules beside it.
        trunk: the timm module to fill.
        what: the file, for the error.

    Returns:
        The weights, and how many tensors outside the backbone were left out.

    Raises:
        DataError: the trunk's first tensor is not in it.
    """
    wanted = trunk.state_dict()
    first = next(iter(wanted))
    marker = min((key for key in state if key == first or key.endswith("." + first)), key=len, default=None)
    if marker is None:
        raise DataError(
            what, expected=f"a key that ends in {first}", got=f"{len(state)} tensors such as {first_few(state, _SHOWN)}"
        )
    prefix = marker.removesuffix(first)
    heads = trunk.default_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ((heads,) if isinstance(heads, str) else heads))
    inside = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    kept = {k: v for k, v in inside.items() if not (heads and k.startswith(heads))}
    return {f"vision.trunk.{k}": v for k, v in kept.items()}, len(state) - len(kept)


ARCHITECTURE = "name the architecture the checkpoint was trained as: --model or --backbone"


def fill(
    network: nn.Module, state: Mapping[str, Tensor], what: str, *, tower: str = "", remedy: str = ARCHITECTURE
) -> None:
    """Put weights into a network, every one of them.

    Args:
        network: what to fill; float32, whatever the weights are.
        state: by the network's names.
        what: the file, for the error.
        tower: fill only what is under this prefix, such as ``vision.trunk.``.
        remedy: for the error.

    Raises:
        DataError: a tensor is missing, left over or of another shape: the first few of each, and how many.
    """
    own = {key: value for key, value in network.state_dict().items() if key.startswith(tower)}
    # old checkpoints lack this counter, which only a running mean without momentum would read
    counters = {k: v for k, v in own.items() if k.endswith("num_batches_tracked") and k not in state}
    state = {**state, **counters}
    missing = [key for key in own if key not in state]
    extra = [key for key in state if key not in own]
    other = [k for k in own if k in state and own[k].shape != state[k].shape]
    found = []
    if missing:
        found.append(f"{len(missing)} missing ({first_few(missing, _SHOWN)})")
    if extra:
        found.append(f"{len(extra)} that it does not have ({first_few(extra, _SHOWN)})")
    if other:
        shapes = [f"{k} {tuple(state[k].shape)} instead of {tuple(own[k].shape)}" for k in other]
        found.append(f"{len(other)} of other shapes ({first_few(shapes, _SHOWN)})")
    if found:
        raise DataError(
            what,
            expected=f"the {len(own)} tensors of the architecture named",
            got="; ".join(found),
            remedy=remedy,
        )
    network.load_state_dict(state, strict=not tower)
