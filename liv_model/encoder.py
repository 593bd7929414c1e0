# SPDX-License-Identifier: Apache-2.0
"""The encoder: the one interface through which everything here sees a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from liv_model.bundle import Bundle
from liv_model.errors import BackendError, ImageError

if TYPE_CHECKING:
    from liv_model.engines.cache import Report
    from liv_model.engines.gate import GateReport

BACKENDS = ("auto", "openvino", "torch", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")


class Encoder(Protocol):
    """Pictures and texts to unit vectors of one space. Every backend, wrapper and test double has exactly this.

    Attributes:
        model: identity of the model, ``name@digest``.
        backend: what runs it, such as ``openvino``.
        device: where, such as ``CPU``.
        precision: of the engine, such as ``fp16``.
        gate: what the gate found of the engine on this device; None for the network itself (``torch``).
    """

    model: str
    backend: str
    device: str
    precision: str
    gate: GateReport | None

    def encode_images(self, rgb: np.ndarray) -> np.ndarray:
        """Encode uint8 (B, S, S, 3) RGB to float32 (B, D), rows of unit norm."""
        ...

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode B texts to float32 (B, D), rows of unit norm; GoalError if one is empty or too long."""
        ...

    def close(self) -> None:
        """Release the device's memory. The encoder cannot be used afterwards."""
        ...


def open_encoder(
    bundle: Bundle,
    backend: str = "auto",
    device: str = "auto",
    threads: int = 0,
    precision: str = "auto",
    *,
    max_batch: int = 4,
    report: Report | None = None,
) -> Encoder:
    """Load a bundle's model onto a device; where its engine is not in the user's cache, that is built first.

    An engine serves once it has passed the gate on its device; see :mod:`liv_model.engines.gate`.

    Args:
        bundle: a verified bundle.
        backend: ``openvino``, ``tensorrt``, ``torch`` (the slow oracle), or ``auto``: what serves this machine best.
        device: the backend's own name of a device, or ``auto``.
        threads: CPU threads to use; 0 leaves it to the backend.
        precision: ``fp32``, ``fp16``, ``bf16``, ``int8``, or ``auto``: the fastest that is safe unasked.
        max_batch: most pictures per call that an engine is built for; more are cut into pieces (TensorRT).
        report: told what a build does and the share of it that is done, 0..1.

    Raises:
        BackendError: unknown backend, not installed, or it cannot serve here.
        GateError: the engine computes something else than its network.
        BundleError: the bundle has nothing to judge an engine with.
    """
    if backend not in BACKENDS:
        raise BackendError("backend", expected=" | ".join(BACKENDS), got=repr(backend))
    if precision not in PRECISIONS:
        raise BackendError("precision", expected=" | ".join(PRECISIONS), got=repr(precision))
    if threads < 0:
        raise BackendError("threads", expected="0 (the backend decides) or more", got=threads)
    if backend == "torch":
        return _open_network(bundle, device, threads, precision)
    from liv_model.engines.serve import Wish, serve

    return serve(bundle, Wish(backend, device, threads, precision, max_batch), report=report)


def _open_network(bundle: Bundle, device: str, threads: int, precision: str) -> Encoder:
    """The network itself, with which everything else is compared."""
    if precision not in ("auto", "fp32"):
        raise BackendError("precision of backend 'torch'", expected="auto | fp32", got=repr(precision))
    try:
        from liv_model.backends import torch
    except ModuleNotFoundError as error:
        raise BackendError(
            "backend 'torch'",
            expected=f"the Python package {error.name!r}",
            got="not installed",
            remedy=f"pip install {error.name}, or use another backend",
        ) from error
    return torch.open_encoder(bundle, device=device, threads=threads)


def require_squares(rgb: np.ndarray, size: int) -> np.ndarray:
    """Return ``rgb`` if it is uint8 (B, S, S, 3) with B >= 1, else raise ImageError."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 4 or rgb.shape[1:] != (size, size, 3):
        got = f"{rgb.dtype} {rgb.shape}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise ImageError("images to encode", expected=f"uint8 (B, {size}, {size}, 3)", got=got)
    if not len(rgb):
        raise ImageError("images to encode", expected="at least one", got="none")
    return rgb
