# SPDX-License-Identifier: Apache-2.0
"""A small world to learn: a coloured square that moves, and an instruction that says where to."""

from __future__ import annotations

import numpy as np

from training.episodes import Episode, EpisodeWriter

SIDE = 32
# task: instruction, colour, direction of travel (rows, columns)
SQUARES = {
    "red-right": ("move the red square to the right", (220, 40, 40), (0, 1)),
    "red-left": ("move the red square to the left", (220, 40, 40), (0, -1)),
    "blue-up": ("move the blue square up", (40, 60, 230), (-1, 0)),
    "blue-down": ("move the blue square down", (40, 60, 230), (1, 0)),
}


def square_episode(task: str, seed: int, *, success: bool = True) -> Episode:
    text, colour, direction = SQUARES[task]
    rng = np.random.default_rng(seed)
    length = int(rng.integers(10, 16))
    reach = 9 if success else 2
    frames = np.full((length, SIDE, SIDE, 3), 90, np.uint8)
    offset = rng.integers(-2, 3, 2)
    for t in range(length):
        place = 12 + offset + np.array(direction) * reach * (2 * t / (length - 1) - 1) * (1 if success else 0.3)
        row, column = place.round().astype(int)
        frames[t, max(0, row) : row + 8, max(0, column) : column + 8] = colour
    frames += rng.integers(0, 8, frames.shape, dtype=np.uint8)
    outcome = "success" if success else "random"
    return Episode(frames, np.arange(length) / 10.0, text, task, outcome, seed, "front", "squares")


def write_squares(path, seeds, *, failures: bool = False):
    with EpisodeWriter(path, SIDE, SIDE) as writer:
        for seed in seeds:
            for task in SQUARES:
                writer.append(square_episode(task, seed))
                if failures:
                    writer.append(square_episode(task, seed, success=False))
    return path
