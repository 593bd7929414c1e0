# SPDX-License-Identifier: Apache-2.0
"""liv_model.cuda: what it makes of return codes, over a double of cuda-python; its calls, over the real one."""

import enum
from types import SimpleNamespace

import numpy as np
import pytest

from liv_model import cuda
from liv_model.errors import BackendError, DeviceMemoryError

Error = enum.Enum(
    "cudaError_t",
    "cudaSuccess cudaErrorNoDevice cudaErrorInsufficientDriver cudaErrorMemoryAllocation cudaErrorIllegalAddress",
)


class FakeRuntime:
    """cuda.bindings.runtime, as far as it is needed here: every call answers what ``answers`` says, or success."""

    cudaError_t = Error  # noqa: N815
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)  # noqa: N815

    def __init__(self, gpus=2, driver=13000):
        properties = SimpleNamespace(
            name=b"GeForce\0\0", major=8, minor=9, totalGlobalMem=1 << 33, multiProcessorCount=46, integrated=0
        )
        self.called = []
        self.answers = {
            "cudaGetDeviceCount": (Error.cudaSuccess, gpus),
            "cudaGetDeviceProperties": (Error.cudaSuccess, properties),
            "cudaDriverGetVersion": (Error.cudaSuccess, driver),
            "cudaRuntimeGetVersion": (Error.cudaSuccess, 13040),
            "cudaGetErrorString": (Error.cudaSuccess, b"an illegal memory access was encountered"),
            "cudaMemGetInfo": (Error.cudaSuccess, 3 << 20, 1 << 33),
        }

    def __getattr__(self, name):
        def call(*arguments):
            self.called.append((name, *arguments))
            return self.answers.get(name, (Error.cudaSuccess,))

        return call


@pytest.fixture
def runtime(monkeypatch):
    runtime = FakeRuntime()
    monkeypatch.setattr(cuda, "_runtime", lambda: runtime)
    return runtime


@pytest.mark.parametrize(
    ("name", "index"), [("auto", 0), ("cuda", 0), ("cuda:1", 1), ("GPU:1", 1), ("1", 1), (" 0 ", 0)]
)
def test_a_gpu_is_found_by_name(runtime, name, index):
    found = cuda.find_device(name)
    assert (found.index, found.target, str(found)) == (index, "sm89", "GeForce sm89")


@pytest.mark.parametrize("name", ["", "cuda:2", "7", "cpu", "cuda:", "-1", "cuda:x"])
def test_a_gpu_that_is_not_there(runtime, name):
    with pytest.raises(BackendError, match=r"GPU: expected auto \| cuda:0 \(GeForce sm89\) \| cuda:1"):
        cuda.find_device(name)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"cudaGetDeviceCount": (Error.cudaSuccess, 0)}, "got a driver that finds none"),
        ({"cudaGetDeviceCount": (Error.cudaErrorNoDevice, None)}, "got a driver that finds none"),
        (
            {
                "cudaGetDeviceCount": (Error.cudaErrorInsufficientDriver, None),
                "cudaDriverGetVersion": (Error.cudaSuccess, 0),
            },
            "got no NVIDIA driver; use backend 'openvino'",
        ),
        (
            {
                "cudaGetDeviceCount": (Error.cudaErrorInsufficientDriver, None),
                "cudaDriverGetVersion": (Error.cudaSuccess, 12060),
            },
            r"expected one for CUDA 13.* got one for CUDA 12\.6; pip install 'cuda-bindings==12\.\*'",
        ),
    ],
)
def test_no_gpu_says_why(runtime, answers, says):
    runtime.answers.update(answers)
    with pytest.raises(BackendError, match=says):
        cuda.devices()


def test_no_memory_says_how_much_was_needed_and_free(runtime):
    gpu = cuda.Cuda()
    runtime.answers["cudaMalloc"] = (Error.cudaErrorMemoryAllocation, None)
    with pytest.raises(DeviceMemoryError, match=r"GPU memory for buffers: expected 5\.0 MiB free, got 3\.0 MiB free"):
        gpu.allocate(5 << 20, "buffers")
    assert ("cudaGetLastError",) in runtime.called


def test_a_failure_names_call_and_reason(runtime):
    gpu = cuda.Cuda()
    runtime.answers["cudaEventSynchronize"] = (Error.cudaErrorIllegalAddress,)
    with pytest.raises(
        BackendError, match=r"GPU, cudaEventSynchronize: .* cudaErrorIllegalAddress \(an illegal memory"
    ):
        gpu.wait(1)


def test_releasing_never_raises(runtime):
    gpu = cuda.Cuda()
    for name in ("cudaFree", "cudaFreeHost", "cudaStreamDestroy", "cudaEventDestroy", "cudaGraphExecDestroy"):
        runtime.answers[name] = (Error.cudaErrorIllegalAddress,)
    gpu.free(1)
    gpu.free_pinned(np.zeros(1))
    gpu.destroy_stream(1)
    gpu.destroy_event(1)
    gpu.destroy_graph(1)


def test_pinned_memory_is_a_zeroed_array_over_what_cuda_gave(runtime):
    backing = np.full(48, 7, np.uint8)
    runtime.answers["cudaMallocHost"] = (Error.cudaSuccess, backing.ctypes.data)
    array = cuda.Cuda().allocate_pinned((2, 3), np.int64, "tokens")
    assert (array.shape, array.dtype) == ((2, 3), np.int64)
    assert not backing.any()
    array[1, 2] = 1
    assert backing[40] == 1


def test_the_real_cuda_python_takes_every_call_as_it_is_made(monkeypatch):
    """Without a driver each call is answered by the same error; a wrong number or kind of arguments would not be."""
    pytest.importorskip("cuda.bindings.runtime", reason="no module cuda.bindings")
    if cuda.versions()["newest CUDA of the driver"] != "none":
        pytest.skip("there is a driver here: calls with made-up handles are not for it")
    gpu = object.__new__(cuda.Cuda)
    gpu._runtime, gpu.device = cuda._runtime(), cuda.Device(0, "none", (8, 9), 0, 1, False)
    array = np.zeros((4, 4), np.uint8)
    for call in (
        gpu.use,
        gpu.free_bytes,
        lambda: gpu.allocate(64, "x"),
        lambda: gpu.allocate_pinned((4, 4), np.uint8, "x"),
        gpu.create_stream,
        gpu.create_event,
        lambda: gpu.create_event(timing=True),
        lambda: gpu.record(1, 2),
        lambda: gpu.wait(1),
        lambda: gpu.elapsed_ms(1, 2),
        lambda: gpu.copy_to_device(1, array, 2),
        lambda: gpu.copy_to_host(array, 1, 2),
        lambda: gpu.begin_capture(1),
        lambda: gpu.end_capture(1),
        lambda: gpu.launch(1, 2),
        cuda.devices,
    ):
        with pytest.raises(BackendError, match="got no NVIDIA driver"):
            call()
    for release in (gpu.free, gpu.destroy_stream, gpu.destroy_event, gpu.destroy_graph):
        release(1)
