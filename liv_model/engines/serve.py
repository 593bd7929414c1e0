# SPDX-License-Identifier: Apache-2.0
"""From a bundle to an encoder that may serve: find or build the engine, open it, judge it where it is new.

Nothing is taken silently: which backend, device and precision serve, and what the gate found, is one log line; every
step back to something safer is a warning.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liv_model.engines import build as engines
from liv_model.engines.cache import remove
from liv_model.engines.choose import LADDER, choose_backend
from liv_model.engines.engine import GATE_FILE, Engine, EngineSpec
from liv_model.engines.gate import LEAST_COSINE, VOC_WITHIN, GateReport, Place, judge
from liv_model.errors import BackendError, EngineError, GateError, LivError
from liv_model.nvidia import nvidia
from liv_model.samples import Samples

if TYPE_CHECKING:
    from liv_model.bundle import Bundle
    from liv_model.encoder import Encoder
    from liv_model.engines.cache import Report

AUTO = "auto"
MODULES = {"openvino": "liv_model.backends.openvino", "tensorrt": "liv_model.backends.tensorrt"}
# What to ask for instead of a precision that was refused; fp32 where nothing is said.
SAFER = {("int8", "tensorrt"): "fp16"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """What an encoder is asked for.

    Attributes:
        backend: "openvino", "tensorrt" or "auto".
        device: the backend's own name, or "auto".
        threads: of the CPU; 0 leaves it to the backend.
        precision: "fp32", "fp16", "bf16", "int8" or "auto".
        max_batch: most pictures per call that an engine is built for (TensorRT).
    """

    backend: str = AUTO
    device: str = AUTO
    threads: int = 0
    precision: str = AUTO
    max_batch: int = 4

    def engines(self, backend: str) -> list[EngineSpec]:
        """The engines to try, in this order."""
        precisions = LADDER[backend] if self.precision == AUTO else (self.precision,)
        return [EngineSpec(backend, p, max_batch=self.max_batch, device=self.device) for p in precisions]


def serve(bundle: Bundle, wish: Wish, *, report: Report | None = None) -> Encoder:
    """Open an engine of a bundle that has passed the gate on its device.

    Args:
        bundle: a verified bundle.
        wish: what is asked for. With "auto" in it, what cannot serve or is refused gives way to the next choice, with
            a warning that says why; what is asked for by name is served or refused.
        report: told how far a build has come.

    Raises:
        GateError: the engine computes something else than its network.
        BackendError: no such device, a package lacks, the build failed, or the device has no room.
        BundleError: the bundle has nothing to judge an engine with.
    """
    backend, why = choose_backend() if wish.backend == AUTO else (wish.backend, "")
    backends = [backend] if wish.backend != AUTO or backend == "openvino" else [backend, "openvino"]
    left = [spec for name in backends for spec in wish.engines(name)]
    while True:
        spec = left.pop(0)
        try:
            encoder = _open_judged(bundle, spec, wish.threads, report)
        except (BackendError, GateError) as error:
            left = _instead(left, spec, error, wish)
            if not left:
                raise
            _log.warning("%s; going on with %s %s", error, left[0].backend, left[0].precision)
        else:
            because = f" (auto: {why})" if why and spec.backend == backend else ""
            _log.info("%s: %s; gate %s", bundle.identity, _what_serves(encoder) + because, encoder.gate)
            return encoder


def _instead(left: list[EngineSpec], failed: EngineSpec, error: LivError, wish: Wish) -> list[EngineSpec]:
    """What may be taken instead of what failed."""
    if isinstance(error, BackendError):  # not a matter of precision
        return [spec for spec in left if spec.backend != failed.backend]
    return left if wish.precision == AUTO else []


def _what_serves(encoder: Encoder) -> str:
    return f"{encoder.backend} {encoder.precision} on {encoder.device}"


def _open_judged(bundle: Bundle, spec: EngineSpec, threads: int, report: Report | None) -> Encoder:
    engine = engines.find(bundle, spec) or engines.build(bundle, spec, report=report)
    try:
        encoder = _open(bundle, engine, threads)
    except EngineError as error:
        _log.warning("%s; building it anew", error)
        _remove(engine)
        engine = engines.build(bundle, spec, report=report)
        encoder = _open(bundle, engine, threads)
    try:
        encoder.gate = _pass_gate(bundle, engine, encoder)
    except BaseException:
        encoder.close()
        raise
    return encoder


def _remove(engine: Engine) -> None:
    try:
        remove(engine)
    except OSError as error:  # made ahead, in a folder that is not ours to write to
        raise BackendError(
            f"engine {engine.folder}",
            expected="one that loads, or a folder that can be written to, to build it anew",
            got=error.strerror,
            remedy="remove it, or set XDG_CACHE_HOME to another folder",
        ) from error


def _open(bundle: Bundle, engine: Engine, threads: int) -> Encoder:
    name = engine.spec.backend
    try:
        module = importlib.import_module(MODULES[name])
    except ModuleNotFoundError as error:
        if str(error.name).startswith("liv_model"):
            raise
        raise BackendError(
            f"backend {name!r}",
            expected=f"the Python package {error.name!r}",
            got="not installed",
            remedy=f"pip install {error.name}, or use another backend",
        ) from error
    return module.open_encoder(bundle, engine, device=engine.spec.device, threads=threads)


def _pass_gate(bundle: Bundle, engine: Engine, encoder: Encoder) -> GateReport:
    """What the gate says of this engine here, judged now where that is not known; GateError if it is refused."""
    place, found = _place(engine, encoder), engine.gate()
    precision = engine.spec.precision
    if found is None or found.place != place or found.least_cosine != LEAST_COSINE[precision]:
        found = judge(encoder, Samples.load(bundle), precision, batch=engine.spec.max_batch).at(place)
        try:
            found.save(engine.folder / GATE_FILE)
        except OSError as error:
            _log.warning("%s: %s; the engine will be judged again at the next start", engine.folder, error.strerror)
    if not found.passed:
        raise _refusal(bundle, engine, encoder, found)
    return found


def _place(engine: Engine, encoder: Encoder) -> Place:
    """Where the engine runs: on another device, or with another driver, it is judged anew."""
    if encoder.backend == "openvino":  # "CPU" is what it calls every one of them; and the library is the driver
        return Place(f"{encoder.device} {encoder.device_name}", engine.library)
    return Place(encoder.device, nvidia().driver)


def _refusal(bundle: Bundle, engine: Engine, encoder: Encoder, found: GateReport) -> GateError:
    precision = engine.spec.precision
    safer = SAFER.get((precision, engine.spec.backend), "fp32")
    instead = f"use precision {safer}" if precision != safer else "use another backend, or export the bundle anew"
    anew = f"`liv engine remove {engine.folder.name}`"
    return GateError(
        f"{_what_serves(encoder)}, engine of {bundle.identity}",
        expected=f"the network's own outputs (cosine {found.least_cosine} or more, VOC within {VOC_WITHIN})",
        got=f"{found.numbers} ({'; '.join(found.reasons)})",
        remedy=f"{instead}; this engine will not be served, {anew} has it built anew",
    )
