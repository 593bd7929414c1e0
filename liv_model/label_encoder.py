# SPDX-License-Identifier: Apache-2.0
"""An encoder that shares the processors with what decodes its pictures."""

from __future__ import annotations

import os
import time
from statistics import median

import numpy as np

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder, open_encoder

_TRIALS, _DECODING_S = 5, 0.004  # a JPEG of 640x480 takes 2 ms, one of 1920x1080 8


def open_beside_decoder(bundle: Bundle, backend: str, device: str, threads: int, precision: str) -> Encoder:
    """See :func:`liv_model.encoder.open_encoder`; with ``threads`` 0 it gets as many as serve the whole best.

    Decoding takes a processor of its own. A model that is slower than decoding gets all of them all the same; a quicker
    one would only take from the decoder what it has to wait for, and gets one.
    """
    encoder = open_encoder(bundle, backend, device, threads, precision)
    if threads or (os.cpu_count() or 1) < 2 or not _is_quicker_than_decoding(encoder, bundle.image.size):
        return encoder
    encoder.close()
    return open_encoder(bundle, backend, device, 1, precision)


def _is_quicker_than_decoding(encoder: Encoder, size: int) -> bool:
    picture, seconds = np.zeros((1, size, size, 3), np.uint8), []
    for _ in range(_TRIALS):
        begin_s = time.perf_counter()
        encoder.encode_images(picture)
        seconds.append(time.perf_counter() - begin_s)
    return median(seconds) < _DECODING_S
