# SPDX-License-Identifier: Apache-2.0
"""Which embeddings may be scored for a goal: rule 2 of docs/semantics.md, live and in recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

NO_GOAL, MALFORMED, FOREIGN = "no goal", "malformed", "another model or activation"
EARLY, OUT_OF_ORDER = "from before the goal", "stamps out of order"
CAUSES = (NO_GOAL, MALFORMED, FOREIGN, EARLY, OUT_OF_ORDER)


class Labelled(Protocol):
    """What an embedding says of itself: the ROS message, or what was read of it in a bag."""

    camera: str
    model: str
    activation: str
    sequence: int


@dataclass(frozen=True)
class Admission:
    """What one goal takes of one camera.

    Attributes:
        camera: its name.
        model: identity of the model that encoded the goal.
        activation: of the encoder that accepted it.
        first_sequence: the first embedding of the camera that was seen after that.
        dim: numbers of an embedding, D.
    """

    camera: str
    model: str
    activation: str
    first_sequence: int
    dim: int

    def refusal(self, embedding: Labelled, vector: np.ndarray) -> str | None:
        """Why an embedding may not be scored, one of CAUSES; None where it may.

        Args:
            embedding: what it says of itself.
            vector: float32 (D,), its numbers.
        """
        if (embedding.model, embedding.activation) != (self.model, self.activation):
            return FOREIGN
        if embedding.sequence < self.first_sequence:
            return EARLY
        fits = embedding.camera == self.camera and len(vector) == self.dim
        return None if fits and np.isfinite(vector).all() else MALFORMED
