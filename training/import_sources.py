# SPDX-License-Identifier: Apache-2.0
"""Where weights to import come from: a file, the hub, open_clip's tags, timm. Nothing is downloaded unasked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liv_model.errors import ConfigError, DataError
from liv_model.open_clip_towers import model_settings, package
from training import foreign_weights

HUB = "hf:"
HUB_FILE = "model.pt"


@dataclass(frozen=True)
class Source:
    """Weights and what their publisher says about them.

    Attributes:
        state: named tensors, in the layout of whoever saved them.
        name: for people and errors; never a path of this machine.
        origin: for the provenance.
        quick_gelu: the activation they were trained with; None where nobody says.
        image: ``interpolation`` and ``antialias``; empty where nobody says.
        normalisation: ``mean`` and ``std``; empty where nobody says.
    """

    state: foreign_weights.State
    name: str
    origin: dict[str, Any]
    quick_gelu: bool | None = None
    image: dict[str, Any] = field(default_factory=dict)
    normalisation: dict[str, Any] = field(default_factory=dict)


def read_source(source: str) -> Source:
    """Weights from a file, or from the hub: ``hf:OWNER/NAME`` or ``hf:OWNER/NAME/FILE``.

    Raises:
        DataError: no such file, or it cannot be read as weights.
        ConfigError: the hub's client is not installed.
    """
    path = _download(source.removeprefix(HUB)) if source.startswith(HUB) else Path(source).expanduser()
    name = source if source.startswith(HUB) else path.name
    state = foreign_weights.read(path)
    return Source(state, name, {"from": name, "sha256": _sha256(path)})


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _download(name: str) -> Path:
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not owner or not repository:
        raise ConfigError("a model of the hub", expected="hf:OWNER/NAME or hf:OWNER/NAME/FILE", got=HUB + name)
    hub = package("huggingface_hub")
    try:
        return Path(hub.hf_hub_download(f"{owner}/{repository}", file or HUB_FILE))
    except Exception as error:  # no network, no such repository, no such file: all of them one line for the user
        raise DataError(
            HUB + name,
            expected=f"to download {file or HUB_FILE}",
            got=_first_line(error),
            remedy="or download it yourself and name the file",
        ) from error


def read_tag(model: str, tag: str) -> Source:
    """Weights that open_clip publishes for a model under a tag.

    Raises:
        ConfigError: no such model or tag.
        DataError: the download failed.
    """
    model_settings(model)
    open_clip = package("open_clip")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag not in tags:
        raise ConfigError(f"pretrained tag of {model}", expected=f"one of {', '.join(tags) or 'none'}", got=repr(tag))
    quick_gelu = bool(open_clip.get_pretrained_cfg(model, tag).get("quick_gelu", False))
    try:
        loaded = open_clip.create_model(model, pretrained=tag, force_quick_gelu=quick_gelu)
    except Exception as error:  # the hub's, the network's and open_clip's own kinds
        raise DataError(f"{model} {tag}", expected="to download it", got=_first_line(error)) from error
    chosen = loaded.visual.preprocess_cfg
    bilinear = chosen.get("interpolation") == "bilinear"
    return Source(
        loaded.state_dict(),
        f"{model} {tag}",
        {"from": f"open_clip {model} {tag}"},
        quick_gelu,
        {"interpolation": "bilinear" if bilinear else "bicubic", "antialias": True},
        {"mean": tuple(chosen["mean"]), "std": tuple(chosen["std"])},
    )


def read_timm(model: str) -> Source:
    """The weights that timm publishes for a backbone; DataError when the download failed."""
    try:
        loaded = package("timm").create_model(model, pretrained=True)
    except Exception as error:
        raise DataError(f"timm {model}", expected="to download its weights", got=_first_line(error)) from error
    return Source(loaded.state_dict(), f"timm {model}", {"from": f"timm {model}"})


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
