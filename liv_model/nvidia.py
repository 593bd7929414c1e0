# SPDX-License-Identifier: Apache-2.0
"""What this machine has of NVIDIA's: GPUs, the driver, TensorRT and cuda-python.

Asked of the driver itself (``libcuda``), so that it works without any Python package of NVIDIA's: on a desktop, a
Jetson and under WSL alike.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TENSORRT_PACKAGES = ("tensorrt", "tensorrt_rtx")  # the same API; the first that is there is used
_DRIVER_FILES = ("/sys/module/nvidia/version", "/etc/nv_tegra_release")  # desktop and server, Jetson
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, compute capability such as "sm87", and memory in bytes."""

    name: str
    capability: str
    memory: int


@dataclass(frozen=True)
class Nvidia:
    """What the NVIDIA driver tells.

    Attributes:
        gpus: those that can be used (CUDA_VISIBLE_DEVICES is honoured).
        driver: version, such as "570.86.10, CUDA 12.8"; "" without one.
        problem: why there is no GPU; "" if there is one.
    """

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    problem: str = ""


def nvidia(load: Callable[[str], Any] = ctypes.CDLL) -> Nvidia:
    """Ask the driver for its GPUs."""
    try:
        cuda = load("libcuda.so.1")
    except OSError:
        return Nvidia(problem="no NVIDIA driver")
    version = ctypes.c_int(0)
    cuda.cuDriverGetVersion(ctypes.byref(version))
    driver = f"{_driver_version()}CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    count = ctypes.c_int(0)
    error = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if error or not count.value:
        why = {100: "none that can be used", 0: "none that can be used"}.get(error, f"CUDA error {error}")
        return Nvidia(driver=driver, problem=f"NVIDIA driver, but {why}")
    return Nvidia(gpus=tuple(_gpu(cuda, index) for index in range(count.value)), driver=driver)


def tensorrt_package() -> str | None:
    """The Python module of TensorRT that is installed, ``tensorrt`` or ``tensorrt_rtx``; None without."""
    return next((name for name in TENSORRT_PACKAGES if importlib.util.find_spec(name) is not None), None)


def has_cuda_python() -> bool:
    """Whether cuda-python is installed, through which buffers and streams are made."""
    try:
        return importlib.util.find_spec("cuda.bindings") is not None
    except ModuleNotFoundError:  # no package ``cuda`` at all
        return False


def _gpu(cuda: Any, index: int) -> Gpu:
    device = ctypes.c_int(0)
    cuda.cuDeviceGet(ctypes.byref(device), index)
    name = ctypes.create_string_buffer(256)
    cuda.cuDeviceGetName(name, 256, device)
    memory = ctypes.c_size_t(0)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    major, minor = ctypes.c_int(0), ctypes.c_int(0)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    return Gpu(name.value.decode(errors="replace"), f"sm{major.value}{minor.value}", memory.value)


def _driver_version() -> str:
    for file in map(Path, _DRIVER_FILES):
        try:
            return file.read_text(errors="replace").splitlines()[0].strip() + ", "
        except (OSError, IndexError):
            continue
    return ""
