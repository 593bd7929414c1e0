# SPDX-License-Identifier: Apache-2.0
"""Towers that others built: any model of open_clip, and bare timm backbones.

Only architectures come from those packages, never weights: a network is built from its configuration alone, without
a download, and ``liv import`` or a bundle brings the weights. Both packages are optional (requirements/clip.txt)
and imported when such a tower is built.
"""

from __future__ import annotations

import difflib
import importlib
from types import ModuleType
from typing import Any

from torch import nn

from liv_model.errors import ConfigError
from liv_model.network_config import NetworkConfig

# A text tower that is built only to be dropped: who asks for the picture tower alone pays for no other.
_LEAST_TEXT = {"context_length": 8, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}


def both_towers(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    """Picture and text tower of one open_clip model: float (B, 3, S, S) -> (B, D), int64 (B, L) -> (B, D).

    Raises:
        ConfigError: open_clip is not installed or has no such model, the two towers are of different models, or
            the configuration's sizes are not the model's.
    """
    vision, text = config.vision, config.text
    if (vision.model, vision.quick_gelu) != (text.model, text.quick_gelu):
        raise ConfigError(
            "network.text",
            expected=f"the model of network.vision, {vision.model} with quick_gelu {vision.quick_gelu}",
            got=f"{text.model} with quick_gelu {text.quick_gelu}",
        )
    settings = model_settings(vision.model)
    _require_sizes(config, settings)
    _require_text(config, settings)
    model = _build(settings, vision.quick_gelu)
    return model.visual, model.text


def vision_tower(config: NetworkConfig) -> nn.Module:
    """The picture tower of an open_clip model alone: float (B, 3, S, S) -> (B, D). ConfigError as above."""
    settings = model_settings(config.vision.model)
    _require_sizes(config, settings)
    return _build({**settings, "text_cfg": _LEAST_TEXT}, config.vision.quick_gelu).visual


def text_tower(config: NetworkConfig) -> nn.Module:
    """The text tower of an open_clip model alone: int64 (B, L) -> (B, D). ConfigError as above."""
    settings = model_settings(config.text.model)
    _require("network.dim", settings["embed_dim"], config.dim, config.text.model)
    _require_text(config, settings)
    return _build(settings, config.text.quick_gelu).text


def timm_tower(config: NetworkConfig) -> nn.Module:
    """A timm backbone and a linear layer: float (B, 3, S, S) -> (B, D).

    Raises:
        ConfigError: timm is not installed or has no such model, or the model reads another size only.
    """
    timm, name = package("timm"), config.vision.model
    if not timm.is_model(name):
        raise ConfigError("network.vision.model", expected=_near(name, timm.list_models()), got=repr(name))
    tower = package("open_clip.timm_model").TimmModel(name, config.dim, config.image_size, pool="", proj="linear")
    settings = tower.trunk.default_cfg
    if settings.get("fixed_input_size"):
        _require("network.image_size", settings["input_size"][1], config.image_size, name)
    return tower


def model_settings(name: str) -> dict[str, Any]:
    """What open_clip says about a model of its list: embed_dim, vision_cfg, text_cfg, quick_gelu.

    Raises:
        ConfigError: open_clip is not installed, or has no model of that name.
    """
    open_clip = package("open_clip")
    if name not in open_clip.list_models():
        raise ConfigError("open_clip model", expected=_near(name, open_clip.list_models()), got=repr(name))
    return open_clip.get_model_config(name)


def reads_clip_tokens(name: str, settings: dict[str, Any]) -> bool:
    """Whether a model's texts are CLIP's lower-cased BPE (and not those of SigLIP, CLIPA, T5, ...)."""
    text = settings["text_cfg"]
    other = text.get("hf_tokenizer_name") or text.get("hf_model_name") or text.get("tokenizer_kwargs")
    return not other and "siglip" not in name.lower() and not settings.get("multimodal_cfg")


def package(name: str) -> ModuleType:
    """Import one of the optional packages; ConfigError when it is not there."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "a model of open_clip, timm or the hub",
            expected=f"the Python package {error.name!r}",
            got="not installed",
            remedy="pip install -r requirements/clip.txt",
        ) from error


def _build(settings: dict[str, Any], quick_gelu: bool) -> nn.Module:
    """The model with its text tower as a module of its own, randomly initialised."""
    return package("open_clip").CustomTextCLIP(
        settings["embed_dim"], settings["vision_cfg"], settings["text_cfg"], quick_gelu=quick_gelu
    )


def _require_sizes(config: NetworkConfig, settings: dict[str, Any]) -> None:
    _require("network.dim", settings["embed_dim"], config.dim, config.vision.model)
    _require("network.image_size", settings["vision_cfg"]["image_size"], config.image_size, config.vision.model)


def _require_text(config: NetworkConfig, settings: dict[str, Any]) -> None:
    name, text = config.text.model, settings["text_cfg"]
    if not reads_clip_tokens(name, settings):
        raise ConfigError(
            f"text tower of {name}",
            expected="one that reads CLIP's lower-cased BPE",
            got="another tokenizer",
            remedy="take its picture tower with a new text tower (liv import --new-text)",
        )
    _require("network.text.context_length", text.get("context_length", 77), config.text.context_length, name)
    _require("network.text.vocabulary", text.get("vocab_size", 49408), config.text.vocabulary, name)


def _require(where: str, expected: Any, got: Any, model: str) -> None:
    if expected != got:
        raise ConfigError(where, expected=f"{expected}, as {model} has it", got=got)


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
    return f"one of {len(known)} models such as {', '.join(near)}"
