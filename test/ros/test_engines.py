# SPDX-License-Identifier: Apache-2.0
"""Engines as a robot's operator meets them: in the node's log, in its diagnostics, in how it ends."""

import numpy as np
import pytest
from engine_doubles import build_wrong_engine

pytestmark = pytest.mark.ros


def test_log_and_diagnostics_tell_what_serves_and_what_the_gate_found(probe, start, bundle):
    encoder = start("encoder_node")
    told = probe.wait(lambda: probe.health.get("liv/encoder_node"), "diagnostics")
    assert (told["backend"], told["device"], told["precision"]) == ("openvino", "CPU", "fp32")
    assert told["gate"].startswith("passed, 20") and " on CPU " in told["gate"]
    assert float(told["gate: least cosine of images"]) >= 0.9999
    assert float(told["gate: least cosine of texts"]) >= 0.9999
    assert told["gate: VOC of the clip"] == told["gate: VOC of the reference"]
    [line] = [line for line in encoder.output.splitlines() if "gate passed" in line]
    assert "[INFO]" in line and "liv.encoder_node" in line
    assert f"{bundle.identity}: openvino fp32 on CPU (auto: " in line


def test_a_build_at_the_first_start_is_told_and_serves(probe, start, bundle):
    pytest.importorskip("nncf")
    encoder = start("encoder_node", precision="int8")
    probe.wait(lambda: probe.told("encoder_node", "precision") == "int8", "the int8 engine")
    lines = [line for line in encoder.output.splitlines() if "engine, built once: " in line]
    assert lines and lines[0].rstrip().endswith("%")
    probe.connected(probe.camera)
    assert np.linalg.norm(probe.show().data) == pytest.approx(1, abs=1e-3)
    assert encoder.stop(within_s=30) == 0


def test_a_wrong_engine_in_the_cache_ends_the_node_with_the_numbers(start, tmp_path, monkeypatch):
    bundle = build_wrong_engine(tmp_path, monkeypatch, "int8")
    for _ in range(2):  # what was refused is not served when the node comes back
        encoder = start("encoder_node", bundle=str(bundle.path), precision="int8")
        assert encoder.wait(60) == 2
        [line] = [line for line in encoder.output.splitlines() if "expected" in line]
        assert line.startswith(f"EncoderNode: openvino int8 on CPU, engine of {bundle.identity}: expected")
        assert "cosine 0.99 or more, VOC within 0.01" in line and "got image cosine 0." in line
        assert "use precision fp32" in line and "liv engine remove" in line


def test_what_auto_serves_beside_a_refused_engine(probe, start, tmp_path, monkeypatch):
    bundle = build_wrong_engine(tmp_path, monkeypatch, "int8")
    start("encoder_node", bundle=str(bundle.path))
    probe.wait(lambda: probe.told("encoder_node", "precision") == "fp32", "the fp32 engine")


def test_a_build_is_told_every_few_seconds_and_hears_of_the_end(monkeypatch):
    from types import SimpleNamespace

    from liv_ros import build_report

    lines, now_s = [], [100.0]
    monkeypatch.setattr(build_report.time, "monotonic", lambda: now_s[0])
    report = build_report.BuildReport(SimpleNamespace(get_logger=lambda: SimpleNamespace(info=lines.append)))
    for second in range(12):
        now_s[0] = 100.0 + second
        report("compiling the picture tower", second / 12)
    report("compiling the text tower", 0.0)
    assert [line.split(", ")[-1] for line in lines] == ["0%", "42%", "83%", "0%"]
    assert lines[-1] == "engine, built once: compiling the text tower, 0%"
    monkeypatch.setattr(build_report, "is_stopping", lambda: True)
    with pytest.raises(build_report.StoppedError):
        report("compiling the text tower", 0.5)
