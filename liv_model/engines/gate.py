# SPDX-License-Identifier: Apache-2.0
"""The gate: an engine is compared with the network that it was made of before it may serve.

Quantised and compiled models have come out silently wrong. So what an engine says of the bundle's samples, on the
very device that it will serve on, is held against what the network in PyTorch said of them at export. The finding is
kept beside the engine, with the device and driver that it is about, and is believed there alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liv_model.metrics import voc
from liv_model.whole_file import replace_json

if TYPE_CHECKING:
    from liv_model.encoder import Encoder
    from liv_model.samples import Samples

LEAST_COSINE = {"fp32": 0.9999, "fp16": 0.999, "bf16": 0.999, "int8": 0.99}
VOC_WITHIN = 0.01
NORM_WITHIN = 1e-3  # the final normalisation is float32 in every precision
BATCH = 4


@dataclass(frozen=True)
class Place:
    """What an engine's outputs depend on beside its files, whose sums are checked whenever it is found.

    Attributes:
        device: such as "NVIDIA GeForce RTX 4070 sm89", or the CPU's own name.
        driver: of the device, or the library where that is the driver, such as "openvino 2026.4.1".
    """

    device: str = ""
    driver: str = ""


@dataclass(frozen=True)
class GateReport:
    """What the gate found.

    Attributes:
        passed: whether the engine may serve.
        precision: of the engine: "fp32", "fp16", "bf16" or "int8".
        least_cosine: asked of every row.
        least_image_cosine: of all pictures, alone and in batches; NaN if an output is not finite.
        least_text_cosine: of all texts, likewise.
        voc: value-order correlation of the bundle's clip by this engine; None where the bundle has no clip.
        voc_reference: the same by the network.
        reasons: why it did not pass.
        remarks: what could not be looked at.
        place: where it was judged.
        judged_at: UTC, ISO 8601.
    """

    passed: bool
    precision: str
    least_cosine: float
    least_image_cosine: float
    least_text_cosine: float
    voc: float | None = None
    voc_reference: float | None = None
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    place: Place = Place()
    judged_at: str = ""

    def at(self, place: Place) -> GateReport:
        """The same, said of a place."""
        return replace(self, place=place)

    @property
    def numbers(self) -> str:
        """The finding in a few words: ``image cosine 0.99998, text cosine 1.00000, VOC 0.981 (reference 0.981)``."""
        cosines = f"image cosine {self.least_image_cosine:.5f}, text cosine {self.least_text_cosine:.5f}"
        if self.voc is None or self.voc_reference is None:
            return f"{cosines}, no clip to order"
        return f"{cosines}, VOC {self.voc:.3f} (reference {self.voc_reference:.3f})"

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "refused"
        because = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{verdict}{because}; {self.numbers}"

    def save(self, file: Path) -> None:
        """Write it whole or not at all; OSError if the folder cannot be written to."""
        replace_json(file, {key: _finite(value) for key, value in asdict(self).items()}, indent=2)

    @classmethod
    def load(cls, file: Path) -> GateReport | None:
        """Read it back; None where there is none, or none that this version can read (the engine is judged anew)."""
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            numbers = {key: _number(stored[key]) for key in ("least_image_cosine", "least_text_cosine")}
            orders = {key: None if stored[key] is None else float(stored[key]) for key in ("voc", "voc_reference")}
            return cls(
                **{
                    **stored,
                    **numbers,
                    **orders,
                    "passed": stored["passed"] is True,
                    "reasons": tuple(stored["reasons"]),
                    "remarks": tuple(stored["remarks"]),
                    "place": Place(**stored["place"]),
                }
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def judge(encoder: Encoder, samples: Samples, precision: str, *, batch: int = BATCH) -> GateReport:
    """Compare what an encoder says of the samples with the reference, row by row.

    Args:
        encoder: the engine, opened on its device.
        samples: pictures, texts and clip with their reference embeddings.
        precision: of the engine, which sets the least cosine.
        batch: pictures per call where they go together; every picture also goes alone.

    Returns:
        A failed report where an output is not finite, not of unit norm or of another shape, a cosine is below the
        least one, or the clip's value-order correlation is not within 0.01 of the reference's.
    """
    least = LEAST_COSINE[precision]
    together = max(2, batch)
    images = [
        _compare(what, _in_batches(encoder.encode_images, samples.images, size), samples.image_embeddings)
        for what, size in (("images one by one", 1), (f"images in batches of {together}", together))
    ]
    text = _compare("texts", encoder.encode_texts(samples.texts), samples.text_embeddings)
    order = order_of_reference = None
    if clip := samples.clip:
        seen = _in_batches(encoder.encode_images, clip.images, together)
        images.append(_compare("clip", seen, clip.embeddings))
        order = 0.0 if images[-1].fault else voc(seen @ encoder.encode_texts([clip.text])[0])
        order_of_reference = voc(clip.embeddings @ clip.goal)
    reasons = [reason for rows in (*images, text) for reason in rows.reasons(least)]
    if order is not None and not abs(order - order_of_reference) <= VOC_WITHIN:
        reasons.append(f"VOC {order:.3f}, expected {order_of_reference:.3f} within {VOC_WITHIN}")
    return GateReport(
        passed=not reasons,
        precision=precision,
        least_cosine=least,
        least_image_cosine=float(np.min([rows.least_cosine for rows in images])),  # NaN where one is
        least_text_cosine=text.least_cosine,
        voc=order,
        voc_reference=order_of_reference,
        reasons=tuple(reasons),
        remarks=() if samples.clip else ("the bundle has no clip: the order of values was not looked at",),
        judged_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


@dataclass(frozen=True)
class _Rows:
    """Embeddings beside their reference."""

    what: str
    least_cosine: float
    row: int
    fault: str = ""

    def reasons(self, least: float) -> list[str]:
        if self.fault:
            return [f"{self.what}: {self.fault}"]
        if self.least_cosine >= least:
            return []
        return [f"{self.what}: cosine {self.least_cosine:.5f} in row {self.row}, expected {least} or more"]


def _compare(what: str, rows: np.ndarray, expected: np.ndarray) -> _Rows:
    if rows.shape != expected.shape:
        return _Rows(what, math.nan, 0, f"shape {rows.shape}, expected {expected.shape}")
    rows = rows.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        return _Rows(what, math.nan, int(bad[0]), f"not finite in {len(bad)} of {len(rows)} rows")
    norms = np.linalg.norm(rows, axis=1)
    reference = np.linalg.norm(expected.astype(np.float64), axis=1)
    cosines = np.einsum("nd,nd->n", rows, expected) / np.maximum(norms * reference, np.finfo(np.float64).tiny)
    worst = int(np.argmin(cosines))
    off = np.abs(norms - 1).max()
    fault = f"norm off by {off:.2g}, expected unit vectors" if off > NORM_WITHIN else ""
    return _Rows(what, float(cosines[worst]), worst, fault)


def _in_batches(encode: Callable[[np.ndarray], np.ndarray], images: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([encode(images[i : i + size]) for i in range(0, len(images), size)])


def _finite(value: object) -> object:
    """NaN is not JSON."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
