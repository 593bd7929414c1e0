# SPDX-License-Identifier: Apache-2.0
"""The settings of a network: its two towers and the space they share. Plain data, without torch.

The ``kind`` of a tower says which class its settings are of, and what builds it: :mod:`liv_model.network` for our own
small towers, :mod:`liv_model.open_clip_towers` for those of open_clip and timm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from liv_model.errors import ConfigError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class VisionConfig:
    """Our own small picture tower.

    Attributes:
        kind: which family of towers; "cnn" is the small residual network.
        widths: channels of each stage; every stage after the first halves the resolution.
        blocks: residual blocks of each stage.
        stem: channels between the two stride-2 convolutions of the stem.
        head: channels kept per cell of the last map, which is read out with its positions.
        norm: "batch" or "group" (for batches too small or processes too many for batch statistics).
        mean: per channel, subtracted from RGB in [0, 1].
        std: per channel, divided by.
    """

    kind: str = "cnn"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    stem: int = 24
    head: int = 64
    norm: str = "batch"
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class TextConfig:
    """Our own small text tower.

    Attributes:
        kind: which family of towers; "transformer" is the small one.
        vocabulary: number of token ids.
        context_length: tokens per text, padding included.
        width: channels.
        layers: transformer blocks.
        heads: attention heads per block; divides ``width``.
    """

    kind: str = "transformer"
    vocabulary: int = 1024
    context_length: int = 32
    width: int = 128
    layers: int = 2
    heads: int = 4


@dataclass(frozen=True)
class OpenClipVision:
    """The picture tower of an open_clip model, projection included.

    Attributes:
        kind: "open_clip".
        model: its name in open_clip, such as "RN50" or "ViT-B-32".
        quick_gelu: whether its activation is ``x * sigmoid(1.702 x)``, as in OpenAI's models (and so in LIV), not
            GELU. A property of the weights, which no checkpoint states.
        mean: per channel, subtracted from RGB in [0, 1].
        std: per channel, divided by.
    """

    kind: str = "open_clip"
    model: str = "RN50"
    quick_gelu: bool = False
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class OpenClipText:
    """The text tower of an open_clip model that reads CLIP's own tokens.

    Attributes:
        kind: "open_clip".
        model: its name in open_clip; that of the picture tower, if that one is open_clip's too.
        quick_gelu: as for the picture tower.
        vocabulary: number of token ids.
        context_length: tokens per text, padding included.
    """

    kind: str = "open_clip"
    model: str = "RN50"
    quick_gelu: bool = False
    vocabulary: int = 49408
    context_length: int = 77


@dataclass(frozen=True)
class TimmVision:
    """A backbone of timm with its own pooling and a new linear layer to the embedding.

    Attributes:
        kind: "timm".
        model: its name in timm, such as "resnet50" (whose keys are torchvision's) or "vit_small_patch16_224".
        mean: per channel, subtracted from RGB in [0, 1].
        std: per channel, divided by.
    """

    kind: str = "timm"
    model: str = "resnet50"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


@dataclass(frozen=True)
class NetworkConfig:
    """Both towers and the space they share.

    Attributes:
        dim: size D of an embedding.
        image_size: side S of the square picture in pixels.
        vision: the picture tower; its ``kind`` says of which class its settings are.
        text: the text tower, likewise.
    """

    dim: int = 256
    image_size: int = 112
    vision: VisionConfig | OpenClipVision | TimmVision = field(default_factory=VisionConfig)
    text: TextConfig | OpenClipText = field(default_factory=TextConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as it stands in ``liv.yaml``."""
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            ConfigError: a key that is not a setting, or a kind of tower that is not known.
        """
        values = dict(values)
        for name, parts in (("vision", VISION_CONFIGS), ("text", TEXT_CONFIGS)):
            if isinstance(values.get(name), Mapping):
                part = of_kind(parts, values[name], f"network.{name}")
                values[name] = _build(part, values[name], f"network.{name}")
        return _build(cls, values, "network")


VISION_CONFIGS = (VisionConfig, OpenClipVision, TimmVision)
TEXT_CONFIGS = (TextConfig, OpenClipText)


def of_kind(classes: Sequence[type], values: Mapping[str, Any], where: str) -> type:
    """The class whose ``kind`` the values name; the first one if they name none.

    Raises:
        ConfigError: it is of none of the classes.
    """
    kinds = {part.kind: part for part in classes}
    kind = values.get("kind", classes[0].kind)
    if kind not in kinds:
        raise ConfigError(f"{where}.kind", expected=f"one of {sorted(kinds)}", got=repr(kind))
    return kinds[kind]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _build(cls: type, values: Mapping[str, Any], where: str) -> Any:
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(where, expected=f"keys of {sorted(known)}", got=unknown)
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
