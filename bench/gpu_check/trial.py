# SPDX-License-Identifier: Apache-2.0
"""Whether TensorRT for RTX computes on a GPU that it does not name: one matrix product, asked for in several ways."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.backends.tensorrt_library import library_log, load_engine
from liv_model.cuda import Cuda
from liv_model.errors import BackendError

_SIZE = 16
_COMPUTES = "built, loaded and computed"


def try_rtx(trt: Any, cuda: Cuda) -> dict[str, str]:
    """By what is asked for (no target, the current GPU, the newest of older targets): what came of it, in words."""
    older = [name for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
    older = [name for name in older if int(name[2:]) <= int(cuda.device.target[2:])]
    asked = {"no target": None, "CURRENT": "CURRENT", **{name: name for name in older[-1:]}}
    return {what: _outcome(lambda name=name: _compute(trt, cuda, name)) for what, name in asked.items()}


def _outcome(work: Callable[[], None]) -> str:
    try:
        work()
    except Exception as error:  # TensorRT raises several kinds; every one of them is an answer
        return f"{type(error).__name__}: {error}"
    return _COMPUTES


def _compute(trt: Any, cuda: Cuda, target: str | None) -> None:
    """Build, load and run x @ W, and compare it; raises where that fails."""
    weights = np.random.default_rng(0).normal(size=(_SIZE, _SIZE)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "trial.plan"
        plan.write_bytes(_build(trt, weights, target))
        engine = load_engine(trt, cuda, plan)
    context = engine.create_execution_context()
    if context is None:
        raise BackendError("a context", expected="one", got=_said(trt))
    stream, done = cuda.create_stream(), cuda.create_event()
    rows, result = (cuda.allocate_pinned((1, _SIZE), np.float32, "the trial") for _ in range(2))
    addresses = [cuda.allocate(rows.nbytes, "the trial") for _ in range(2)]
    try:
        rows[:] = np.arange(_SIZE)
        for name, address in zip(("rows", "result"), addresses, strict=True):
            context.set_tensor_address(name, address)
        cuda.copy_to_device(addresses[0], rows, stream)
        if not context.execute_async_v3(stream):
            raise BackendError("running it", expected="success", got=_said(trt))
        cuda.copy_to_host(result, addresses[1], stream)
        cuda.record(done, stream)
        cuda.wait(done)
        np.testing.assert_allclose(result, rows @ weights, rtol=1e-3, atol=1e-3)
    finally:
        for address in addresses:
            cuda.free(address)
        cuda.free_pinned(rows)
        cuda.free_pinned(result)
        cuda.destroy_event(done)
        cuda.destroy_stream(stream)


def _build(trt: Any, weights: np.ndarray, target: str | None) -> bytes:
    log = library_log(trt)
    log.errors.clear()
    builder = trt.Builder(log)
    network, config = builder.create_network(0), builder.create_builder_config()
    if target is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.__members__[target], 0)
    rows = network.add_input("rows", trt.float32, (1, _SIZE))
    constant, none = network.add_constant(weights.shape, weights).get_output(0), trt.MatrixOperation.NONE
    result = network.add_matrix_multiply(rows, none, constant, none).get_output(0)
    result.name = "result"
    network.mark_output(result)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError("building it", expected="success", got=_said(trt))
    return bytes(memoryview(plan))


def _said(trt: Any) -> str:
    return " ".join(" / ".join(library_log(trt).errors).split())[:300] or "a refusal without words"
