# SPDX-License-Identifier: Apache-2.0
"""What an engine that is asked for means on this machine: by which library in which version, and for which device."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liv_model import cuda
from liv_model.bundle import Bundle
from liv_model.engines.engine import MAX_TEXTS, Engine, EngineSpec
from liv_model.errors import BackendError
from liv_model.nvidia import TENSORRT_PACKAGES

RTX = "tensorrt_rtx"
_HALVES = {"fp16": "float16", "bf16": "bfloat16"}
_INSTALL = (
    "pip install -r requirements/engines.txt (TensorRT for RTX), take NVIDIA's packages or JetPack (TensorRT), "
    "or use backend 'openvino'"
)


@dataclass(frozen=True)
class Order:
    """An engine that is asked for, with all that it depends on. Build it with :func:`resolve`.

    Attributes:
        bundle: whose model.
        spec: what is asked for.
        library: "tensorrt 10.3.0", "tensorrt_rtx 1.7.1.116" or "openvino 2026.4.1".
        device: of which kind, as :class:`Engine` has it.
    """

    bundle: Bundle
    spec: EngineSpec
    library: str
    device: str

    @property
    def is_rtx(self) -> bool:
        """Whether it is for TensorRT for RTX, whose engines are for compute capabilities, not for a GPU."""
        return self.library.split()[0] == RTX

    @property
    def makes_files(self) -> bool:
        """Whether anything is built; OpenVINO reads the bundle's own graphs where they are as asked for."""
        return self.spec.backend == "tensorrt" or self.spec.precision == "int8"

    @property
    def targets(self) -> tuple[str, ...]:
        """Compute capabilities (TensorRT for RTX), else ()."""
        return tuple(self.device.split(",")) if self.is_rtx else ()

    @property
    def name(self) -> str:
        """Of its folder: readable, and its last part a digest of everything it depends on."""
        key = hashlib.sha256(json.dumps(self.key(), sort_keys=True).encode()).hexdigest()[:12]
        words = (self.bundle.name, self.library.split()[0], self.spec.precision, key)
        return "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)

    def key(self) -> dict[str, Any]:
        """All that an engine depends on, in words."""
        tensorrt = self.spec.backend == "tensorrt"
        size, length = self.bundle.image.size, self.bundle.context_length
        pictures, texts = (f"1..{self.spec.max_batch}", f"1..{MAX_TEXTS}") if tensorrt else ("any", "any")
        return {
            "model": self.bundle.identity,
            "backend": self.spec.backend,
            "library": self.library,
            "device": self.device,
            "precision": self.spec.precision,
            "max_batch": self.spec.max_batch if tensorrt else None,
            "images": f"uint8 ({pictures}, {size}, {size}, 3)",
            "tokens": f"int64 ({texts}, {length})",
        }

    def fits(self, about: dict[str, Any]) -> bool:
        """Whether an engine of the cache serves this order: built for it, for more pictures, or for more targets."""
        wanted = self.key()
        same = ("model", "backend", "library", "precision", "tokens")
        if any(about.get(name) != wanted[name] for name in same):
            return False
        if wanted["max_batch"] and not (about.get("max_batch") or 0) >= wanted["max_batch"]:
            return False
        if self.is_rtx:
            return set(self.targets) <= set(str(about.get("device")).split(","))
        return about.get("device") == self.device

    def engine(self, folder: Path, about: dict[str, Any]) -> Engine:
        """The engine of a folder that fits."""
        suffix = "plan" if self.spec.backend == "tensorrt" else "onnx"

        def file(tower: str) -> Path:
            own = f"{tower}.{suffix}"
            return folder / own if own in about["files"] else self.bundle.file(f"{tower}.onnx")

        return Engine(folder, self.spec, self.library, str(about["device"]), file("vision"), file("text"))


def resolve(bundle: Bundle, spec: EngineSpec) -> Order:
    """What a spec means here.

    Raises:
        BackendError: the library is not installed, there is no such device, or it does not take the precision.
    """
    if spec.backend == "tensorrt":
        if spec.precision == "bf16":
            expected = "fp32 | fp16 | int8"
            raise BackendError("precision of backend 'tensorrt'", expected=expected, got="bf16", remedy="take fp16")
        trt = import_tensorrt(spec)
        return Order(bundle, spec, f"{trt.__name__} {trt.__version__}", _gpu(trt, spec))
    library = f"openvino {_openvino_version()}"
    device = "CPU" if spec.device == "auto" else _openvino_device(spec.device)
    if spec.precision in _HALVES:
        _require_half(device, spec.precision)
    return Order(bundle, spec, library, device)


def import_tensorrt(spec: EngineSpec) -> Any:
    """The module ``tensorrt`` or ``tensorrt_rtx``; for named targets the latter, which alone builds for them."""
    names = [RTX] if spec.targets else list(TENSORRT_PACKAGES)
    name = next((name for name in names if importlib.util.find_spec(name) is not None), None)
    if name is None:
        what = "engine targets" if spec.targets else "backend 'tensorrt'"
        raise BackendError(
            what, expected=f"the Python package {' or '.join(names)}", got="not installed", remedy=_INSTALL
        )
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        raise BackendError(
            f"backend 'tensorrt', package {name}", expected="its libraries", got=error, remedy=_INSTALL
        ) from error


def _gpu(trt: Any, spec: EngineSpec) -> str:
    """What the engine is for: a GPU's name and capability, or the targets (TensorRT for RTX)."""
    if trt.__name__ != RTX:
        return str(cuda.find_device(spec.device))
    from liv_model.engines.tensorrt_build import known_targets

    known = known_targets(trt)
    targets = spec.targets or (_capability_here(spec, known),)
    for target in targets:
        if target not in known:
            raise BackendError(
                f"TensorRT for RTX {trt.__version__}, target",
                expected=" | ".join(known),
                got=target,
                remedy="install TensorRT (package tensorrt) for other GPUs, or use backend 'openvino'",
            )
    return ",".join(sorted(set(targets), key=known.index))


def _capability_here(spec: EngineSpec, known: tuple[str, ...]) -> str:
    try:
        return cuda.find_device(spec.device).target
    except BackendError as error:
        raise BackendError(
            "engine target",
            expected=f"a GPU in this machine, or the names of compute capabilities ({', '.join(known)})",
            got=error,
            remedy="to build for another machine give --target sm89, say; here, use backend 'openvino'",
        ) from error


def _require_half(device: str, precision: str) -> None:
    """Devices without that arithmetic compute in another one, and would not say so."""
    from liv_model.backends.openvino_core import core

    try:
        capabilities = core().get_property(device, "OPTIMIZATION_CAPABILITIES")
    except RuntimeError as error:
        raise BackendError("OpenVINO device", expected="one that is here", got=repr(device)) from error
    if precision.upper() not in capabilities:
        raise BackendError(
            f"precision {precision} with OpenVINO on {device}",
            expected=f"a device that computes in {_HALVES[precision]}",
            got=f"one that has {', '.join(capabilities)}",
            remedy="take precision int8 or fp32, or another device",
        )


def _openvino_device(name: str) -> str:
    """A device that OpenVINO has here, asked where one is named: nothing is built for what nobody has."""
    from liv_model.backends.openvino import find_device

    return find_device(name)


def _openvino_version() -> str:
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:  # not installed by pip
        pass
    try:
        return importlib.import_module("openvino").__version__.split("-")[0]
    except ImportError as error:
        raise BackendError(
            "backend 'openvino'",
            expected="the Python package 'openvino'",
            got="not installed",
            remedy="pip install openvino",
        ) from error
