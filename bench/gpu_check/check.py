# SPDX-License-Identifier: Apache-2.0
"""All steps, for each precision: build, open, gate, parity, soak, and what goes wrong on robots."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bench.gpu_check import faults, parity
from bench.gpu_check.soak import process_mib, soak
from liv_model.backends.tensorrt import TensorRtEncoder, open_encoder
from liv_model.bundle import Bundle
from liv_model.cuda import Cuda
from liv_model.engines.build import build
from liv_model.engines.engine import Engine, EngineSpec
from liv_model.engines.gate import judge
from liv_model.errors import LivError
from liv_model.samples import Samples

Say = Callable[[str], None]
Step = tuple[str, dict[str, Any]]
_TELL_EVERY_S = 5.0


@dataclass(frozen=True)
class Plan:
    """What to check.

    Attributes:
        bundle: the model.
        precisions: of the engines to build.
        calls: of the soak.
        max_batch: of the engines.
        device: such as "auto" or "cuda:1".
        fill_memory: whether to take all of the GPU's memory for a moment.
    """

    bundle: Bundle
    precisions: tuple[str, ...] = ("fp32", "fp16", "int8")
    calls: int = 10_000
    max_batch: int = 4
    device: str = "auto"
    fill_memory: bool = False


@dataclass(frozen=True)
class _Bench:
    """What every engine is checked with."""

    plan: Plan
    cuda: Cuda
    say: Say
    samples: Samples
    against: list[parity.Reference]


def check_all(plan: Plan, cuda: Cuda, say: Say) -> dict[str, Any]:
    """Every precision; a step that raises ends its precision, and the next one is tried.

    Returns:
        "engines": by precision, results by step, and what failed; "lacking": why a reference could not be had.
    """
    samples = Samples.load(plan.bundle)
    say("references: the bundle's own, OpenVINO, PyTorch")
    against, lacking = parity.references(plan.bundle, samples)
    bench = _Bench(plan, cuda, say, samples, against)
    return {"lacking": lacking, "engines": {precision: _check(bench, precision) for precision in plan.precisions}}


def passed(report: dict[str, Any]) -> bool:
    """Whether nothing in a report failed. That an engine's precision costs too much (its gate) is no failure."""
    return all(not engine["failed"] for engine in report["engines"].values()) and any(
        engine["steps"].get("gate", {}).get("passed") for engine in report["engines"].values()
    )


def _check(bench: _Bench, precision: str) -> dict[str, Any]:
    steps: dict[str, Any] = {}
    try:
        for name, result in _steps(bench, precision):
            steps[name] = result
            bench.say(f"{precision} {name}: {_outcome(result)}")
    except Exception as error:  # whatever it is, it belongs into the report, with what came before it
        said = str(error) if isinstance(error, LivError) else f"{error!r} in {traceback.format_exc().splitlines()[-3]}"
        bench.say(f"{precision}: {said}")
        return {"steps": steps, "failed": [said]}
    return {"steps": steps, "failed": _failed(steps)}


def _steps(bench: _Bench, precision: str) -> Iterator[Step]:
    """Name and result of each step, one after the other."""
    plan, cuda = bench.plan, bench.cuda
    spec = EngineSpec("tensorrt", precision, max_batch=plan.max_batch, device=plan.device)
    engine, seconds = _timed(lambda: build(plan.bundle, spec, report=_progress(bench.say)))
    yield "build", {"s": seconds, "library": engine.library, "device": engine.device, **_sizes(engine)}

    def open_one() -> TensorRtEncoder:
        return open_encoder(plan.bundle, engine, device=plan.device)

    free = cuda.free_bytes()
    encoder, seconds = _timed(open_one)
    try:
        yield "open", {"s": seconds, "GPU MiB": (free - cuda.free_bytes()) / 2**20, "device": encoder.device}
        gate = judge(encoder, bench.samples, precision, batch=plan.max_batch)
        yield "gate", asdict(gate) | {"said": str(gate)}
        if gate.passed:
            yield from _run(bench, engine, encoder, open_one)
    finally:
        encoder.close()
    again, seconds = _timed(open_one)
    again.close()
    yield "open again", {"s": seconds}


def _run(bench: _Bench, engine: Engine, encoder: TensorRtEncoder, open_one: faults.Open) -> Iterator[Step]:
    """What is asked of an engine that may serve."""
    plan, cuda, samples = bench.plan, bench.cuda, bench.samples
    images, sizes = parity.sample_images(samples), tuple(range(1, min(plan.max_batch, 8) + 1))
    yield "parity", parity.compare(encoder, samples, bench.against, engine.spec.precision, plan.max_batch)
    yield "CUDA graphs", _graphs(encoder)
    yield "soak", soak(encoder, images, samples.texts, plan.calls, sizes, lambda: memory(cuda))
    yield "GIL", faults.gil(encoder, images)
    yield "swap", faults.swap(encoder, open_one, images, cuda)
    if plan.fill_memory:
        yield "no memory left", faults.no_memory(encoder, open_one, images, cuda)
    yield "damaged plans", faults.damaged_plans(plan.bundle, engine)


def memory(cuda: Cuda) -> dict[str, float]:
    """MiB in use. Where the GPU shares the processor's memory (Jetson), the GPU's cannot be told apart: 0."""
    used = 0 if cuda.device.integrated else cuda.device.memory_bytes - cuda.free_bytes()
    return {"GPU": used / 2**20, "process": process_mib()}


def _graphs(encoder: TensorRtEncoder) -> dict[str, Any]:
    graphs = {tower: {str(batch): is_one for batch, is_one in sizes.items()} for tower, sizes in encoder.graphs.items()}
    return {"passed": all(is_one for sizes in graphs.values() for is_one in sizes.values()), **graphs}


def _sizes(engine: Engine) -> dict[str, float]:
    return {f"{file.stem} MiB": file.stat().st_size / 2**20 for file in (engine.vision, engine.text)}


def _progress(say: Say) -> Callable[[str, float], None]:
    """Tells now and then how far a build has come: minutes must not look dead."""
    told_s = time.monotonic()

    def report(what: str, share: float) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            say(f"{what}: {share:.0%}")

    return report


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begin_s = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin_s


def _outcome(result: dict[str, Any]) -> str:
    facts = [f"{key} {value:.4g}" for key, value in result.items() if isinstance(value, float)]
    verdict = {True: ["passed"], False: ["FAILED"]}.get(result.get("passed"), [])
    return ", ".join([*verdict, *facts]) or "done"


def _failed(steps: dict[str, Any]) -> list[str]:
    """Names of the steps that failed; a refusal by the gate is what the gate is for."""
    return [name for name, result in steps.items() if result.get("passed") is False and name != "gate"]
