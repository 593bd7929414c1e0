# SPDX-License-Identifier: Apache-2.0
"""What an encoder says beside what others say of the same pictures and texts, in every batch size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder, open_encoder
from liv_model.engines.gate import LEAST_COSINE
from liv_model.errors import LivError
from liv_model.samples import Samples


@dataclass(frozen=True)
class Reference:
    """Rows to compare with: of all sample pictures (clip included) and of all sample texts."""

    name: str
    images: np.ndarray
    texts: np.ndarray


def references(bundle: Bundle, samples: Samples) -> tuple[list[Reference], dict[str, str]]:
    """The bundle's own rows, OpenVINO's and PyTorch's; and by name, why one could not be had."""
    images = sample_images(samples)
    clip = [samples.clip.embeddings] if samples.clip else []
    found = [Reference("bundle", np.concatenate([samples.image_embeddings, *clip]), samples.text_embeddings)]
    lacking = {}
    for backend in ("openvino", "torch"):
        try:
            encoder = open_encoder(bundle, backend, precision="fp32")
        except LivError as error:
            lacking[backend] = str(error)
            continue
        rows = np.concatenate([encoder.encode_images(part) for part in _pieces(images, 8)])
        found.append(Reference(backend, rows, encoder.encode_texts(samples.texts)))
        encoder.close()
    return found, lacking


def sample_images(samples: Samples) -> np.ndarray:
    """All pictures of the samples, uint8 (N, S, S, 3)."""
    return np.concatenate([samples.images, samples.clip.images]) if samples.clip else samples.images


def compare(
    encoder: Encoder, samples: Samples, against: list[Reference], precision: str, max_batch: int
) -> dict[str, Any]:
    """Least cosines by reference and batch size: alone, every size up to the largest, and beyond it."""
    images, least = sample_images(samples), LEAST_COSINE[precision]
    sizes = sorted({*range(1, min(max_batch, 8) + 1), max_batch, max_batch + 1, 2 * max_batch + 1})
    rows = {size: np.concatenate([encoder.encode_images(part) for part in _pieces(images, size)]) for size in sizes}
    one_by_one = np.concatenate([encoder.encode_texts([text]) for text in samples.texts])
    together = encoder.encode_texts(samples.texts)
    table: dict[str, Any] = {}
    for reference in against:
        cosines = {f"images, batches of {size}": _least(rows[size], reference.images) for size in sizes}
        cosines["texts one by one"] = _least(one_by_one, reference.texts)
        cosines["texts together"] = _least(together, reference.texts)
        table[reference.name] = cosines
    worst = min(cosine for cosines in table.values() for cosine in cosines.values())
    return {"passed": bool(worst >= least), "least cosine": worst, "asked": least, "by reference": table}


def _least(rows: np.ndarray, reference: np.ndarray) -> float:
    """The least cosine of rows of unit norm; -1 where one is not finite, so that it cannot pass."""
    cosines = np.einsum("nd,nd->n", rows.astype(np.float64), reference.astype(np.float64))
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def _pieces(images: np.ndarray, size: int) -> list[np.ndarray]:
    return [images[begin : begin + size] for begin in range(0, len(images), size)]
