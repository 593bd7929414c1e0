# SPDX-License-Identifier: Apache-2.0
"""What the figures were to reach, and whether they do. A ratio counts by its median."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Row = dict[str, Any]
RN50 = "rn50"
SMALLEST_STREAM = (640, 480, "raw", 30.0)


def targets(results: dict[str, Any]) -> list[Row]:
    """For each target that was measured: ``target``, ``reached``, ``met``."""
    rows = {name: section["rows"] for name, section in results["sections"].items()}
    return [row for name, judge in _JUDGES.items() for row in judge(rows.get(name, []))]


def _row(target: str, reached: str, met: bool) -> Row:
    return {"target": target, "reached": reached, "met": bool(met)}


def _encoders(rows: list[Row]) -> Iterator[Row]:
    for precision, least, gated in (("fp32", 3, False), ("int8", 6, True)):
        for row in rows:
            if row["model"].startswith(RN50) and row["batch"] == 1 and row["side"] == f"OpenVINO {precision}":
                gate = row.get("gate", "")
                passed = not gated or gate.startswith("passed")
                reached = f"{row['speedup']['median']:g}" + (f" (gate: {gate or 'not asked'})" if gated else "")
                words = f"RN50, one picture, OpenVINO {precision}: at least {least} times as fast as torch eager"
                yield _row(words, reached, row["speedup"]["median"] >= least and passed)


def _graph(rows: list[Row]) -> Iterator[Row]:
    ours = [row for row in rows if "p99_share" in row]
    for model, side in dict.fromkeys((row["model"], row["side"]) for row in ours):
        group = [row for row in ours if (row["model"], row["side"]) == (model, side)]
        for key, most, words in (("p99_share", 1 / 4, "p99 latency"), ("cpu_share", 1 / 3, "CPU per picture")):
            shares = sorted(row[key]["median"] for row in group)
            met = sum(share <= most for share in shares)
            reached = f"{shares[0]:g} to {shares[-1]:g}; met on {met} of {len(shares)} streams"
            target = f"{model.split('@')[0]}, {side}: {words} at most 1/{1 / most:.0f} of the naive node's"
            yield _row(target, reached, met == len(shares))
    for row in ours:
        if (
            row["width"],
            row["height"],
            row["transport"],
            row["rate_hz"],
        ) == SMALLEST_STREAM and "encode_p50_ms" in row:
            above = row["p99_ms"] - row["encode_p50_ms"]
            name = f"{row['model'].split('@')[0]}, {row['side']}"
            target = f"{name}: stamp to reward p99 at most 6 ms above the encoder's p50 (640x480 raw, 30 Hz)"
            yield _row(target, f"{above:.1f} ms", above <= 6)


def _offline(rows: list[Row]) -> Iterator[Row]:
    shares = sorted(row["share"]["median"] for row in rows if "share" in row)
    if shares:
        met = sum(share >= 0.9 for share in shares)
        reached = f"{shares[0]:g} to {shares[-1]:g}; met on {met} of {len(shares)}"
        words = "recordings: at least 0.9 of the slower of decoding and encoding"
        yield _row(words, reached, met == len(shares))
    for row in rows:
        if "million_pairs_per_s" in row:
            rate = row["million_pairs_per_s"]["median"]
            yield _row(
                f"at least 1 million pairs scored anew per second ({row['dim']} numbers)", f"{rate:g}", rate >= 1
            )


def _label(rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        if row["from"] == "embeddings":
            rate = row["million_frames_per_core_minute"]["median"]
            words = f"relabelling: at least 1 million embeddings a minute on a core ({row['dim']} numbers)"
            yield _row(words, f"{rate:g}", rate >= 1)
        elif row["from"] == "images":
            share = row["share"]["median"]
            words = f"relabelling {row['size']} JPEG: at least 0.9 of the slower of decoding and encoding"
            yield _row(words, f"{share:g}", share >= 0.9)


def _recording(rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        share, lost = row["percent_of_core"]["median"], row["lost"]
        words = f"recording {row['cameras']} with all traces: under 10 % of a core, no message lost"
        yield _row(words, f"{share:g} %, {lost} of {row['messages']} lost", share < 10 and not lost)


def _dashboard(rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        if "p99_share" in row:
            share = row["p99_share"]["median"]
            words = f"stamp to reward p99, looked at by {row['side']}: at most 1.1 of that by nobody"
            yield _row(words, f"{share:g}", share <= 1.1)


def _gpu(rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        if row["batch"] == 1 and row["side"] == "TensorRT fp16" and "speedup" in row:
            speedup = row["speedup"]["median"]
            name = row["model"].split("@")[0]
            words = f"{name}, one picture, TensorRT fp16: at least 3 times as fast as torch eager fp16"
            yield _row(words, f"{speedup:g}", speedup >= 3)


_JUDGES: dict[str, Callable[[list[Row]], Iterator[Row]]] = {
    "encoders": _encoders,
    "graph": _graph,
    "offline": _offline,
    "label": _label,
    "recording": _recording,
    "dashboard": _dashboard,
    "gpu": _gpu,
}
