# SPDX-License-Identifier: Apache-2.0
"""One plan on a GPU: rows in, unit vectors out, with nothing allocated per call and one CUDA graph per batch size.

A batch size in use is a *program*: an execution context whose shapes never change again, and a CUDA graph of the
copy in, the inference and the copy out. One context per graph, because a graph is void once the shapes of its
context change (NVIDIA's advice, TensorRT issue 3798); the contexts share one scratch memory, since they run one
after the other in one stream.

Programs are few: 1, 2, 3 and 4 rows exactly (cameras), then powers of two up to the plan's largest batch; a batch
in between runs in the next larger program, with stale rows in the rest of the buffer. A larger one is cut up.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from liv_model.backends.tensorrt_library import RuntimeCache, is_rtx, library_log, refusal
from liv_model.cuda import Cuda
from liv_model.errors import BackendError, DeviceMemoryError, EngineError

_log = logging.getLogger(__name__)
_EXACT_BATCHES = 4
_REPLAY_WITHIN = 1e-3  # of a unit vector's element: a replayed graph must say what the run before it said


@dataclass(frozen=True)
class Rows:
    """What a plan must take and give.

    Attributes:
        what: "vision" or "text", for messages.
        shape: of one input row, such as (S, S, 3).
        dtype: of the input, such as "uint8".
        dim: D, length of one output row, float32.
    """

    what: str
    shape: tuple[int, ...]
    dtype: str
    dim: int


class Tower:
    """A plan, loaded. Used by one thread at a time.

    Args:
        trt: the module ``tensorrt`` or ``tensorrt_rtx``, or a double.
        cuda: the GPU; :meth:`Cuda.use` is the caller's to call.
        engine: the plan as an ICudaEngine; closed with the tower.
        rows: what it must take and give.
        stream: where everything runs.
        runtime_cache: shared by the towers of an engine (TensorRT for RTX).

    Attributes:
        max_batch: rows of its largest program.

    Raises:
        EngineError: the plan is not of this model.
        DeviceMemoryError: no room for the buffers; nothing is left allocated.
    """

    def __init__(self, trt: Any, cuda: Cuda, engine: Any, rows: Rows, stream: int, runtime_cache: RuntimeCache):
        self._trt, self._cuda, self._engine, self._rows, self._stream = trt, cuda, engine, rows, stream
        self._log = library_log(trt)
        self._runtime_cache = runtime_cache
        self._programs: dict[int, _Program] = {}
        self._no_room: set[int] = set()
        self._resources = ExitStack()
        self._done: int | None = None
        try:
            self._input, self._output = self._names()
            self.max_batch = self._require_rows()
            self._allocate()
            self._make_program(1)
        except BaseException:
            self.close()
            raise

    @property
    def graphs(self) -> dict[int, bool]:
        """By batch size in use, whether it runs as a CUDA graph."""
        return {batch: program.is_graph for batch, program in self._programs.items()}

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Rows (N, ...) of the plan's type to float32 (N, D), the caller's own; BackendError if the GPU fails."""
        results = np.empty((len(rows), self._rows.dim), np.float32)
        begin = 0
        while begin < len(rows):
            count = min(len(rows) - begin, self.max_batch)
            self._host_input[:count] = rows[begin : begin + count]
            program = self._program_for(count)
            count = min(count, program.batch)
            program.run()
            results[begin : begin + count] = self._host_output[:count]
            begin += count
        return results

    def gpu_ms(self, rows: np.ndarray) -> float:
        """Time on the GPU of one run of at most ``max_batch`` rows, the copies included: for benchmarks."""
        program = self._program_for(len(rows))
        count = min(len(rows), program.batch)
        self._host_input[:count] = rows[:count]
        begin, end = self._timing
        self._cuda.record(begin, self._stream)
        program.start()
        self._cuda.record(end, self._stream)
        self._cuda.wait(end)
        return self._cuda.elapsed_ms(begin, end)

    def close(self) -> None:
        """Release everything; idempotent."""
        if self._done is not None:
            self._settle()
        for program in self._programs.values():
            program.close()
        self._programs.clear()
        self._engine = self._host_input = self._host_output = self._done = None
        self._resources.close()

    def _program_for(self, count: int) -> _Program:
        """The smallest program for ``count`` rows; where the GPU has no room for it, the largest that is there."""
        batch = program_size(count, self.max_batch)
        if batch not in self._programs and batch not in self._no_room:
            try:
                self._make_program(batch)
            except DeviceMemoryError as error:
                self._no_room.add(batch)
                _log.warning("%s batches of %d are cut up from now on: %s", self._rows.what, batch, error)
        fitting = [size for size in self._programs if size >= batch]
        return self._programs[min(fitting) if fitting else max(self._programs)]

    def _make_program(self, batch: int) -> None:
        program = _Program(self, batch)
        self._programs[batch] = program
        self._runtime_cache.save()

    def _names(self) -> tuple[str, str]:
        engine, mode = self._engine, self._trt.TensorIOMode
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == mode.INPUT]
        outputs = [name for name in names if name not in inputs]
        if len(inputs) != 1 or len(outputs) != 1:
            raise self._not_ours(f"{len(inputs)} inputs and {len(outputs)} outputs", "one input and one output")
        return inputs[0], outputs[0]

    def _require_rows(self) -> int:
        """Compare the plan with what the model takes and gives; returns the largest batch of its profile."""
        largest = tuple(self._engine.get_tensor_profile_shape(self._input, 0)[2])
        found = (_kind(self._engine, self._input), largest[1:], _kind(self._engine, self._output))
        dim = tuple(self._engine.get_tensor_shape(self._output))[1:]
        expected = (self._rows.dtype.upper(), self._rows.shape, "FLOAT")
        if found != expected or dim != (self._rows.dim,):
            raise self._not_ours(f"{found} with outputs of {dim}", f"{expected} with outputs of ({self._rows.dim},)")
        return largest[0]

    def _not_ours(self, got: str, expected: str) -> EngineError:
        return EngineError(f"{self._rows.what} plan", expected=expected, got=got, remedy="build the engine anew")

    def _allocate(self) -> None:
        """Everything that a call will need, for the largest batch."""
        cuda, rows, keep = self._cuda, self._rows, self._resources
        shape, what = (self.max_batch, *rows.shape), f"{rows.what} batches of {self.max_batch}"
        self._host_input = cuda.allocate_pinned(shape, rows.dtype, what)
        keep.callback(cuda.free_pinned, self._host_input)
        self._host_output = cuda.allocate_pinned((self.max_batch, rows.dim), np.float32, what)
        keep.callback(cuda.free_pinned, self._host_output)
        self._device_input = self._on_device(self._host_input.nbytes, what)
        self._device_output = self._on_device(self._host_output.nbytes, what)
        self._scratch_bytes = int(self._engine.device_memory_size_v2)
        self._scratch = self._on_device(max(self._scratch_bytes, 1), f"activations of {what}")
        self._timing = self._event(timing=True), self._event(timing=True)
        self._done = self._event(timing=False)

    def _on_device(self, size: int, what: str) -> int:
        address = self._cuda.allocate(size, what)
        self._resources.callback(self._cuda.free, address)
        return address

    def _event(self, *, timing: bool) -> int:
        event = self._cuda.create_event(timing=timing)
        self._resources.callback(self._cuda.destroy_event, event)
        return event

    def _settle(self) -> None:
        """Nothing may be under way when memory is given back, even after a failure."""
        with suppress(BackendError):
            self._cuda.record(self._done, self._stream)
            self._cuda.wait(self._done)


