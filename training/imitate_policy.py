# SPDX-License-Identifier: Apache-2.0
"""Cloning: a :class:`~liv_model.cloned_policy.Policy` that is trained to do what was demonstrated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from liv_model.cloned_policy import Policy

HIDDEN = 256


def clone(
    inputs: np.ndarray,
    actions: np.ndarray,
    *,
    model: str,
    instructions: Sequence[str],
    seed: int,
    steps: int = 3000,
    batch: int = 256,
) -> Policy:
    """Train two hidden layers to do what was demonstrated: mean squared error, AdamW at 0.001 falling to nothing.

    Args:
        inputs: float32 (T, I).
        actions: float32 (T, 4), within [-1, 1].
        model: whose embeddings the inputs hold.
        instructions: whose goals they hold.
        seed: of weights and batches.
        steps: of the optimizer.
        batch: decisions in each.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    # what never varies (a task's goal, where there is one task) must not be divided by nothing
    mean, scale = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-3)
    x, y = torch.from_numpy((inputs - mean) / scale), torch.from_numpy(actions)
    sizes = (inputs.shape[1], HIDDEN, HIDDEN)
    hidden = [m for i, o in pairwise(sizes) for m in (torch.nn.Linear(i, o), torch.nn.ReLU())]
    network = torch.nn.Sequential(*hidden, torch.nn.Linear(HIDDEN, actions.shape[1]), torch.nn.Tanh())
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=generator)
        loss = (network(x[rows]) - y[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    linear = [m for m in network if isinstance(m, torch.nn.Linear)]
    layers = tuple((m.weight.detach().numpy().copy(), m.bias.detach().numpy().copy()) for m in linear)
    return Policy(mean, scale, layers, model, tuple(instructions))
