# SPDX-License-Identifier: Apache-2.0
"""How long a picture takes from the camera's bytes to its embedding: our engines beside others on the same weights."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.options import Options
from bench.pairs import digits, in_turns, ratios, spread
from bench.results import Section
from bench.side_process import SideError, SideProcess
from bench.sides import SideSpec
from liv_model.bundle import Bundle
from liv_model.progress_bar import progress_bar

EAGER = "torch eager"
EXACT = f"{EAGER} fp32"
OURS = ("OpenVINO", "TensorRT")
Turn = dict[str, list[float]]  # "ms", and on a GPU "gpu_ms": of each call


def measure(section: Section, bundle: Bundle, specs: list[SideSpec], options: Options) -> None:
    """Rows of one model for each batch and side; what cannot run here is skipped with its own words."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liv_bench_")))
        sides: dict[str, SideProcess] = {}
        for number, spec in enumerate(specs):
            try:
                sides[spec.name] = SideProcess(spec, folder / f"{number}.log")
                stack.callback(sides[spec.name].close)
            except SideError as failure:
                section.skip(f"{bundle.name}: {spec.name}", failure)
        for batch in options.batches:
            _measure_batch(section, bundle, sides, batch, options.rounds)


def _measure_batch(section: Section, bundle: Bundle, sides: dict[str, SideProcess], batch: int, rounds: int) -> None:
    turns, embeddings = {}, {}
    with progress_bar(f"encoders, {bundle.name}, batch {batch}", len(sides) * (rounds + 1), transient=True) as done:
        for name, side in list(sides.items()):
            try:
                calls, embeddings[name] = side.prepare(batch)
                turns[name] = lambda side=side, calls=calls: side.turn(calls)
            except SideError as failure:
                section.skip(f"{bundle.name}: {name}, batch {batch}", failure)
            done(1)
        measured: dict[str, list[Turn]] = {name: [] for name in turns}
        try:
            for whole in in_turns(turns, rounds):
                for name, turn in whole.items():
                    measured[name].append(turn)
                    done(1)
        finally:
            section.rows += [
                {**_about(bundle, sides[name], batch), **found} for name, found in rows(measured, embeddings).items()
            ]


def _about(bundle: Bundle, side: SideProcess, batch: int) -> dict[str, object]:
    spec = side.spec
    about = {"model": bundle.identity, "batch": batch, "side": spec.name, "version": side.version}
    return {**about, "ours": spec.kind in OURS, **({"gate": side.gate} if side.gate else {})}


def rows(measured: dict[str, list[Turn]], embeddings: dict[str, np.ndarray]) -> dict[str, dict[str, object]]:
    """Figures by side.

    Args:
        measured: by side its turns; those of one round are a pair.
        embeddings: by side, what it made of one and the same input, (B, D).

    Returns:
        ``ms`` (and ``gpu_ms``) over all calls; ``speedup`` over torch eager in this precision, or in float32 where
        that is no side (medians of turns, pair by pair); ``cosine``, the least one to torch eager in float32.
    """
    found: dict[str, dict[str, object]] = {}
    middles = {name: [float(np.median(turn["ms"])) for turn in turns] for name, turns in measured.items() if turns}
    for name, middle in middles.items():
        figures = {kind: spread([ms for turn in measured[name] for ms in turn[kind]]) for kind in measured[name][0]}
        found[name] = {"turns": len(middle), **figures}
        peer = _peer(name, middles)
        if peer and peer != name:
            found[name]["speedup"] = ratios(middles[peer], middle)
        if EXACT in embeddings:
            found[name]["cosine"] = digits(float((embeddings[EXACT] * embeddings[name]).sum(axis=1).min()))
    return found


def _peer(name: str, sides: Collection[str]) -> str | None:
    """The torch eager that a side is held against."""
    same = f"{EAGER} {name.rsplit(' ', 1)[-1]}"
    return next((peer for peer in (same, EXACT) if peer in sides), None)
