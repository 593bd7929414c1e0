# SPDX-License-Identifier: Apache-2.0
"""The bundle, and its engines with what the gate found of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from liv_model.bundle import Bundle
from liv_model.doctor.finding import FAIL, OK, WARN, Finding
from liv_model.engines.build import find
from liv_model.engines.cache import EngineCache
from liv_model.engines.choose import LADDER, choose_backend
from liv_model.engines.engine import GATE_FILE, EngineSpec
from liv_model.engines.gate import GateReport
from liv_model.errors import LivError
from liv_model.nvidia import Nvidia
from liv_model.samples import Samples


def check_bundle_and_engines(path: str | None, found: Nvidia) -> Iterator[Finding]:
    """Whether the bundle is whole and can be judged, then a line for each of its engines in the cache."""
    try:
        bundle = Bundle.load(path)
        samples = Samples.load(bundle)
    except LivError as error:
        yield Finding("bundle", FAIL, _without_remedy(error), error.remedy or "export it anew")
        return
    clip = "a clip" if samples.clip else "no clip"
    got = f"{bundle.identity}, verified; {len(samples.images)} sample images, {len(samples.texts)} texts, {clip}"
    yield Finding("bundle", OK, f"{got} ({bundle.path})")
    for folder, about in EngineCache().entries():
        if about.get("model") == bundle.identity:
            yield check_engine(folder, about)
    yield check_service(bundle, choose_backend(found)[0])


def check_engine(folder: Path, about: dict[str, Any]) -> Finding:
    """What the gate found of an engine, and where."""
    report = GateReport.load(folder / GATE_FILE)
    what = f"{about['precision']} for {about['device']}, {about['library']}"
    if report is None:
        return Finding("engine", OK, f"{what}: not judged yet, that is done at its first start ({folder})")
    got = f"{what}: {report}, {report.judged_at} on {report.place.device}, {report.place.driver}"
    if report.passed:
        return Finding("engine", OK, got)
    remedy = f"take another precision; `liv engine remove {folder.name}` has it built and judged anew"
    return Finding("engine", WARN, got, remedy)


def check_service(bundle: Bundle, backend: str) -> Finding:
    """What `precision: auto` will take here: the first of its choices that can be had and was not refused."""
    choices = [EngineSpec(name, p) for name in dict.fromkeys((backend, "openvino")) for p in LADDER[name]]
    passed_over = []
    for spec in choices:
        what = f"{spec.backend} {spec.precision}"
        try:
            engine = find(bundle, spec)
        except LivError as error:
            passed_over.append(f"{what} ({_without_remedy(error)})")
            continue
        report = engine.gate() if engine else None
        if report is not None and not report.passed:
            passed_over.append(f"{what} (refused by the gate)")
            continue
        got = f"{what}, {'passed' if report else 'to be judged at its first start'}"
        if not passed_over:
            return Finding("auto serves", OK, got)
        return Finding("auto serves", WARN, f"{got}; not {', '.join(passed_over)}", "see above")
    return Finding("auto serves", FAIL, f"nothing: {', '.join(passed_over)}", "see above, or export the bundle anew")


def _without_remedy(error: LivError) -> str:
    return str(error).removesuffix(f"; {error.remedy}") if error.remedy else str(error)
