# SPDX-License-Identifier: Apache-2.0
"""From ONNX to a plan: TensorRT 10 and 11 (``tensorrt``) and TensorRT for RTX (``tensorrt_rtx``), by one path.

The network is strongly typed: every layer computes in the type that the ONNX says (:mod:`liv_model.engines.precision`),
so there are no precision flags and no calibrators, and nothing is silently another precision than asked for.
TensorRT compiles for the GPU that is here; TensorRT for RTX for named compute capabilities, without a GPU.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liv_model.backends.tensorrt_library import is_rtx, library_log
from liv_model.engines.cache import Report
from liv_model.errors import BackendError
from liv_model.whole_file import replace_bytes

_SAID_AT_MOST = 300  # characters of TensorRT's own words
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """How many rows an input has: the optimisation profile.

    Attributes:
        usual: what the kernels are chosen for.
        most: what the engine takes; the least is 1.
    """

    usual: int
    most: int


def build_plan(
    trt: Any,
    what: str,
    onnx: bytes,
    rows: Rows,
    *,
    targets: tuple[str, ...] = (),
    timing_cache: Path | None = None,
    report: Report,
) -> bytes:
    """Compile a graph with one input of shape (B, ...), B dynamic.

    Args:
        trt: the module ``tensorrt`` or ``tensorrt_rtx``.
        what: is being compiled, for messages.
        onnx: the serialised graph, with the types to compute in.
        rows: for what B.
        targets: compute capabilities such as "sm86" (TensorRT for RTX).
        timing_cache: file that remembers which kernels were fastest (TensorRT), read and written; None keeps none.
        report: told how far it has come.

    Raises:
        BackendError: there is no GPU (TensorRT), the graph has an operator that TensorRT lacks, or it cannot be built.
    """
    log = library_log(trt)
    log.errors.clear()
    builder = _builder(trt, log)
    network = builder.create_network(_strongly_typed(trt))
    _parse(trt, network, what, onnx)
    config = _configure(trt, builder, targets)
    config.add_optimization_profile(_profile(builder, network.get_input(0), rows))
    kept = None if timing_cache is None else _read_timings(config, timing_cache)
    monitor = _monitor(trt, f"compiling the {what}", report)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if monitor.raised is not None:
        raise monitor.raised
    if plan is None:
        raise _refusal(trt, f"compiling the {what}", "free memory of the GPU, or take another precision")
    if kept is not None:
        _write(timing_cache, config.get_timing_cache().serialize())
    return bytes(memoryview(plan))


def known_targets(trt: Any) -> tuple[str, ...]:
    """The compute capabilities that this TensorRT for RTX can build for: ("sm75", "sm80", ...)."""
    names = [name.lower() for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
    return tuple(sorted(names, key=lambda name: int(name[2:])))


def _builder(trt: Any, log: Any) -> Any:
    try:
        return trt.Builder(log)
    except Exception as error:  # pybind11 turns C++ exceptions into several kinds
        log.errors.append(str(error))
        raise _refusal(
            trt, "starting its builder", "an NVIDIA GPU and driver are needed; use backend 'openvino' without"
        ) from error


def _strongly_typed(trt: Any) -> int:
    """The flag, up to the version in which networks are nothing else."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Any, network: Any, what: str, onnx: bytes) -> None:
    parser = trt.OnnxParser(network, library_log(trt))
    if parser.parse(onnx):
        return
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    names = sorted({f"{error.node_operator()} ({error.node_name()})" for error in errors if error.node_operator()})
    said = errors[0].desc() if errors else ""
    raise BackendError(
        f"{trt.__name__} {trt.__version__}, {what}",
        expected="operators that it has",
        got=f"{', '.join(names[:3])}: {said}"[:_SAID_AT_MOST] if names else said[:_SAID_AT_MOST],
        remedy="use backend 'openvino', or export the model with other layers",
    )


def _configure(trt: Any, builder: Any, targets: tuple[str, ...]) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # float32 is float32: TF32 has no more digits than float16
    if is_rtx(trt):
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # without it there are no CUDA graphs
        config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            config.set_compute_capability(trt.ComputeCapability.__members__[target.upper()], index)
    return config


def _profile(builder: Any, tensor: Any, rows: Rows) -> Any:
    profile = builder.create_optimization_profile()
    rest = tuple(tensor.shape)[1:]
    profile.set_shape(tensor.name, (1, *rest), (rows.usual, *rest), (rows.most, *rest))
    return profile


def _refusal(trt: Any, what: str, remedy: str) -> BackendError:
    log = library_log(trt)
    said = " / ".join(" ".join(message.split()) for message in log.errors)
    log.errors.clear()
    return BackendError(
        f"{trt.__name__} {trt.__version__}, {what}",
        expected="success",
        got=said[:_SAID_AT_MOST] or "a refusal without words",
        remedy=remedy,
    )


def _read_timings(config: Any, file: Path) -> Any:
    try:
        data = file.read_bytes()
    except OSError:
        data = b""
    cache = config.create_timing_cache(data)
    if cache is None or not config.set_timing_cache(cache, False):  # damaged, or of another GPU or version
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _write(file: Path, data: Any) -> None:
    try:
        replace_bytes(file, bytes(memoryview(data)))
    except OSError as error:
        _log.warning("timing cache not kept, the next build takes as long again: %s: %s", file, error.strerror)


def _monitor(trt: Any, what: str, report: Report) -> Any:
    """TensorRT's progress monitor. What is raised in it (Ctrl-C) ends the build, and is raised again after it."""

    class Monitor(trt.IProgressMonitor):
        """Called by TensorRT, from several threads."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.raised: BaseException | None = None
            self._share = PhaseShare()

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._share.start(phase, parent, steps)
            self._tell()

        def phase_finish(self, phase: str) -> None:
            self._share.finish(phase)
            self._tell()

        def step_complete(self, phase: str, step: int) -> bool:
            self._share.step(phase, step)
            self._tell()
            return self.raised is None

        def _tell(self) -> None:
            try:
                report(what, self._share.value)
            except BaseException as error:  # must not travel through TensorRT's C++
                self.raised = error

    return Monitor()


class PhaseShare:
    """How much of nested phases is done, from what a progress monitor is told; never goes back."""

    def __init__(self) -> None:
        self._steps: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._parents: dict[str, str] = {}
        self._root: str | None = None
        self._value = 0.0

    @property
    def value(self) -> float:
        """In [0, 1]."""
        if self._root is not None:
            self._value = max(self._value, min(1.0, self._share(self._root)))
        return self._value

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase begins, within another one or as the whole."""
        self._steps[phase], self._done[phase] = max(1, steps), 0
        if parent:
            self._parents[phase] = parent
        elif self._root is None:
            self._root = phase

    def step(self, phase: str, step: int) -> None:
        """Step number ``step`` of a phase is done."""
        self._done[phase] = step + 1

    def finish(self, phase: str) -> None:
        """A phase is done; its parent counts it when it says so."""
        self._steps.pop(phase, None)
        self._parents.pop(phase, None)
        if phase == self._root:
            self._root, self._value = None, 1.0

    def _share(self, phase: str) -> float:
        if phase not in self._steps:
            return 1.0
        inner = [self._share(child) for child, parent in self._parents.items() if parent == phase]
        return (self._done[phase] + (max(inner) if inner else 0.0)) / self._steps[phase]
