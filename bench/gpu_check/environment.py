# SPDX-License-Identifier: Apache-2.0
"""What the check runs on, and whether it can run at all."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from liv_model.backends.tensorrt_library import is_rtx
from liv_model.engines.tensorrt_build import known_targets
from liv_model.errors import LivError
from liv_model.machine import processor
from liv_model.nvidia import Nvidia, has_cuda_python, nvidia, tensorrt_package

_PACKAGES = ("cuda-bindings", "numpy", "openvino", "onnx", "nncf", "torch")
_LOOKED_FOR = "an NVIDIA GPU with its driver, tensorrt or tensorrt_rtx, and cuda-python"


def require_tensorrt(found: Nvidia | None = None) -> Any:
    """The installed module, ``tensorrt`` or ``tensorrt_rtx``.

    Args:
        found: what :func:`liv_model.nvidia.nvidia` tells; asked if not given.

    Raises:
        LivError: what was looked for, what was found, and the remedy.
    """
    found = nvidia() if found is None else found
    if not found.gpus:
        raise _cannot(found.problem, "run it on a machine with one (in a container: docker run --gpus all)")
    gpu = f"{found.gpus[0].name} {found.gpus[0].capability}"
    name = tensorrt_package()
    if name is None:
        raise _cannot(f"{gpu} without either TensorRT", "docs/deploy.md says which of them this GPU takes")
    if not has_cuda_python():
        raise _cannot(f"{gpu} and {name} without cuda-python", "pip install cuda-python")
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise _cannot(
            f"{gpu} and a {name} that does not import: {error}", "install the one made for this driver"
        ) from error


def unsupported(trt: Any, capability: str) -> str:
    """Why this TensorRT cannot serve a GPU of this compute capability ("sm90"); "" where nothing is known against it.

    TensorRT for RTX names what it builds for. TensorRT does not; what it no longer knows, its build refuses.
    """
    if not is_rtx(trt) or capability in (known := known_targets(trt)):
        return ""
    return (
        f"this GPU ({capability}) is not supported by TensorRT for RTX {trt.__version__}, which knows "
        f"{', '.join(known)}; plain TensorRT is needed"
    )


def describe(trt: Any, found: Nvidia) -> dict[str, Any]:
    """Machine, GPU, driver and versions, for the report."""
    return {
        "processor": processor(),
        "memory MiB": _memory_mib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Jetson": _first_line("/etc/nv_tegra_release"),
        "python": platform.python_version(),
        "GPUs": [asdict(gpu) for gpu in found.gpus],
        "driver": found.driver,
        trt.__name__: trt.__version__,
        **{name: _version(name) for name in _PACKAGES},
    }


def _cannot(got: str, remedy: str) -> LivError:
    return LivError("GPU", expected=_LOOKED_FOR, got=got, remedy=remedy)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory_mib() -> int | None:
    line = _first_line("/proc/meminfo")
    return int(line.split()[1]) // 1024 if line else None


def _first_line(file: str) -> str | None:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
    except (OSError, IndexError):
        return None
