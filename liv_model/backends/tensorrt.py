# SPDX-License-Identifier: Apache-2.0
"""TensorRT: the model on the robot's NVIDIA GPU. Not there yet; asked for, it says so instead of falling back."""

from __future__ import annotations

from liv_model.bundle import Bundle
from liv_model.errors import BackendError


def open_encoder(bundle: Bundle, *, device: str = "auto", threads: int = 0):
    """Raise BackendError: this version serves no TensorRT engine."""
    raise BackendError(
        "backend 'tensorrt'",
        expected="a liv_ros with the TensorRT backend and an NVIDIA GPU",
        got="a version without it",
        remedy="use backend 'openvino'",
    )
