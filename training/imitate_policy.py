# SPDX-License-Identifier: Apache-2.0
"""The cloned policy: a small network on what is seen, what is wanted and what the arm feels. Acting: NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from liv_model.arrays_file import read_arrays
from liv_model.errors import DataError
from liv_model.whole_file import replacing

HIDDEN = 256


@dataclass(frozen=True)
class Policy:
    """Two hidden layers over standardised inputs; tanh at the end.

    Attributes:
        mean: float32 (I,), of the inputs.
        scale: float32 (I,), their standard deviations.
        layers: (weights (O, I), bias (O,)) of each layer, float32.
    """

    mean: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def act(self, inputs: np.ndarray) -> np.ndarray:
        """Actions float32 (..., 4) within [-1, 1] for inputs (..., I), as :func:`inputs_of` makes them."""
        x = (inputs - self.mean) / self.scale
        for weights, bias in self.layers[:-1]:
            x = np.maximum(x @ weights.T + bias, 0)
        weights, bias = self.layers[-1]
        return np.tanh(x @ weights.T + bias).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file in half precision, whole or not at all."""
        arrays = {f"{kind}{i}": a for i, layer in enumerate(self.layers) for kind, a in zip("wb", layer, strict=True)}
        with replacing(path) as file:
            halves = {name: array.astype(np.float16) for name, array in arrays.items()}
            np.savez_compressed(file, mean=self.mean, scale=self.scale, **halves)

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read such a file; DataError if it is none."""
        try:
            stored = read_arrays(path)
            count = sum(name.startswith("w") for name in stored)
            layers = tuple(tuple(stored[f"{kind}{i}"].astype(np.float32) for kind in "wb") for i in range(count))
            return cls(stored["mean"], stored["scale"], layers)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"policy {path}", expected="an .npz of liv imitate", got=error) from error


def inputs_of(seen: np.ndarray, wanted: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """What a policy acts on, float32 (..., I): what is seen (..., D), the goal (D',), what the arm feels (..., 4).

    ``seen`` is the embedding of the picture, or the true state where that is the ceiling.
    """
    goal = np.broadcast_to(wanted, (*seen.shape[:-1], wanted.shape[-1]))
    return np.concatenate([seen, goal, felt], axis=-1).astype(np.float32)


def clone(inputs: np.ndarray, actions: np.ndarray, *, seed: int, steps: int = 3000, batch: int = 256) -> Policy:
    """Train a policy to do what was demonstrated: mean squared error, AdamW at 0.001 falling to nothing.

    Args:
        inputs: float32 (T, I).
        actions: float32 (T, 4), within [-1, 1].
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
    return Policy(mean, scale, layers)
