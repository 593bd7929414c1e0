# SPDX-License-Identifier: Apache-2.0
"""The two towers: pictures and texts into one space of unit vectors.

A tower is built by its ``kind`` from a registry: small ones of this file, and those of open_clip and timm
(:mod:`liv_model.open_clip_towers`). Scaling and normalisation of pixels are part of the network: every caller
gives uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from liv_model import open_clip_towers
from liv_model.errors import ConfigError
from liv_model.network_config import NetworkConfig


class Block(nn.Module):
    """Two 3x3 convolutions and a skip (He et al., 2016): (B, C, H, W) -> (B, C', H/stride, W/stride)."""

    def __init__(self, channels: int, out: int, stride: int, norm: str):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            make_norm(norm, out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            make_norm(norm, out),
        )
        same = channels == out and stride == 1
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), make_norm(norm, out))
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.relu(self.body(x) + self.skip(x))


def make_norm(kind: str, channels: int) -> nn.Module:
    """A normalisation layer over ``channels``: "batch", or "group" of 8 channels each."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(max(1, channels // 8), channels)
    raise ConfigError("network.vision.norm", expected='"batch" or "group"', got=kind)


class CnnTower(nn.Module):
    """A small residual network: float (B, 3, S, S) -> (B, dim).

    The last map is flattened, not averaged: where the arm is in the picture is what progress is about.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        vision = config.vision
        if len(vision.widths) != len(vision.blocks) or not vision.widths:
            raise ConfigError("network.vision", expected="as many blocks as widths", got=(vision.widths, vision.blocks))
        channels = vision.widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(3, vision.stem, 3, 2, 1, bias=False),
            make_norm(vision.norm, vision.stem),
            nn.ReLU(inplace=True),
            nn.Conv2d(vision.stem, channels, 3, 2, 1, bias=False),
            make_norm(vision.norm, channels),
            nn.ReLU(inplace=True),
        ]
        cells = (config.image_size + 3) // 4
        for stage, (width, count) in enumerate(zip(vision.widths, vision.blocks, strict=True)):
            cells = (cells + 1) // 2 if stage else cells
            for block in range(count):
                layers.append(Block(channels, width, 2 if stage and not block else 1, vision.norm))
                channels = width
        self.body = nn.Sequential(*layers)
        self.reduce = nn.Conv2d(channels, vision.head, 1)
        self.project = nn.Linear(vision.head * cells * cells, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.body(x)  # (B, C, H, W)
        x = torch.relu(self.reduce(x))  # (B, head, H, W)
        return self.project(x.flatten(1))  # (B, dim)


class TextBlock(nn.Module):
    """A pre-norm transformer block: (B, L, W) with a mask (B, 1, 1, L), True at tokens -> (B, L, W)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        batch, length, width = x.shape
        qkv = self.attention_in(self.norm_attention(x))  # (B, L, 3W)
        qkv = qkv.reshape(batch, length, 3, self.heads, width // self.heads)  # (B, L, 3, H, W/H)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, L, W/H)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (B, H, L, W/H)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))  # (B, L, W)
        return x + self.mlp(self.norm_mlp(x))  # (B, L, W)


class TransformerTower(nn.Module):
    """A small transformer over tokens, mean over those that are not padding: int64 (B, L) -> (B, dim)."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        text = config.text
        if text.width % text.heads:
            raise ConfigError("network.text.heads", expected=f"a divisor of {text.width}", got=text.heads)
        self.tokens = nn.Embedding(text.vocabulary, text.width)
        self.positions = nn.Parameter(0.02 * torch.randn(text.context_length, text.width))
        self.blocks = nn.ModuleList(TextBlock(text.width, text.heads) for _ in range(text.layers))
        self.norm = nn.LayerNorm(text.width)
        self.project = nn.Linear(text.width, config.dim)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """See the class."""
        present = tokens != 0  # (B, L)
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]  # (B, L, W)
        for block in self.blocks:
            x = block(x, present[:, None, None, :])  # (B, L, W)
        weight = present[:, :, None].to(x.dtype)  # (B, L, 1)
        x = (self.norm(x) * weight).sum(1) / weight.sum(1).clamp(min=1.0)  # (B, W)
        return self.project(x)  # (B, dim)


TowerBuilder = Callable[[NetworkConfig], nn.Module]
VISION_TOWERS: dict[str, TowerBuilder] = {
    "cnn": CnnTower,
    "open_clip": open_clip_towers.vision_tower,
    "timm": open_clip_towers.timm_tower,
}
TEXT_TOWERS: dict[str, TowerBuilder] = {
    "transformer": TransformerTower,
    "open_clip": open_clip_towers.text_tower,
}
# Towers that are one model when both are of this kind: it is built once.
PAIRS: dict[str, Callable[[NetworkConfig], tuple[nn.Module, nn.Module]]] = {"open_clip": open_clip_towers.both_towers}


def _towers(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    if config.vision.kind == config.text.kind and config.vision.kind in PAIRS:
        return PAIRS[config.vision.kind](config)
    vision = _tower(VISION_TOWERS, config.vision.kind, "network.vision.kind")
    text = _tower(TEXT_TOWERS, config.text.kind, "network.text.kind")
    return vision(config), text(config)


def _tower(registry: dict[str, TowerBuilder], kind: str, where: str) -> TowerBuilder:
    if kind not in registry:
        raise ConfigError(where, expected=f"one of {sorted(registry)}", got=kind)
    return registry[kind]


class LivNetwork(nn.Module):
    """phi and psi: pictures and texts to unit vectors of one space."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.vision, self.text = _towers(config)
        # not part of the state dict: they are settings, and stand in the configuration
        for name in ("mean", "std"):
            channels = 255 * torch.tensor(getattr(config.vision, name)).reshape(1, 3, 1, 1)
            self.register_buffer(name, channels, persistent=False)

    @classmethod
    def from_config(cls, config: NetworkConfig | Mapping[str, Any]) -> LivNetwork:
        """A network with fresh weights from a configuration, or from the dict of ``liv.yaml``."""
        return cls(config if isinstance(config, NetworkConfig) else NetworkConfig.from_dict(config))

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 RGB (B, S, S, 3) -> float32 (B, 3, S, S), about zero mean and unit variance."""
        # permuting leaves the memory as channels_last, which convolutions on a CPU like best
        return (images.permute(0, 3, 1, 2).float() - self.mean) / self.std  # (B, 3, S, S)

    def encode_image(self, images: Tensor) -> Tensor:
        """uint8 RGB (B, S, S, 3) -> float32 (B, D), rows of unit norm."""
        return F.normalize(self.vision(self.normalise(images)).float(), dim=-1)  # (B, D)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """int64 (B, L), 0 is padding -> float32 (B, D), rows of unit norm."""
        return F.normalize(self.text(tokens).float(), dim=-1)  # (B, D)

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Both towers in one call, which is what training on many processes has to wrap."""
        return self.encode_image(images), self.encode_text(tokens)
