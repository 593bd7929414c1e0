# SPDX-License-Identifier: Apache-2.0
"""How weights move: the optimizer and its learning rate."""

from __future__ import annotations

import math

import torch

from training.config import OptimizerConfig


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Learning rate of step ``step`` (from 0) of ``steps``: linear rise, then constant or a cosine to 1 %."""
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.schedule == "constant":
        return config.learning_rate * rise
    done = max(0.0, (step - config.warmup_steps) / max(1, steps - config.warmup_steps))
    return config.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def make_optimizer(network: torch.nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Adam as released, or AdamW with decay on matrices and kernels only."""
    common = {"lr": config.learning_rate, "betas": config.betas, "eps": config.eps}
    if config.name == "adam":
        return torch.optim.Adam(network.parameters(), weight_decay=config.weight_decay, **common)
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, **common)
