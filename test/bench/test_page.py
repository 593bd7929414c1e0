# SPDX-License-Identifier: Apache-2.0
"""From a file of results to the page."""

import json

import pytest

from bench import page, results
from bench.results import Section
from bench.targets import targets
from liv_model.errors import ConfigError

SPREAD = {"n": 12, "median": 4.0, "p10": 3.5, "p90": 4.5}
ABOUT = {
    "when": "2026-01-02T03:04+00:00",
    "commit": "0123456789abcdef+changes",
    "quick": False,
    "interrupted": False,
    "load_before": 0.1,
    "load_after": 2.0,
    "threads": 2,
    "versions": {"python": "3.11.7", "openvino": "1.2.3"},
}
MACHINE = {"cpu": "Test CPU", "cores": 2, "memory_gib": 8, "system": "Linux 6 x86_64"}


def spread(median):
    return {"n": 3, "median": median, "p10": median / 2, "p90": median * 2}


def encoder(side, speedup, **more):
    about = {"model": "rn50_random@abc", "batch": 1, "side": side, "version": "v 1", "ours": True, "ms": SPREAD}
    return {**about, "speedup": spread(speedup), "cosine": 1.0, **more}


def stream(rate_hz=30.0, **more):
    return {
        "model": "metaworld@abc",
        "width": 640,
        "height": 480,
        "transport": "raw",
        "rate_hz": rate_hz,
        "side": "ours, fp32",
        "n": 99,
        "published": 100,
        "p50_ms": 4.0,
        "p99_ms": 9.0,
        "encode_p50_ms": 1.5,
        "cpu_ms": 3.0,
        "p99_share": spread(0.2),
        "cpu_share": spread(0.4),
        **more,
    }


NAIVE = {key: value for key, value in stream(side="naive node").items() if "share" not in key and "encode" not in key}
OFFLINE = [
    {"model": "metaworld@abc", "recording": "640x480 mp4", "frames": 60, "share": spread(0.95)}
    | {f"{way}_fps": SPREAD for way in ("decode", "encode", "both")},
    {"dim": 256, "frames": 10, "goals": 5, "million_pairs_per_s": spread(2.0)},
]


def made(**sections):
    return {"format": 1, "machine": MACHINE, "sections": sections}


def section(*rows, skipped=(), **about):
    return {**ABOUT, **about, "rows": list(rows), "skipped": list(skipped)}


def test_every_part_is_on_the_page():
    text = page.page(
        [
            made(
                encoders=section(encoder("OpenVINO fp32", 3.4), skipped=[{"what": "vit", "why": "no open_clip"}]),
                graph=section(stream(), NAIVE),
                offline=section(*OFFLINE, quick=True),
                start=section({"what": "import liv_model", "s": SPREAD}, interrupted=True),
                gpu=section(encoder("TensorRT fp16", 5.0, gpu_ms=SPREAD, roofline=0.25, gflop=12.0)),
            )
        ]
    )
    for line in (
        "## Test CPU, 2 cores",
        "2026-01-02T03:04+00:00, commit 0123456789ab+, 2 threads a side, load 0.1 before and 2.0 after",
        "| 1 | **OpenVINO fp32** | v 1 | 12 | 4 (3.5 to 4.5) | 3.4 (1.7 to 6.8) | 1 |",
        "- vit: no open_clip",
        "| 640x480 raw, 30 Hz | **ours, fp32** | 99 of 100 | 4 | 9 | 1.5 | 3 | 0.2 (0.1 to 0.4) | 0.4 (0.2 to 0.8) |",
        "| 640x480 raw, 30 Hz | naive node | 99 of 100 | 4 | 9 |  | 3 |  |  |",
        "| 640x480 mp4 | 60 | 3 | 4 (3.5 to 4.5) | 4 (3.5 to 4.5) | 4 (3.5 to 4.5) | 0.95 (0.475 to 1.9) |",
        "| 10 frames x 5 goals of 256 numbers | 3 | 2 (1 to 4) |",
        "| import liv_model | 12 | 4 (3.5 to 4.5) |",
        "| 1 | **TensorRT fp16** | v 1 | 12 | 4 (3.5 to 4.5) | 4 (3.5 to 4.5) | 5 (2.5 to 10) | 12 | 0.25 | 1 |",
    ):
        assert line in text.splitlines() or line in text
    assert "**Quick run.**" in text and "**Interrupted.**" in text


def judged(**sections):
    return {row["target"]: (row["reached"], row["met"]) for row in targets(made(**sections))}


def test_targets_of_the_encoders():
    found = judged(
        encoders=section(
            encoder("OpenVINO fp32", 2.9),
            encoder("OpenVINO int8", 7.0, gate="passed, cosine 0.995"),
            encoder("OpenVINO int8", 9.0, batch=4, gate="passed"),
        )
    )
    fp32, int8 = found.values()
    assert fp32 == ("2.9", False)
    assert int8 == ("7 (gate: passed, cosine 0.995)", True)
    [(_, met)] = judged(encoders=section(encoder("OpenVINO int8", 7.0))).values()
    assert not met  # without its gate


def test_targets_of_the_graph_count_every_stream():
    found = judged(graph=section(stream(), NAIVE, stream(60.0, p99_share=spread(0.3), cpu_share=spread(0.1))))
    latency, cpu, above = found.values()
    assert latency == ("0.2 to 0.3; met on 1 of 2 streams", False)
    assert cpu == ("0.1 to 0.4; met on 1 of 2 streams", False)
    assert above == ("7.5 ms", False)
    assert len(judged(graph=section(NAIVE))) == 0


def test_targets_of_recordings_and_gpu():
    found = judged(offline=section(*OFFLINE), gpu=section(encoder("TensorRT fp16", 3.0)))
    assert [met for _, met in found.values()] == [True, True, True]


def test_a_page_needs_results(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    assert page.main([str(tmp_path / "a.json"), "-o", str(tmp_path / "page.md")]) == 2
    assert "expected results of format 1" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_parts_that_were_not_measured_again_stay(tmp_path):
    file = tmp_path / "new" / results.file_name(MACHINE)
    assert file.name == "test-cpu-2-cores.json"
    results.write(file, MACHINE, {"graph": section(stream()), "start": section()})
    results.write(file, MACHINE, {"graph": section(NAIVE)})
    found = results.read(file)
    assert found == json.loads(file.read_text())
    assert found["sections"]["graph"]["rows"] == [NAIVE] and "start" in found["sections"]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert page.main([str(file), "-o", str(tmp_path / "page.md")]) == 0
    assert "naive node" in (tmp_path / "page.md").read_text()
    file.write_text("[]")
    with pytest.raises(ConfigError, match="results of format 1"):
        results.write(file, MACHINE, {})


def test_what_is_left_out_says_why():
    part = Section()
    part.skip("RN50", "no\nopen_clip")
    assert part.skipped == [{"what": "RN50", "why": "no open_clip"}]
