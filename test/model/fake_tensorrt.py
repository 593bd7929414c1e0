# SPDX-License-Identifier: Apache-2.0
"""A double of the modules tensorrt and tensorrt_rtx: "plans" are ONNX files with a header, OpenVINO computes them.

So that the numbers are real and the rules are kept: a graph is void once its context's shapes change, the first run
with new shapes cannot be captured, weights and contexts take memory of the GPU until nobody refers to them, a plan
is read by its own version only, and RTX compiles for every new shape unless its runtime cache knows it.
"""

import enum
import functools
import json
import weakref
from types import SimpleNamespace

import numpy as np

from liv_model.backends.openvino_core import core
from liv_model.engines.engine import Engine, EngineSpec
from liv_model.errors import DeviceMemoryError

MAGIC = b"FAKEPLAN"
SCRATCH, CONTEXT = 4096, 1024
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class FakeLogger:
    Severity = Severity


def write_plan(file, graph, *, version, max_batch):
    file.write_bytes(MAGIC + json.dumps([version, max_batch]).encode() + b"\n" + graph.read_bytes())


def fake_engine(bundle, folder, *, library="tensorrt 10.3.0", max_batch=4, precision="fp32", targets=()):
    folder.mkdir(parents=True, exist_ok=True)
    plans = {name: folder / f"{name}.plan" for name in ("vision", "text")}
    for name, plan in plans.items():
        largest = max_batch if name == "vision" else 8
        write_plan(plan, bundle.file(f"{name}.onnx"), version=library.split()[1], max_batch=largest)
    spec = EngineSpec("tensorrt", precision, max_batch=max_batch, targets=targets)
    return Engine(folder, spec, library, "Fake GPU sm89", plans["vision"], plans["text"])


@functools.cache
def _compiled(graph):
    return core().compile_model(core().read_model(graph), "CPU", FLOAT32)


class FakeTensorRt:
    """The module. ``rtx`` adds what only TensorRT for RTX has."""

    ILogger = FakeLogger
    ExecutionContextAllocationStrategy = enum.Enum("ExecutionContextAllocationStrategy", "STATIC USER_MANAGED")
    TensorIOMode = enum.Enum("TensorIOMode", "INPUT OUTPUT")

    def __init__(self, cuda, *, version="10.3.0", rtx=False, capturable=True):
        self.__name__, self.__version__ = ("tensorrt_rtx" if rtx else "tensorrt"), version
        self.cuda, self.capturable = cuda, capturable
        self.contexts_made = self.compiled = 0
        self.refuses = None  # what execute_async_v3 says instead of running
        if rtx:
            self.IRuntimeCache = FakeRuntimeCache
            self.CudaGraphStrategy = enum.Enum("CudaGraphStrategy", "DISABLED WHOLE_GRAPH_CAPTURE")
            self.DynamicShapesKernelSpecializationStrategy = enum.Enum("Strategy", "LAZY EAGER NONE")
            self.EngineValidity = enum.Enum("EngineValidity", "VALID SUBOPTIMAL INVALID")
            names = "VERSION_MISMATCH UNSUPPORTED_CC OLD_CUDA_DRIVER INSUFFICIENT_GPU_MEMORY MALFORMED_ENGINE"
            self.EngineInvalidityDiagnostics = enum.IntFlag("EngineInvalidityDiagnostics", names)
            self.finds = ""  # what it finds wrong with every plan

    def Runtime(self, log):  # noqa: N802
        methods = {"deserialize_cuda_engine": lambda data: self._deserialize(log, data)}
        if hasattr(self, "EngineValidity"):
            methods["get_engine_validity"] = self._validity
        return SimpleNamespace(**methods)

    def _validity(self, data):
        diagnostics = self.EngineInvalidityDiagnostics
        if self.finds:
            return self.EngineValidity.INVALID, int(diagnostics[self.finds])
        if not data.startswith(MAGIC):
            return self.EngineValidity.INVALID, int(diagnostics.MALFORMED_ENGINE)
        if json.loads(data[len(MAGIC) :].split(b"\n")[0])[0] != self.__version__:
            return self.EngineValidity.INVALID, int(diagnostics.VERSION_MISMATCH)
        return self.EngineValidity.VALID, 0

    def _deserialize(self, log, data):
        def refuse(message):
            log.log(Severity.ERROR, message)

        if not data.startswith(MAGIC):
            return refuse("Serialization assertion header.magicTag failed")
        header, graph = data[len(MAGIC) :].split(b"\n", 1)
        version, max_batch = json.loads(header)
        if version != self.__version__:
            return refuse(f"Serialization assertion failed. Current Version: {self.__version__}, plan: {version}")
        try:
            model = _compiled(graph)
        except RuntimeError:
            return refuse("Error Code 1: Serialization (the plan is cut short)")
        try:
            return FakeEngine(self, log, model, max_batch, self.cuda.allocate(len(graph), "weights"))
        except DeviceMemoryError:
            return refuse(f"Error Code 2: OutOfMemory (Requested size was {len(graph)} bytes.)")


