# SPDX-License-Identifier: Apache-2.0
"""What an engine is: a bundle's two towers, compiled or quantised for one device, in a folder of the user's cache.

Plain data, light to import: what is asked for (:class:`EngineSpec`) and what was built (:class:`Engine`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from liv_model.errors import BackendError

if TYPE_CHECKING:
    from liv_model.engines.gate import GateReport

ENGINE_BACKENDS = ("tensorrt", "openvino")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
MAX_TEXTS = 64  # texts per call that a TensorRT engine takes; a backend cuts longer lists into pieces
LARGEST_BATCH = 1024
GATE_FILE = "gate.json"


@dataclass(frozen=True)
class EngineSpec:
    """What engine is asked for.

    Attributes:
        backend: "tensorrt" or "openvino".
        precision: "fp32", "fp16", "bf16" (OpenVINO) or "int8".
        max_batch: most pictures per call (TensorRT; OpenVINO takes any number).
        targets: compute capabilities to build for, such as ("sm86", "sm89"); () is the GPU that is here. TensorRT
            for RTX only.
        device: the backend's own name of a device; "auto" is the first GPU (TensorRT) or the CPU (OpenVINO).

    Raises:
        BackendError: at construction, where a value is none of these.
    """

    backend: str
    precision: str
    max_batch: int = 4
    targets: tuple[str, ...] = ()
    device: str = "auto"

    def __post_init__(self) -> None:
        _require_one_of("engine backend", ENGINE_BACKENDS, self.backend)
        _require_one_of("engine precision", PRECISIONS, self.precision)
        if not isinstance(self.max_batch, int) or not 1 <= self.max_batch <= LARGEST_BATCH:
            raise BackendError("max batch", expected=f"1 to {LARGEST_BATCH} pictures per call", got=self.max_batch)
        for target in self.targets:
            if not re.fullmatch(r"sm\d{2,3}", target):
                raise BackendError("engine target", expected="a compute capability such as sm86", got=repr(target))
        if self.targets and self.backend != "tensorrt":
            raise BackendError(
                "engine targets", expected="none for OpenVINO", got=",".join(self.targets), remedy="leave out --target"
            )


@dataclass(frozen=True)
class Engine:
    """What was built. All its files lie in ``folder``, except that an OpenVINO fp32 engine reads the bundle's own.

    Attributes:
        folder: of the user's cache; also holds the gate's report and what the library keeps between starts
            (``runtime_cache``, ``blobs``).
        spec: what was asked for.
        library: what built it, such as "tensorrt 10.3.0", "tensorrt_rtx 1.4.0.76" or "openvino 2026.4.1".
        device: what it was built for, such as "NVIDIA GeForce RTX 4070 sm89", "sm86,sm89" or "CPU".
        vision: plan (TensorRT) or ONNX of that precision (OpenVINO): uint8 (B, S, S, 3) -> float32 (B, D).
        text: likewise, int64 (B, L) -> float32 (B, D).
    """

    folder: Path
    spec: EngineSpec
    library: str
    device: str
    vision: Path
    text: Path

    @property
    def runtime_cache(self) -> Path:
        """File in which TensorRT for RTX keeps what it compiled on the device."""
        return self.folder / "runtime.cache"

    @property
    def blobs(self) -> Path:
        """Folder in which OpenVINO keeps what it compiled for the device."""
        return self.folder / "blobs"

    def gate(self) -> GateReport | None:
        """What the gate found when this engine was first on its device; None before that."""
        from liv_model.engines.gate import GateReport

        return GateReport.load(self.folder / GATE_FILE)


def _require_one_of(what: str, known: tuple[str, ...], got: str) -> None:
    if got not in known:
        raise BackendError(what, expected=" | ".join(known), got=repr(got))
