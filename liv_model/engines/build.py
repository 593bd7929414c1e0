# SPDX-License-Identifier: Apache-2.0
"""Find an engine in the cache, or build it: once, by one process, whole or not at all."""

from __future__ import annotations

import importlib.metadata
import logging
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liv_model.engines.cache import EngineCache, Report, draft, is_whole, locked, publish
from liv_model.engines.engine import MAX_TEXTS, Engine, EngineSpec
from liv_model.engines.order import Order, import_tensorrt, resolve
from liv_model.errors import BackendError

if TYPE_CHECKING:
    import numpy as np

    from liv_model.bundle import Bundle

TOWERS = {"vision": "picture tower", "text": "text tower"}
_PACKAGES = {"fp32": ("onnx",), "fp16": ("onnx",), "bf16": ("onnx",), "int8": ("onnx", "onnxruntime", "nncf")}

_log = logging.getLogger(__name__)


def find(bundle: Bundle, spec: EngineSpec) -> Engine | None:
    """The engine that was built for this before, here or ahead elsewhere; None if there is none that is whole.

    An engine for more pictures per call, or (TensorRT for RTX) for more targets, is taken too.

    Raises:
        BackendError: the backend is not installed, or has no such device.
    """
    return _find(EngineCache(), resolve(bundle, spec))


def build(bundle: Bundle, spec: EngineSpec, *, report: Report | None = None) -> Engine:
    """Build an engine, unless it is there already.

    Processes that ask for the same engine at once wait for the first of them and take what it built.

    Args:
        bundle: a verified bundle.
        spec: what is asked for.
        report: told what is being done, and the share of that which is done, often; from any thread.

    Raises:
        BackendError: a package lacks, there is no such device or target, the model has an operator that the backend
            lacks, or no folder can be written to.
        BundleError: int8 is asked for, and the bundle has no samples to quantise with.
    """
    report = report or _say_nothing
    order, cache = resolve(bundle, spec), EngineCache()
    if found := _find(cache, order):
        return found
    root = cache.writable()
    folder = root / order.name
    try:
        with locked(folder, report):
            if found := _find(cache, order):  # by the process that was waited for
                return found
            with draft(folder) as new:
                begin = time.monotonic()
                _make(order, new, root, report)
                took_s = time.monotonic() - begin
                publish(new, folder, {**order.key(), **_provenance(order), "took_s": round(took_s, 1)})
    except OSError as error:
        raise BackendError(
            f"engine cache {root}",
            expected="room for an engine",
            got=error,
            remedy="free room there, or set XDG_CACHE_HOME to another folder",
        ) from error
    if order.makes_files:
        _log.info("engine %s built in %.1f s, kept in %s", order.name, took_s, root)
    built = _find(cache, order)
    if built is None:
        raise BackendError(f"engine {folder}", expected="what was built a moment ago", got="something else")
    return built


def _find(cache: EngineCache, order: Order) -> Engine | None:
    fitting = [(folder, about) for folder, about in cache.entries() if order.fits(about)]
    fitting.sort(key=lambda entry: (entry[1].get("max_batch") or 0, len(str(entry[1]["device"]))))  # the closest first
    return next((order.engine(folder, about) for folder, about in fitting if is_whole(folder, about)), None)


def _make(order: Order, new: Path, root: Path, report: Report) -> None:
    """Fill a folder with the files of an engine. OpenVINO reads the bundle's own graphs where they are as asked for."""
    if order.spec.backend == "tensorrt":
        _make_plans(order, new, root, report)
    elif order.makes_files:
        import onnx

        onnx.save(_graph(order, "vision", report), new / "vision.onnx")


def _make_plans(order: Order, new: Path, root: Path, report: Report) -> None:
    from liv_model.engines.tensorrt_build import Rows, build_plan

    trt = import_tensorrt(order.spec)
    if not order.is_rtx:
        _use_gpu(order)
    for tower, most in (("vision", order.spec.max_batch), ("text", MAX_TEXTS)):
        plan = build_plan(
            trt,
            TOWERS[tower],
            _graph(order, tower, report).SerializeToString(),
            Rows(usual=1, most=most),
            targets=order.targets,
            timing_cache=None if order.is_rtx else _timings(order, root),
            report=report,
        )
        (new / f"{tower}.plan").write_bytes(plan)


def _graph(order: Order, tower: str, report: Report) -> Any:
    """A tower's ONNX in the precision that is asked for."""
    import onnx

    from liv_model.engines.precision import to_precision

    what = f"bringing the {TOWERS[tower]} to {order.spec.precision}"
    report(what, 0.0)
    graph = to_precision(
        onnx.load(order.bundle.file(f"{tower}.onnx")),
        order.spec.precision,
        _pictures(order) if tower == "vision" and order.spec.precision == "int8" else None,
        tensorrt=order.spec.backend == "tensorrt",
        report=lambda share: report(what, share),
    )
    report(what, 1.0)
    return graph


def _pictures(order: Order) -> np.ndarray:
    """What int8 is calibrated on. Not the clip: on that the gate looks with eyes of its own."""
    from liv_model.samples import Samples

    samples = Samples.load(order.bundle)
    if samples.clip is None:
        _log.warning(
            "%s was exported without episodes, so int8 is calibrated on drawn pictures: what a camera sees may reach "
            "further, which the gate cannot notice; export it with --data of your task, or take another precision",
            order.bundle.identity,
        )
    return samples.images


def _use_gpu(order: Order) -> None:
    from liv_model import cuda

    cuda.Cuda(order.spec.device)  # becomes the GPU of this thread, for which TensorRT builds


def _timings(order: Order, root: Path) -> Path:
    """Beside all engines, so that the next model of the same layers is built in a fraction of the time."""
    return root / f"timing-{order.library}-{order.device}.cache".replace(" ", "_").replace("/", "_")


def _provenance(order: Order) -> dict[str, Any]:
    return {
        "made_of": {f"{tower}.onnx": order.bundle.manifest["files"][f"{tower}.onnx"] for tower in TOWERS},
        "made_with": {name: _version(name) for name in _PACKAGES[order.spec.precision]},
        "built_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _say_nothing(what: str, share: float) -> None:
    """The report of who wants none."""
