# SPDX-License-Identifier: Apache-2.0
"""The little of CUDA that an encoder needs, over cuda-python: a GPU, its memory, a stream, events and graphs.

Handles and addresses are plain integers, and whoever made something releases it: :class:`Cuda` is small enough that
a double can stand in for it (``test/model/fake_cuda.py``). Every return code is checked; a failure is a BackendError
that names the call and what the driver said of it.

Calls may come from any thread, one at a time per stream. CUDA remembers the current GPU per thread, so a thread
begins with :meth:`Cuda.use`.

The GIL: cuda-bindings releases it around every call from 12.9.1 and 13.0.0 on (its release notes), so that
:meth:`Cuda.wait` holds up one thread and not the process. Older ones hold it; requirements/engines.txt asks for newer.

What ran where: see docs/gpu_check.md.
"""

from __future__ import annotations

import ctypes
import logging
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from liv_model.errors import BackendError, DeviceMemoryError

_log = logging.getLogger(__name__)
_RESTART = "restart the process: a GPU that has failed once serves this process no more"


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        index: CUDA's number of it.
        name: such as "NVIDIA GeForce RTX 4070".
        capability: compute capability, such as (8, 9).
        memory_bytes: all of its memory.
        multiprocessors: how many it has.
        integrated: whether it shares its memory with the processor (Jetson).
    """

    index: int
    name: str
    capability: tuple[int, int]
    memory_bytes: int
    multiprocessors: int
    integrated: bool

    @property
    def target(self) -> str:
        """The compute capability as engines are named for it: "sm89"."""
        return f"sm{self.capability[0]}{self.capability[1]}"

    def __str__(self) -> str:
        return f"{self.name} {self.target}"


def devices() -> list[Device]:
    """The GPUs that CUDA can use here, at least one.

    Raises:
        BackendError: cuda-python is not installed, there is no driver or too old a one, or no GPU.
    """
    runtime = _runtime()
    count = _call(runtime, "cudaGetDeviceCount")
    if not count:
        raise _no_gpu("a driver that finds none")
    return [_device(runtime, index) for index in range(count)]


def find_device(name: str = "auto") -> Device:
    """The GPU of a name: "auto" (the first), "cuda", "cuda:1", "gpu:1" or "1"; BackendError if there is none."""
    found = devices()
    match = re.fullmatch(r"auto|cuda|gpu|(?:(?:cuda|gpu):)?(\d+)", name.strip().lower())
    index = int(match[1] or 0) if match else len(found)
    if index >= len(found):
        known = " | ".join(["auto", *(f"cuda:{device.index} ({device})" for device in found)])
        raise BackendError("GPU", expected=known, got=repr(name))
    return found[index]


def versions() -> dict[str, str]:
    """Versions of cuda-bindings, of its CUDA and of the newest CUDA that the driver knows ("none" without a driver)."""
    import cuda.bindings

    runtime = _runtime()
    driver = _call(runtime, "cudaDriverGetVersion")
    return {
        "cuda-bindings": cuda.bindings.__version__,
        "CUDA": _version(_call(runtime, "cudaRuntimeGetVersion")),
        "newest CUDA of the driver": _version(driver) if driver else "none",
    }


class Cuda:
    """One GPU, through cuda-python.

    Args:
        device: see :func:`find_device`.

    Attributes:
        device: the GPU.
    """

    def __init__(self, device: str = "auto"):
        self.device = find_device(device)
        self._runtime = _runtime()
        self.use()

    def use(self) -> None:
        """Make this GPU the calling thread's."""
        self._call("cudaSetDevice", self.device.index)

    def free_bytes(self) -> int:
        """Memory of the GPU that nobody has."""
        return self._call("cudaMemGetInfo")[0]

    def allocate(self, size: int, what: str) -> int:
        """Address of ``size`` bytes on the GPU, aligned to 256; DeviceMemoryError names ``what`` it was for."""
        return self._allocated(self._runtime.cudaMalloc(size), "cudaMalloc", size, what)

    def free(self, address: int) -> None:
        """Give back what :meth:`allocate` gave."""
        self._release("cudaFree", address)

    def allocate_pinned(self, shape: tuple[int, ...], dtype: np.dtype | type, what: str) -> np.ndarray:
        """A zeroed array in page-locked memory, which the GPU copies from and to without a detour."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self._allocated(self._runtime.cudaMallocHost(size), "cudaMallocHost", size, what)
        array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(dtype).reshape(shape)
        array[...] = 0
        return array

    def free_pinned(self, array: np.ndarray) -> None:
        """Give back what :meth:`allocate_pinned` gave; nobody may touch the array afterwards."""
        self._release("cudaFreeHost", array.ctypes.data)

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""
        return _handle(self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking))

    def destroy_stream(self, stream: int) -> None:
        """Release a stream."""
        self._release("cudaStreamDestroy", stream)

    def create_event(self, *, timing: bool = False) -> int:
        """An event: a mark in a stream. Waiting for it sleeps instead of spinning: a robot needs its processor."""
        flags = self._runtime.cudaEventBlockingSync | (0 if timing else self._runtime.cudaEventDisableTiming)
        return _handle(self._call("cudaEventCreateWithFlags", flags))

    def destroy_event(self, event: int) -> None:
        """Release an event."""
        self._release("cudaEventDestroy", event)

    def record(self, event: int, stream: int) -> None:
        """Put the mark behind all that the stream holds so far."""
        self._call("cudaEventRecord", event, stream)

    def wait(self, event: int) -> None:
        """Sleep until the GPU has reached the mark. Failures of what ran before it surface here."""
        self._call("cudaEventSynchronize", event)

    def elapsed_ms(self, begin: int, end: int) -> float:
        """Time of the GPU between two marks (of ``timing=True``) that it has reached."""
        return self._call("cudaEventElapsedTime", begin, end)

    def copy_to_device(self, address: int, array: np.ndarray, stream: int) -> None:
        """Queue a copy from a pinned, contiguous array to the GPU."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, kind, stream)

    def copy_to_host(self, array: np.ndarray, address: int, stream: int) -> None:
        """Queue a copy from the GPU to a pinned, contiguous array."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, kind, stream)

    def begin_capture(self, stream: int) -> None:
        """From here on this thread's work for the stream is written down instead of done."""
        # Thread-local: another thread that allocates meanwhile (a bundle being loaded) does not break the capture.
        self._call(
            "cudaStreamBeginCapture", stream, self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        )

    def end_capture(self, stream: int) -> int:
        """What was written down since :meth:`begin_capture`, as a graph ready to launch."""
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return _handle(self._call("cudaGraphInstantiate", graph, 0))
        finally:
            self._release("cudaGraphDestroy", graph)

    def launch(self, graph: int, stream: int) -> None:
        """Queue a graph."""
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        """Release a graph."""
        self._release("cudaGraphExecDestroy", graph)

    def _call(self, function: str, *arguments: Any) -> Any:
        return _call(self._runtime, function, *arguments)

    def _allocated(self, result: tuple, function: str, size: int, what: str) -> int:
        error, address = result
        if error == self._runtime.cudaError_t.cudaErrorMemoryAllocation:
            self._runtime.cudaGetLastError()  # or the next call that asks for the last error finds this one
            raise DeviceMemoryError.of(what, needed=size, free=self.free_bytes())
        _require_success(self._runtime, function, error)
        return address

    def _release(self, function: str, *arguments: Any) -> None:
        """Releasing never raises: after a failure of the GPU every call reports that failure again."""
        try:
            _call(self._runtime, function, *arguments)
        except BackendError as error:
            _log.debug("not released: %s", error)


