# SPDX-License-Identifier: Apache-2.0
"""How long the encoder takes, in this process with nothing beside it."""

from __future__ import annotations

import time

import numpy as np

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder, open_encoder
from liv_model.timings import percentiles

BATCHES = (1, 2, 4, 8)
CALLS = 300
_WARM_UP = 20


def measure(bundle: Bundle) -> dict[str, dict[str, float]]:
    """Times of ``encode_images`` by batch and of ``encode_texts``, in ms."""
    encoder = open_encoder(bundle)
    size = bundle.image.size
    generator = np.random.default_rng(0)
    rows = {}
    for batch in BATCHES:
        rgb = generator.integers(0, 256, (batch, size, size, 3), np.uint8)
        rows[f"encode_images, batch {batch}"] = _time(lambda rgb=rgb: encoder.encode_images(rgb))
    rows["encode_texts, one text"] = _time(lambda: encoder.encode_texts(["open the drawer"]))
    rows["encode_images, batch 1, OpenVINO's own loop"] = _bare_loop(encoder, size)
    encoder.close()
    return rows


def _time(call) -> dict[str, float]:
    for _ in range(_WARM_UP):
        call()
    spent = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        call()
        spent.append((time.perf_counter() - begin) * 1e3)
    return {"n": CALLS, **percentiles(spent, 50, 99)}


def _bare_loop(encoder: Encoder, size: int) -> dict[str, float]:
    """The same inference without our checks and copies: what we add is the difference to batch 1."""
    request = encoder._one_image
    rgb = np.zeros((1, size, size, 3), np.uint8)
    return _time(lambda: request.infer([rgb], share_inputs=True))
