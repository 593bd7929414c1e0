# SPDX-License-Identifier: Apache-2.0
"""The bundle, and its engines with what the gate found of them."""

from __future__ import annotations

from collections.abc import Iterator

from liv_model.bundle import Bundle
from liv_model.doctor.finding import FAIL, OK, Finding
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


def _without_remedy(error: LivError) -> str:
    return str(error).removesuffix(f"; {error.remedy}") if error.remedy else str(error)
