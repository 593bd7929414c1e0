# SPDX-License-Identifier: Apache-2.0
"""A model that is ready to serve: its bundle, the engine that runs it, and what it makes of goals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder
from liv_model.goal import GoalResolver


@dataclass(frozen=True)
class LoadedModel:
    """A bundle with its encoder, warm. Build it with :func:`warm`.

    Attributes:
        bundle: verified.
        encoder: on its device, has passed the gate.
        resolver: of goals; uses the encoder.
    """

    bundle: Bundle
    encoder: Encoder
    resolver: GoalResolver

    @property
    def identity(self) -> str:
        """``name@digest``."""
        return self.bundle.identity

    def close(self) -> None:
        """Release the device."""
        self.encoder.close()


def warm(bundle: Bundle, encoder: Encoder, largest_batch: int) -> LoadedModel:
    """Do once what every call will need: first calls import, compile and allocate.

    Args:
        bundle: the encoder's.
        encoder: closed if something fails.
        largest_batch: pictures of the largest batch to expect.
    """
    try:
        size = bundle.image.size
        for batch in range(1, largest_batch + 1):
            encoder.encode_images(np.zeros((batch, size, size, 3), np.uint8))
        return LoadedModel(bundle, encoder, GoalResolver(bundle, encoder))
    except BaseException:
        encoder.close()
        raise
