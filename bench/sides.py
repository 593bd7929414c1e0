# SPDX-License-Identifier: Apache-2.0
"""The engines that are compared, each the same function: uint8 (B, S, S, 3) in, float32 (B, D) out.

A new one is a function and a row in ``OPENERS``.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from liv_model.bundle import Bundle

Encode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SideSpec:
    """What runs a bundle's picture tower.

    Attributes:
        kind: one of ``OPENERS``.
        bundle: its folder.
        precision: fp32, fp16, bf16 or int8.
        threads: of the CPU.
        device: "cpu" or "cuda".
        max_batch: most pictures a call.
    """

    kind: str
    bundle: str
    precision: str = "fp32"
    threads: int = 1
    device: str = "cpu"
    max_batch: int = 16

    @property
    def name(self) -> str:
        """For people, such as ``torch eager fp32``."""
        return f"{self.kind} {self.precision}"

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        return asdict(self)


@dataclass(frozen=True)
class Side:
    """An engine that is ready.

    Attributes:
        encode: the function.
        image_size: S.
        version: of what runs it.
        gate: what our gate said of it, where it was asked.
        gpu_ms: one call, between two CUDA events in its stream, its copies included; None on a CPU.
    """

    encode: Encode
    image_size: int
    version: str
    gate: str = ""
    gpu_ms: Callable[[np.ndarray], float] | None = None


def open_side(spec: SideSpec) -> Side:
    """Load what a specification asks for; whatever the engine raises if it cannot."""
    return OPENERS[spec.kind](spec, Bundle.load(spec.bundle))


def _ours(spec: SideSpec, bundle: Bundle, backend: str) -> Side:
    from liv_model.encoder import open_encoder

    encoder = open_encoder(bundle, backend, threads=spec.threads, precision=spec.precision, max_batch=spec.max_batch)
    gpu_ms = encoder.gpu_ms if backend == "tensorrt" else None
    return Side(encoder.encode_images, bundle.image.size, _version(backend), str(encoder.gate or ""), gpu_ms)


def _torch(spec: SideSpec, bundle: Bundle, compiled: bool) -> Side:
    import torch

    from bench.torch_network import gpu_timer, image_encoder, load_network, on_arrays

    torch.set_num_threads(spec.threads)
    half = spec.precision == "fp16"
    encode = image_encoder(load_network(bundle), device=spec.device, half=half, compiled=compiled)
    timer = gpu_timer(encode) if spec.device == "cuda" else None
    return Side(on_arrays(encode, spec.device), bundle.image.size, _version("torch"), gpu_ms=timer)


def _onnxruntime(spec: SideSpec, bundle: Bundle) -> Side:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = spec.threads, 1
    provider = "CPUExecutionProvider" if spec.device == "cpu" else "CUDAExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError(f"this onnxruntime has no {provider}")
    session = onnxruntime.InferenceSession(bundle.file("vision.onnx"), options, providers=[provider])
    name = session.get_inputs()[0].name
    return Side(lambda rgb: session.run(None, {name: rgb})[0], bundle.image.size, _version("onnxruntime"))


def _version(package: str) -> str:
    names = {"tensorrt": ("tensorrt", "tensorrt_rtx_cu13", "tensorrt_rtx")}.get(package, (package,))
    for name in names:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return package


OPENERS: dict[str, Callable[[SideSpec, Bundle], Side]] = {
    "OpenVINO": lambda spec, bundle: _ours(spec, bundle, "openvino"),
    "TensorRT": lambda spec, bundle: _ours(spec, bundle, "tensorrt"),
    "torch eager": lambda spec, bundle: _torch(spec, bundle, compiled=False),
    "torch.compile": lambda spec, bundle: _torch(spec, bundle, compiled=True),
    "ONNX Runtime": lambda spec, bundle: _onnxruntime(spec, bundle),
}
