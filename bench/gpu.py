# SPDX-License-Identifier: Apache-2.0
"""The encoders on an NVIDIA GPU: whole calls, their time between CUDA events, and how near the roofline that is."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import onnx

from bench import encoders
from bench.options import Options
from bench.pairs import digits
from bench.results import Section
from bench.roofline import Cost, cost
from bench.sides import SideSpec
from liv_model.bundle import Bundle

KINDS = (
    ("TensorRT", "fp16"),
    ("TensorRT", "fp32"),
    ("torch eager", "fp16"),
    ("torch eager", "fp32"),
    ("torch.compile", "fp16"),
    ("ONNX Runtime", "fp32"),
)


def name() -> str:
    """Of the first GPU; BackendError without one."""
    from liv_model.cuda import find_device

    return find_device().name


def measure(section: Section, bundle: Bundle, options: Options) -> None:
    """Rows of one model for each batch and side, with the roofline of this GPU."""
    specs = [
        SideSpec(kind, str(bundle.path), precision, options.threads, "cuda", max(options.batches))
        for kind, precision in KINDS
        if options.compiled or kind != "torch.compile"
    ]
    rates = measure_rates()
    if not rates:
        section.skip(f"{bundle.name}: roofline", "no torch that sees the GPU")
    model = onnx.load(bundle.file("vision.onnx"))
    costs = {batch: cost(model, batch) for batch in options.batches}
    begin = len(section.rows)
    try:
        encoders.measure(section, bundle, specs, options)
    finally:
        for row in section.rows[begin:]:
            row |= against_roofline(row, costs[row["batch"]], rates)


def against_roofline(row: dict[str, object], counted: Cost, rates: dict[str, float]) -> dict[str, object]:
    """``gflop`` of a row's run, and ``roofline``: the least time over its time on the GPU (or of the call)."""
    measured = {name: digits(rate) for name, rate in rates.items()}
    found: dict[str, object] = {"gflop": digits(counted.flop / 1e9), "rates": measured}
    precision = str(row["side"]).rsplit(" ", 1)[-1]
    if f"{precision}_flop_per_s" in rates:
        spent = row.get("gpu_ms") or row["ms"]
        flop_per_s, bytes_per_s = rates[f"{precision}_flop_per_s"], rates["bytes_per_s"]
        least_s = counted.least_s(precision, flop_per_s=flop_per_s, bytes_per_s=bytes_per_s)
        found["roofline"] = digits(least_s * 1e3 / spent["median"])
    return found


def measure_rates() -> dict[str, float]:
    """FLOP/s of a large matrix product by precision, and bytes/s of a large copy; empty without torch on the GPU."""
    try:
        done = subprocess.run([sys.executable, "-m", "bench.gpu"], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError:
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def _rates() -> dict[str, float]:
    import torch

    def best_s(call) -> float:
        spent = []
        for _ in range(12):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            call()
            end.record()
            end.synchronize()
            spent.append(begin.elapsed_time(end) / 1e3)
        return float(np.min(spent))

    size, found = 8192, {}
    torch.backends.cuda.matmul.allow_tf32 = False  # as our engines in fp32
    for precision, kind in (("fp32", torch.float32), ("fp16", torch.float16)):
        a, b = (torch.randn(size, size, device="cuda", dtype=kind) for _ in range(2))
        found[f"{precision}_flop_per_s"] = 2 * size**3 / best_s(lambda a=a, b=b: a @ b)
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    found["bytes_per_s"] = 2 * source.numel() / best_s(lambda: target.copy_(source))
    return found


if __name__ == "__main__":
    print(json.dumps(_rates()))