class _Program:
    """A context of one batch size, with its CUDA graph where one can be had."""

    def __init__(self, tower: Tower, batch: int):
        self.batch = batch
        self._tower, self._cuda, self._stream = tower, tower._cuda, tower._stream
        self._graph: int | None = None
        self._context = self._config = None
        try:
            self._context = self._make_context()
            self._queue()  # TensorRT defers work to the first run with new shapes, RTX compiles here: do not capture it
            self._finish()
            self._graph = self._captured()
        except BaseException:
            self.close()
            raise

    @property
    def is_graph(self) -> bool:
        """Whether it runs as a CUDA graph."""
        return self._graph is not None

    def run(self) -> None:
        """From the pinned input to the pinned output; returns when it is there.

        None of this holds the GIL for long: cuda-bindings and ``execute_async_v3`` (call_guard<gil_scoped_release>
        in NVIDIA's pyCore.cpp) release it around each call, and waiting, where the time goes, is one such call.
        """
        self.start()
        self._finish()

    def start(self) -> None:
        """The same without waiting."""
        if self._graph is None:
            self._queue()
        else:
            self._cuda.launch(self._graph, self._stream)

    def close(self) -> None:
        """Release graph and context."""
        if self._graph is not None:
            self._cuda.destroy_graph(self._graph)
        self._graph = self._context = self._config = None

    def _make_context(self) -> Any:
        tower, trt = self._tower, self._tower._trt
        tower._log.errors.clear()
        self._config = _runtime_config(trt, tower._engine, tower._runtime_cache)
        context = tower._engine.create_execution_context(self._config)
        if context is None:
            raise self._refusal("an execution context", needed=tower._scratch_bytes)
        context.set_device_memory(tower._scratch, tower._scratch_bytes)
        shape = (self.batch, *tower._rows.shape)
        addresses = {tower._input: tower._device_input, tower._output: tower._device_output}
        if not context.set_input_shape(tower._input, shape) or not all(
            context.set_tensor_address(name, address) for name, address in addresses.items()
        ):
            raise self._refusal(f"shapes of {shape}")
        return context

    def _queue(self) -> None:
        tower = self._tower
        self._cuda.copy_to_device(tower._device_input, tower._host_input[: self.batch], self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise self._refusal("inference")
        self._cuda.copy_to_host(tower._host_output[: self.batch], tower._device_output, self._stream)

    def _finish(self) -> None:
        self._cuda.record(self._tower._done, self._stream)
        self._cuda.wait(self._tower._done)

    def _captured(self) -> int | None:
        """The graph of one run, if it can be had and says what the run before it said."""
        if hasattr(self._context, "is_stream_capturable") and not self._context.is_stream_capturable(self._stream):
            return self._without_graph("the engine cannot be captured")
        try:
            graph = self._capture()
        except BackendError as error:
            return self._without_graph(str(error))
        output = self._tower._host_output[: self.batch]
        said = output.copy()
        output[...] = np.nan
        try:
            self._cuda.launch(graph, self._stream)
            self._finish()
        except BackendError:
            self._cuda.destroy_graph(graph)
            raise
        if np.allclose(output, said, atol=_REPLAY_WITHIN, rtol=0, equal_nan=True):
            return graph
        self._cuda.destroy_graph(graph)
        output[...] = said
        return self._without_graph("its replay differs from the run")

    def _capture(self) -> int:
        self._cuda.begin_capture(self._stream)
        try:
            self._queue()
        except BackendError:
            with suppress(BackendError):  # a capture that failed must still be ended
                self._cuda.destroy_graph(self._cuda.end_capture(self._stream))
            raise
        return self._cuda.end_capture(self._stream)

    def _without_graph(self, reason: str) -> None:
        _log.warning("%s batches of %d run without CUDA graph: %s", self._tower._rows.what, self.batch, reason)

    def _refusal(self, what: str, *, needed: int = 0) -> BackendError:
        what = f"{what} for {self._tower._rows.what} batches of {self.batch}"
        return refusal(self._tower._log, self._cuda, what, needed=needed, otherwise=BackendError)


def program_size(count: int, max_batch: int) -> int:
    """Rows of the program that ``count`` rows run in, 1 <= count <= max_batch."""
    if count <= _EXACT_BATCHES:
        return count
    return min(1 << (count - 1).bit_length(), max_batch)


def _runtime_config(trt: Any, engine: Any, runtime_cache: RuntimeCache) -> Any:
    """What a context is created with: its scratch memory is ours to give."""
    strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
    if not is_rtx(trt):
        return strategy
    config = engine.create_runtime_config()
    config.set_execution_context_allocation_strategy(strategy)
    # By default kernels for a new shape are compiled in the background and swapped in later, behind the back of a
    # captured graph. Eagerly: they are compiled in the first run, before the capture, and never swapped.
    config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
    config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED  # the graphs are ours: they hold the copies too
    runtime_cache.attach(config)
    return config


def _kind(engine: Any, name: str) -> str:
    """A tensor's type, such as "UINT8", "INT64" or "FLOAT"."""
    return engine.get_tensor_dtype(name).name
