# SPDX-License-Identifier: Apache-2.0
"""A cloned policy: a small network on what is seen, what is wanted and what the arm feels. NumPy alone.

It acts on the embeddings of one model, and names it. ``liv imitate`` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from liv_model.arrays_file import read_arrays
from liv_model.errors import DataError
from liv_model.whole_file import replacing

ACTION = 4  # x, y, z, gripper


@dataclass(frozen=True)
class Policy:
    """Hidden layers over standardised inputs; tanh at the end.

    Attributes:
        mean: float32 (I,), of the inputs.
        scale: float32 (I,), their standard deviations, above 0.
        layers: (weights (O, I), bias (O,)) of each layer, float32; the last gives ``ACTION`` numbers.
        model: whose embeddings it was cloned on: ``name@digest`` of a bundle, or what else its encoder is called.
        instructions: it was cloned on.

    Raises:
        DataError: the arrays do not fit each other, or hold what is no number.
    """

    mean: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    model: str
    instructions: tuple[str, ...]

    def __post_init__(self) -> None:
        arrays = [self.mean, self.scale, *(array for layer in self.layers for array in layer)]
        sizes = [self.mean.size, *(bias.size for _, bias in self.layers)]
        fitting = [(sizes[0],)] * 2 + [shape for i, o in pairwise(sizes) for shape in ((o, i), (o,))]
        shapes = [array.shape for array in arrays]
        if not self.layers or sizes[-1] != ACTION or shapes != fitting:
            raise DataError("policy", expected=f"layers that fit each other, the last of {ACTION}", got=shapes)
        if not all(np.isfinite(array).all() for array in arrays) or not (self.scale > 0).all():
            raise DataError("policy", expected="finite numbers, and scales above 0", got="others")

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
        halves = {name: array.astype(np.float16) for name, array in arrays.items()}
        words = {"model": np.array(self.model), "instructions": np.array(self.instructions)}
        with replacing(path) as file:
            np.savez_compressed(file, mean=self.mean, scale=self.scale, **halves, **words)

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read such a file; DataError if it is none."""
        try:
            stored = read_arrays(path)
            numbers = {name: array.astype(np.float32) for name, array in stored.items() if array.dtype.kind == "f"}
            count = sum(name.startswith("w") for name in numbers)
            layers = tuple((numbers[f"w{i}"], numbers[f"b{i}"]) for i in range(count))
            instructions = tuple(str(text) for text in stored["instructions"].ravel())
            return cls(numbers["mean"], numbers["scale"], layers, str(stored["model"]), instructions)
        except (OSError, ValueError, KeyError, DataError) as error:
            got = f"no {error}" if isinstance(error, KeyError) else error
            remedy = "make it anew: liv imitate --policy FILE"
            raise DataError(f"policy {path}", expected="an .npz of liv imitate", got=got, remedy=remedy) from error


def inputs_of(seen: np.ndarray, wanted: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """What a policy acts on, float32 (..., I): what is seen (..., D), the goal (D',), what the arm feels (..., 4).

    ``seen`` is the embedding of the picture, or the true state where that is the ceiling.
    """
    goal = np.broadcast_to(wanted, (*seen.shape[:-1], wanted.shape[-1]))
    return np.concatenate([seen, goal, felt], axis=-1).astype(np.float32)
