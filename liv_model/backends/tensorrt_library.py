# SPDX-License-Identifier: Apache-2.0
"""What ``tensorrt`` and ``tensorrt_rtx`` are asked for beside running: their log, a plan's engine, a runtime cache.

The two modules have one interface (10.3 to 11.4 and RTX 1.7 were looked at); which one made a plan is written in
``Engine.library``, and only that one, in that version, is sure to read it.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any

from liv_model.cuda import Cuda
from liv_model.errors import BackendError, DeviceMemoryError, EngineError
from liv_model.whole_file import replace_bytes

_log = logging.getLogger(__name__)
_SAID_AT_MOST = 200  # characters of a message of TensorRT's
_DRIVER_PROBLEM = re.compile(r"cudaError (?:35|100|803|804)\b")  # too old, no device, mismatch, not compatible
_FAULTS_OF_A_PLAN = {"VERSION_MISMATCH", "UNSUPPORTED_CC", "MALFORMED_ENGINE"}
_REBUILD = "build the engine anew (`liv engine build`)"


def import_library(library: str) -> Any:
    """The module that made an engine, in the version that made it.

    Args:
        library: as in ``Engine.library``: "tensorrt 10.3.0".

    Raises:
        EngineError: another version is installed.
        BackendError: it is not installed, or will not load.
    """
    name, _, version = library.partition(" ")
    try:
        module = importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise BackendError(
            f"backend 'tensorrt', package {name}",
            expected="installed, with its libraries",
            got=error,
            remedy=f"install {name}, or use backend 'openvino'",
        ) from error
    if version != module.__version__:
        raise EngineError("engine", expected=f"one of {name} {module.__version__}", got=library, remedy=_REBUILD)
    return module


def is_rtx(trt: Any) -> bool:
    """Whether a module is TensorRT for RTX, which finishes compiling on the device and keeps a runtime cache."""
    return hasattr(trt, "IRuntimeCache")


@cache
def library_log(trt: Any) -> Any:
    """The log that is given to TensorRT: to Python's logging, with the last errors kept for messages of ours.

    One per process and module, for TensorRT heeds the first it is given and complains about others.
    """
    levels = {"INTERNAL_ERROR": logging.ERROR, "WARNING": logging.INFO}  # errors are raised, with the text

    class Log(trt.ILogger):
        """See :func:`library_log`."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=8)

        def log(self, severity: Any, message: str) -> None:
            """Called by TensorRT, from any thread."""
            if severity.name in ("INTERNAL_ERROR", "ERROR"):
                self.errors.append(message)
            _log.log(levels.get(severity.name, logging.DEBUG), "%s", message)

    return Log()


def refusal(log: Any, cuda: Cuda, what: str, *, needed: int, otherwise: type[BackendError]) -> BackendError:
    """The error for what TensorRT would not do: a DeviceMemoryError if that is what it says, else ``otherwise``.

    Args:
        log: of :func:`library_log`.
        cuda: the GPU.
        what: it would not do.
        needed: bytes that it takes at least.
        otherwise: EngineError where building anew may help, else BackendError.
    """
    said = " / ".join(log.errors)
    log.errors.clear()
    if re.search(r"out ?of ?memory|memory ?allocation|cannot allocate", said, re.IGNORECASE):
        return DeviceMemoryError.of(what, needed=needed, free=cuda.free_bytes())
    shown = " ".join(said.split())[:_SAID_AT_MOST] or "a refusal without words"
    if _DRIVER_PROBLEM.search(said):
        return BackendError(
            f"TensorRT, {what}", expected="a driver for it", got=shown, remedy="update the NVIDIA driver"
        )
    remedy = _REBUILD if otherwise is EngineError else "use backend 'openvino', and report what TensorRT said"
    return otherwise(f"TensorRT, {what}", expected="success", got=shown, remedy=remedy)


def load_engine(trt: Any, cuda: Cuda, plan: Path) -> Any:
    """A plan file as an ICudaEngine, its weights on the GPU.

    Raises:
        EngineError: it cannot be read, or was made by another version, for another GPU, or is cut short.
        DeviceMemoryError: the GPU has no room for it.
    """
    try:
        data = plan.read_bytes()
    except OSError as error:
        raise EngineError(str(plan), expected="a plan file", got=error.strerror, remedy=_REBUILD) from error
    log = library_log(trt)
    log.errors.clear()
    runtime = trt.Runtime(log)
    _require_valid(trt, cuda, runtime, plan, data)
    try:
        engine = runtime.deserialize_cuda_engine(data)
    except Exception as error:  # pybind11 turns C++ exceptions into several kinds
        log.errors.append(str(error))
        engine = None
    if engine is None:
        raise refusal(log, cuda, f"loading {plan}", needed=len(data), otherwise=EngineError)
    return engine


def _require_valid(trt: Any, cuda: Cuda, runtime: Any, plan: Path, data: bytes) -> None:
    """TensorRT for RTX can say beforehand, in one word, what is wrong; not all of it is the plan's fault."""
    if not hasattr(runtime, "get_engine_validity"):
        return
    validity, diagnostics = runtime.get_engine_validity(data)
    bits = trt.EngineInvalidityDiagnostics.__members__
    found = [name for name, bit in bits.items() if int(diagnostics) & int(bit)]
    if validity != trt.EngineValidity.INVALID or not found:  # invalid without a word: loading it will say more
        return
    if "INSUFFICIENT_GPU_MEMORY" in found:
        raise DeviceMemoryError.of(f"loading {plan}", needed=len(data), free=cuda.free_bytes())
    got = ", ".join(found)
    if _FAULTS_OF_A_PLAN.isdisjoint(found):
        raise BackendError(str(plan), expected="a driver that can run it", got=got, remedy="update the NVIDIA driver")
    raise EngineError(str(plan), expected="a plan for this GPU and version", got=got, remedy=_REBUILD)


class RuntimeCache:
    """What TensorRT for RTX compiled on the device, kept in a file, so that the next start does not compile again.

    It is written whenever something was compiled, not at the end: robots are switched off. A file that does not fit
    (other driver, other version, cut short) is refused by the library and written anew.
    """

    def __init__(self, file: Path):
        self._file = file
        self._cache: Any = None
        self._on_disk = b""

    def attach(self, config: Any) -> None:
        """Let a runtime configuration read from and write to this cache."""
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            self._load()
        config.set_runtime_cache(self._cache)

    def save(self) -> None:
        """Write what is new; a folder that cannot be written to costs the next start, not this one."""
        if self._cache is None:
            return
        data = bytes(memoryview(self._cache.serialize()))
        if data == self._on_disk:
            return
        try:
            replace_bytes(self._file, data)
        except OSError as error:
            _log.warning("runtime cache not kept, each start compiles anew: %s: %s", self._file, error.strerror)
        self._on_disk = data  # also when it could not be: once is enough to say so

    def close(self) -> None:
        """Let go of it; every context that uses it must be gone."""
        self._cache = None

    def _load(self) -> None:
        try:
            data = self._file.read_bytes()
        except OSError:
            return
        if self._cache.deserialize(data):
            self._on_disk = data
        else:
            _log.info("runtime cache of another driver, GPU or version, or damaged: %s is made anew", self._file)
