# SPDX-License-Identifier: Apache-2.0
"""The encoder: the one interface through which everything here sees a model."""

from __future__ import annotations

import importlib
from typing import Protocol

import numpy as np

from liv_model.bundle import Bundle
from liv_model.errors import BackendError, ImageError

_BACKENDS = {
    "openvino": "liv_model.backends.openvino",
    "torch": "liv_model.backends.torch",
    "tensorrt": "liv_model.backends.tensorrt",
}
BACKENDS = ("auto", *_BACKENDS)


class Encoder(Protocol):
    """Pictures and texts to unit vectors of one space. Every backend, wrapper and test double has exactly this.

    Attributes:
        model: identity of the model, ``name@digest``.
        backend: what runs it, such as ``openvino``.
        device: where, such as ``CPU``.
    """

    model: str
    backend: str
    device: str

    def encode_images(self, rgb: np.ndarray) -> np.ndarray:
        """Encode uint8 (B, S, S, 3) RGB to float32 (B, D), rows of unit norm."""
        ...

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode B texts to float32 (B, D), rows of unit norm; GoalError if one is empty or too long."""
        ...

    def close(self) -> None:
        """Release the device's memory. The encoder cannot be used afterwards."""
        ...


def open_encoder(bundle: Bundle, backend: str = "auto", device: str = "auto", threads: int = 0) -> Encoder:
    """Load a bundle's model onto a device.

    Args:
        bundle: a verified bundle.
        backend: ``openvino``, ``tensorrt``, ``torch`` (the slow oracle), or ``auto``: what serves this machine best.
        device: the backend's own name of a device, or ``auto``.
        threads: CPU threads to use; 0 leaves it to the backend.

    Raises:
        BackendError: unknown backend, not installed, or it cannot serve here.
    """
    if backend not in BACKENDS:
        raise BackendError("backend", expected=" | ".join(BACKENDS), got=repr(backend))
    if threads < 0:
        raise BackendError("threads", expected="0 (the backend decides) or more", got=threads)
    name = "openvino" if backend == "auto" else backend
    try:
        module = importlib.import_module(_BACKENDS[name])
    except ModuleNotFoundError as error:
        raise BackendError(
            f"backend {name!r}",
            expected=f"the Python package {error.name!r}",
            got="not installed",
            remedy=f"pip install {error.name}, or use another backend",
        ) from error
    return module.open_encoder(bundle, device=device, threads=threads)


def require_squares(rgb: np.ndarray, size: int) -> np.ndarray:
    """Return ``rgb`` if it is uint8 (B, S, S, 3) with B >= 1, else raise ImageError."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 4 or rgb.shape[1:] != (size, size, 3):
        got = f"{rgb.dtype} {rgb.shape}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise ImageError("images to encode", expected=f"uint8 (B, {size}, {size}, 3)", got=got)
    if not len(rgb):
        raise ImageError("images to encode", expected="at least one", got="none")
    return rgb
