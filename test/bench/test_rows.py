# SPDX-License-Identifier: Apache-2.0
"""From measurements to rows."""

import os
import time

import numpy as np
import pytest

from bench import encoders, gpu, offline
from bench.process_time import _ticks, cpu_s
from bench.roofline import Cost

A, B = np.eye(2, 4, dtype=np.float32), np.eye(2, 4, 1, dtype=np.float32)


def test_an_encoder_is_held_against_torch_eager_turn_by_turn():
    measured = {
        "OpenVINO fp32": [{"ms": [1.0, 1.0, 9.0]}, {"ms": [2.0, 2.0, 2.0]}],
        "torch eager fp32": [{"ms": [3.0, 3.0, 3.0]}, {"ms": [8.0, 8.0, 80.0]}],
    }
    found = encoders.rows(measured, {"OpenVINO fp32": A, "torch eager fp32": A})
    ours = found["OpenVINO fp32"]
    assert ours["ms"] == {"n": 6, "median": 2.0, "p10": 1.0, "p90": 5.5}
    assert (ours["speedup"]["n"], ours["speedup"]["median"]) == (2, 3.5)
    assert ours["turns"] == 2 and ours["cosine"] == 1.0
    assert "speedup" not in found["torch eager fp32"]


def test_the_peer_has_the_same_precision_where_there_is_one():
    measured = {
        "TensorRT fp16": [{"ms": [1.0], "gpu_ms": [0.5]}],
        "TensorRT int8": [{"ms": [1.0], "gpu_ms": [0.5]}],
        "torch eager fp16": [{"ms": [5.0], "gpu_ms": [4.0]}],
        "torch eager fp32": [{"ms": [9.0], "gpu_ms": [8.0]}],
    }
    found = encoders.rows(
        measured, {"torch eager fp32": A, "TensorRT fp16": B, "TensorRT int8": A, "torch eager fp16": A}
    )
    assert found["TensorRT fp16"]["speedup"]["median"] == 5.0
    assert found["TensorRT int8"]["speedup"]["median"] == 9.0
    assert found["TensorRT fp16"]["gpu_ms"]["median"] == 0.5
    assert found["TensorRT fp16"]["cosine"] == 0.0


def test_without_torch_there_are_times_alone():
    found = encoders.rows({"OpenVINO fp32": [{"ms": [1.0]}], "ONNX Runtime fp32": []}, {"OpenVINO fp32": A})
    assert found == {"OpenVINO fp32": {"turns": 1, "ms": {"n": 1, "median": 1.0, "p10": 1.0, "p90": 1.0}}}


def test_both_at_once_are_held_against_the_slower_one():
    fps = {"decode": [100.0, 200.0], "encode": [300.0, 150.0], "both": [90.0, 150.0]}
    found = offline.row(fps)
    assert found["share"]["median"] == pytest.approx(0.95)
    assert found["both_fps"]["median"] == 120.0


def test_the_roofline_share_is_of_the_time_on_the_gpu():
    row = {"side": "TensorRT fp16", "ms": {"median": 5.0}, "gpu_ms": {"median": 2.0}}
    rates = {"fp16_flop_per_s": 1e6, "bytes_per_s": 1e12}
    found = gpu.against_roofline(row, Cost(1000, 10, 10), rates)
    assert found["roofline"] == 0.5 and found["gflop"] == 1e-6
    assert "roofline" not in gpu.against_roofline(row, Cost(1000, 10, 10), {})


def test_the_time_of_a_process_is_read_behind_any_name():
    assert _ticks("7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 31 11 13 14\n") == 42
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("reads /proc")
    before, end = cpu_s([os.getpid()]), time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert 0.05 < cpu_s([os.getpid()]) - before < 5