@cache
def _runtime() -> Any:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise BackendError(
            "CUDA",
            expected="the Python package cuda-bindings",
            got="not installed",
            remedy="pip install cuda-bindings of the driver's CUDA version (requirements/engines.txt)",
        ) from error
    return runtime


def _device(runtime: Any, index: int) -> Device:
    properties = _call(runtime, "cudaGetDeviceProperties", index)
    return Device(
        index=index,
        name=properties.name.decode(errors="replace").strip("\0 "),
        capability=(properties.major, properties.minor),
        memory_bytes=properties.totalGlobalMem,
        multiprocessors=properties.multiProcessorCount,
        integrated=bool(properties.integrated),
    )


def _call(runtime: Any, function: str, *arguments: Any) -> Any:
    """Call and check; returns the one value, several as a list, or None."""
    error, *values = getattr(runtime, function)(*arguments)
    _require_success(runtime, function, error)
    return values[0] if len(values) == 1 else values or None


def _require_success(runtime: Any, function: str, error: Any) -> None:
    errors = runtime.cudaError_t
    if error == errors.cudaSuccess:
        return
    if error == errors.cudaErrorNoDevice:
        raise _no_gpu("a driver that finds none")
    if error == errors.cudaErrorInsufficientDriver:
        raise _driver_problem(runtime)
    description = runtime.cudaGetErrorString(error)[1].decode()
    raise BackendError(f"GPU, {function}", expected="success", got=f"{error.name} ({description})", remedy=_RESTART)


def _driver_problem(runtime: Any) -> BackendError:
    driver = runtime.cudaDriverGetVersion()[1]
    if not driver:
        return _no_gpu("no NVIDIA driver")
    needed = _version(runtime.cudaRuntimeGetVersion()[1])
    return BackendError(
        "NVIDIA driver",
        expected=f"one for CUDA {needed.split('.')[0]}, as the installed cuda-bindings",
        got=f"one for CUDA {_version(driver)}",
        remedy=f"pip install 'cuda-bindings=={driver // 1000}.*', or update the driver",
    )


def _no_gpu(got: str) -> BackendError:
    return BackendError("GPU", expected="an NVIDIA GPU with its driver", got=got, remedy="use backend 'openvino'")


def _version(number: int) -> str:
    """12090 -> "12.9"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _handle(of_cuda_python: Any) -> int:
    """The integer of a stream, event or graph; int() of them is to go."""
    from cuda.bindings.utils import get_cuda_native_handle

    return get_cuda_native_handle(of_cuda_python)