class FakeEngine:
    device_memory_size_v2 = SCRATCH
    num_io_tensors = 2

    def __init__(self, trt, log, model, max_batch, weights):
        self.trt, self.log, self.model, self.max_batch = trt, log, model, max_batch
        self.input, self.output = model.input(0).any_name, model.output(0).any_name
        weakref.finalize(self, trt.cuda.free, weights)

    def get_tensor_name(self, index):
        return (self.input, self.output)[index]

    def get_tensor_mode(self, name):
        modes = self.trt.TensorIOMode
        return modes.INPUT if name == self.input else modes.OUTPUT

    def get_tensor_dtype(self, name):
        port = self.model.input(0) if name == self.input else self.model.output(0)
        return SimpleNamespace(name={"u8": "UINT8", "i64": "INT64", "f32": "FLOAT"}[port.element_type.get_type_name()])

    def get_tensor_shape(self, name):
        port = self.model.input(0) if name == self.input else self.model.output(0)
        return [-1, *(dimension.get_length() for dimension in list(port.partial_shape)[1:])]

    def get_tensor_profile_shape(self, name, profile):
        row = self.get_tensor_shape(name)[1:]
        return [[1, *row], [1, *row], [self.max_batch, *row]]

    def create_runtime_config(self):
        return FakeRuntimeConfig()

    def create_execution_context(self, how):
        strategy = how.strategy if isinstance(how, FakeRuntimeConfig) else how
        assert strategy == self.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        try:
            memory = self.trt.cuda.allocate(CONTEXT, "a context")
        except DeviceMemoryError:
            self.log.log(Severity.ERROR, "Error Code 2: OutOfMemory (Requested size was 1024 bytes.)")
            return None
        self.trt.contexts_made += 1
        return FakeContext(self, how, memory)


class FakeContext:
    def __init__(self, engine, config, memory):
        self.engine, self.config, self.trt = engine, config, engine.trt
        self.shape, self.addresses, self.scratch = None, {}, None
        self.has_run = False
        self.request = engine.model.create_infer_request()
        weakref.finalize(self, engine.trt.cuda.free, memory)
        if hasattr(engine.trt, "IRuntimeCache"):
            self.is_stream_capturable = lambda stream: engine.trt.capturable

    def set_device_memory(self, address, size):
        assert size >= SCRATCH
        self.scratch = address

    def set_input_shape(self, name, shape):
        self.shape, self.has_run = tuple(shape), False
        return shape[0] <= self.engine.max_batch

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return name in (self.engine.input, self.engine.output)

    def execute_async_v3(self, stream):
        trt, cuda = self.trt, self.trt.cuda
        if trt.refuses:
            self.engine.log.log(Severity.ERROR, trt.refuses)
            return False
        if cuda.is_capturing and (not self.has_run or not trt.capturable):
            self.engine.log.log(Severity.ERROR, "operation not permitted when stream is capturing")
            return False
        if not self.has_run:
            self._compile()
        self.has_run = True
        shape, context, is_captured = self.shape, weakref.ref(self), cuda.is_capturing
        cuda.enqueue(stream, lambda: context()._compute(shape, is_captured))
        return True

    def _compile(self):
        if isinstance(self.config, FakeRuntimeConfig):
            key = f"{self.engine.input} {self.shape}"
            self.trt.compiled += key not in self.config.cache.kernels
            self.config.cache.kernels.add(key)

    def _compute(self, shape, is_captured):
        assert shape == self.shape, "the context's shapes changed under a graph"
        cuda = self.trt.cuda
        cuda.block(self.scratch, SCRATCH)[:] = 0
        dtype = np.uint8 if len(shape) == 4 else np.int64
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        rows = cuda.block(self.addresses[self.engine.input], size).view(dtype).reshape(shape)
        result = self.request.infer([rows])[0].copy()
        if is_captured and isinstance(self.config, FakeRuntimeConfig):
            eager = self.trt.DynamicShapesKernelSpecializationStrategy.EAGER
            result *= 1 if self.config.dynamic_shapes_kernel_specialization_strategy == eager else -1
        cuda.block(self.addresses[self.engine.output], result.nbytes)[:] = result.reshape(-1).view(np.uint8)


class FakeRuntimeCache:
    def __init__(self):
        self.kernels = set()

    def serialize(self):
        return b"CACHE" + json.dumps(sorted(self.kernels)).encode()

    def deserialize(self, data):
        if not data.startswith(b"CACHE"):
            return False
        self.kernels = set(json.loads(data[len(b"CACHE") :]))
        return True


class FakeRuntimeConfig:
    strategy = cache = None
    dynamic_shapes_kernel_specialization_strategy = cuda_graph_strategy = None

    def set_execution_context_allocation_strategy(self, strategy):
        self.strategy = strategy

    def create_runtime_cache(self):
        return FakeRuntimeCache()

    def set_runtime_cache(self, cache):
        self.cache = cache
        return True
