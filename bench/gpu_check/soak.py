# SPDX-License-Identifier: Apache-2.0
"""Many calls in a row: memory must stay flat, results must stay the same, latencies are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.encoder import Encoder
from liv_model.timings import percentiles

LEAST_COSINE = 0.99999  # of a result with the first one for the same input
GPU_GROWTH_MIB, PROCESS_GROWTH_MIB = 1.0, 16.0
_CHECKPOINTS = 20
_TEXTS_EVERY = 50

Memory = Callable[[], dict[str, float]]


def soak(
    encoder: Encoder, images: np.ndarray, texts: list[str], calls: int, sizes: tuple[int, ...], memory: Memory
) -> dict[str, Any]:
    """Encode ``calls`` times, in all batch sizes in turn and now and then a text.

    Args:
        encoder: under test.
        images: uint8 (N, S, S, 3), taken in turn.
        texts: likewise.
        calls: of ``encode_images``.
        sizes: batch sizes in use.
        memory: MiB in use, by "GPU" and "process".

    Returns:
        Whether it passed, the least cosine of any result with the first for its input, memory at each of 20
        checkpoints, and latencies in ms by batch size of the first and the last tenth.
    """
    first: dict[Any, np.ndarray] = {}
    spent: dict[int, list[tuple[int, float]]] = {size: [] for size in sizes}
    least, checkpoints = 1.0, []
    for call in range(calls):
        size = sizes[call % len(sizes)]
        begin = call // len(sizes) * size % len(images)
        rgb = np.take(images, range(begin, begin + size), axis=0, mode="wrap")
        started_s = time.perf_counter()
        rows = encoder.encode_images(rgb)
        spent[size].append((call, (time.perf_counter() - started_s) * 1e3))
        least = min(least, _cosine(rows, first.setdefault((size, begin), rows)))
        if call % _TEXTS_EVERY == 0:
            text = texts[call // _TEXTS_EVERY % len(texts)]
            row = encoder.encode_texts([text])
            least = min(least, _cosine(row, first.setdefault(text, row)))
        if (call + 1) % max(calls // _CHECKPOINTS, 1) == 0:
            checkpoints.append({"calls": call + 1, **memory()})
    growth = _growth(checkpoints)
    is_flat = growth["GPU"] <= GPU_GROWTH_MIB and growth["process"] <= PROCESS_GROWTH_MIB
    return {
        "passed": bool(is_flat and least >= LEAST_COSINE),
        "calls": calls,
        "least cosine with the first result": least,
        "growth MiB": growth,
        "latency ms": {f"batch {size}": _latency(spent[size], calls) for size in sizes},
        "memory MiB": checkpoints,
    }


def process_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def _cosine(rows: np.ndarray, expected: np.ndarray) -> float:
    cosines = np.einsum("nd,nd->n", rows.astype(np.float64), expected.astype(np.float64))
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def _growth(checkpoints: list[dict[str, float]]) -> dict[str, float]:
    """From the second checkpoint, when everything has been used once, to the last."""
    start, end = checkpoints[min(1, len(checkpoints) - 1)], checkpoints[-1]
    return {key: round(end[key] - start[key], 2) for key in ("GPU", "process")}


def _latency(spent: list[tuple[int, float]], calls: int) -> dict[str, Any]:
    """Percentiles over all, and medians of the first tenth (without its first call) and the last."""
    head = [ms for call, ms in spent[1:] if call < calls / 10]
    tail = [ms for call, ms in spent if call >= calls * 0.9]
    return {
        "n": len(spent),
        **percentiles([ms for _, ms in spent], 50, 95, 99),
        "first tenth p50": percentiles(head, 50)["p50"],
        "last tenth p50": percentiles(tail, 50)["p50"],
    }
