# SPDX-License-Identifier: Apache-2.0
"""Every part of the benchmark, small: that it runs and says what it says it does, never how fast."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import __main__ as command
from bench import encoders, imports, label, offline, page
from bench.options import Options
from bench.results import Section
from bench.sides import SideSpec
from bench.stream import Stream
from bench.targets import targets
from liv_model.bundle import Bundle

HERE = Path(__file__).parent
SMALL = Options(
    threads=1,
    batches=(1, 3),
    rounds=2,
    compiled=False,
    streams=(Stream(64, 48, "raw", 20.0), Stream(64, 48, "compressed", 20.0)),
    turn_s=2.0,
    graph_rounds=1,
    offline_frames=8,
    offline_rounds=2,
    starts=1,
)
RECORD = """
import json, sys
from pathlib import Path
from liv_ros.demo import isolate
isolate()
from bench import recording
from bench.options import Options
from bench.results import Section
section = Section()
recording.measure(section, Options(recorded_s=1.0, recorded_rounds=1))
Path(sys.argv[1]).write_text(json.dumps(section.rows))
"""


LOOK = """
import json, sys
from pathlib import Path
from liv_ros.demo import isolate
isolate()
from bench import dashboard
from bench.options import Options
from bench.results import Section
from liv_model.bundle import Bundle
section = Section()
dashboard.measure(section, Bundle.load(sys.argv[1]), Options(turn_s=2.0, graph_rounds=1))
Path(sys.argv[2]).write_text(json.dumps(section.rows))
"""


def test_encoders_of_a_tiny_bundle(bundle):
    pytest.importorskip("onnxruntime")
    section = Section()
    specs = [SideSpec(kind, str(bundle.path)) for kind in ("OpenVINO", "torch eager", "ONNX Runtime")]
    encoders.measure(section, bundle, specs, SMALL)
    [skipped] = section.skipped  # the tiny bundle has no weights for torch
    assert skipped["what"] == "test: torch eager fp32" and skipped["why"]
    assert [(row["batch"], row["side"]) for row in section.rows] == [
        (batch, side) for batch in (1, 3) for side in ("OpenVINO fp32", "ONNX Runtime fp32")
    ]
    for row in section.rows:
        assert row["model"] == bundle.identity and row["turns"] == 2 and row["ms"]["n"] >= 6
        assert 0 < row["ms"]["p10"] <= row["ms"]["median"] <= row["ms"]["p90"]
    assert section.rows[0]["version"].startswith("openvino ") and section.rows[0]["ours"]


def test_labelling_of_small_bags(bundle, tmp_path):
    section = Section()
    label.measure(section, bundle, tmp_path, replace(SMALL, offline_frames=20))
    assert [row["from"] for row in section.rows] == ["embeddings", "embeddings", "memory", "images", "images"]
    embeddings, longer, memory, *pictures = section.rows
    assert (embeddings["dim"], longer["dim"], embeddings["frames"]) == (bundle.dim, 1024, 2000)
    assert embeddings["million_frames_per_core_minute"]["n"] == 2
    assert set(memory["resident_mib"]) == {"200", "2000"}
    assert [(row["size"], row["frames"], row["share"]["n"]) for row in pictures] == [
        ("640x480", 20, 2),
        ("1920x1080", 20, 2),
    ]
    results = {"sections": {"label": {"rows": section.rows}}}
    assert len(targets(results)) == 4
    assert "2000 embeddings of 1024 numbers" in "\n".join(page._label(section.rows))


@pytest.mark.slow
@pytest.mark.ros
def test_recording_a_robot(tmp_path):
    pytest.importorskip("liv_ros.msg")
    subprocess.run([sys.executable, "-c", RECORD, str(tmp_path / "rows.json")], cwd=HERE.parents[1], check=True)
    [row] = json.loads((tmp_path / "rows.json").read_text())
    assert (row["topics"], row["messages"], row["lost"]) == (8, 240, 0)
    assert row["percent_of_core"]["n"] == 1 and row["percent_of_core"]["median"] > 0
    results = {"sections": {"recording": {"rows": [row]}}}
    [target] = targets(results)
    assert "0 of 240 lost" in target["reached"]
    assert "| 2 of 640x480 JPEG, 30 Hz | 8 |" in page._recording([row])[0]


@pytest.mark.slow
@pytest.mark.ros
def test_pages_that_look(bundle, tmp_path):
    pytest.importorskip("liv_ros.msg")
    pytest.importorskip("fastapi")
    words = [sys.executable, "-c", LOOK, str(bundle.path), str(tmp_path / "rows.json")]
    subprocess.run(words, cwd=HERE.parents[1], check=True)
    nobody, fifty, pictures = json.loads((tmp_path / "rows.json").read_text())
    assert (nobody["side"], nobody["messages"]) == ("nobody", 0)
    assert nobody["n"] > 20 and "p99_share" not in nobody
    assert fifty["messages"] > 500 and fifty["p99_share"]["n"] == 1
    assert pictures["messages"] > fifty["messages"] / 2
    results = {"sections": {"dashboard": {"rows": [nobody, fifty, pictures]}}}
    assert ["looked at by 50 pages" in row["target"] for row in targets(results)] == [True] * 2
    assert "| 640x480 JPEG, 30 Hz | nobody | 1 |" in page._dashboard([nobody, fifty, pictures])[-1]


def test_torch_computes_what_we_do():
    pytest.importorskip("torch")
    section = Section()
    bundle = Bundle.load()
    specs = [SideSpec(kind, str(bundle.path)) for kind in ("OpenVINO", "torch eager")]
    encoders.measure(section, bundle, specs, replace(SMALL, batches=(1,), rounds=1))
    assert [row["cosine"] for row in section.rows] == pytest.approx([1.0, 1.0], abs=1e-4)
    assert section.rows[0]["speedup"]["n"] == 1 and "speedup" not in section.rows[1]


def test_a_side_that_dies_is_left_out_with_its_last_words(bundle, tmp_path):
    from bench.side_process import SideError, SideProcess

    with pytest.raises(SideError, match="KeyError: 'abacus'"):
        SideProcess(SideSpec("abacus", str(bundle.path)), tmp_path / "log")
    side = SideProcess(SideSpec("OpenVINO", str(bundle.path)), tmp_path / "log")
    side._process.kill()
    side._process.wait()  # the question then always meets a pipe that nobody reads
    with pytest.raises(SideError, match="ended"):
        side.prepare(1)
    side.close()


def test_recordings(bundle, tmp_path):
    section = Section()
    offline.measure(section, bundle, tmp_path, SMALL)
    assert [row["recording"] for row in section.rows] == ["640x480 mp4", "640x480 jpeg", "1920x1080 mp4"]
    for row in section.rows:
        assert 1 <= row["frames"] <= 8 and row["share"]["n"] == 2
        assert min(row[f"{way}_fps"]["p10"] for way in ("decode", "encode", "both")) > 0


def test_a_recording_shows_the_same_pictures_again(tmp_path):
    media = offline.make_recording(tmp_path, 64, 48, "jpeg", offline.PICTURES + 2)
    frames = list(media.frames())
    assert len(frames) == offline.PICTURES + 2 and frames[0].rgb.shape == (48, 64, 3)
    np.testing.assert_array_equal(frames[1].rgb, frames[offline.PICTURES + 1].rgb)
    assert (frames[1].rgb != frames[offline.PICTURES - 1].rgb).any()


def test_scoring_anew(monkeypatch):
    monkeypatch.setattr(offline, "SCORED_FRAMES", 50)
    section = Section()
    offline.measure_scoring(section, [8, 16], 2)
    assert [(row["dim"], row["million_pairs_per_s"]["n"]) for row in section.rows] == [(8, 2), (16, 2)]


def test_imports(monkeypatch):
    monkeypatch.setattr(imports, "MODULES", {"import json": "import numpy, json"})
    section = Section()
    imports.measure(section, 2)
    assert section.rows[0]["what"] == "import json, beyond numpy" and section.rows[0]["s"]["n"] == 2


GRAPH = """
import json, sys
from liv_ros.demo import isolate
isolate()
from test_parts import SMALL
from bench import graph
from bench.results import Section
from liv_model.bundle import Bundle
section = Section()
graph.measure(section, Bundle.load(), ["fp32", "fp99"], SMALL)
print(json.dumps([section.rows, section.skipped]))
"""


@pytest.mark.ros
@pytest.mark.slow
def test_the_graph_beside_the_naive_node():
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", GRAPH], capture_output=True, text=True, cwd=str(HERE))
    assert done.returncode == 0, done.stderr
    rows, [skipped] = json.loads(done.stdout.splitlines()[-1])
    assert skipped["what"] == "metaworld: ours, fp99"
    assert [(row["transport"], row["side"]) for row in rows] == [
        (transport, side) for transport in ("raw", "compressed") for side in ("ours, fp32", "naive node")
    ]
    for row in rows:
        assert 0 < row["n"] <= row["published"] < 40 and 0 < row["p50_ms"] <= row["p99_ms"]
    for ours in rows[::2]:
        assert ours["p99_share"]["n"] == ours["cpu_share"]["n"] == 1
        assert ours["values_differ_by"] < 0.05  # the naive node shrinks with PIL


@pytest.mark.ros
@pytest.mark.slow
def test_a_node_starts(bundle):
    from bench import node_start

    section = Section()
    node_start.measure(section, bundle, 1)
    [row] = section.rows
    assert row["s"]["n"] == 1 and row["s"]["median"] > 0


class Interrupting:
    def __call__(self, section, options):
        section.rows.append({"what": "import liv_model", "s": {"n": 1, "median": 1.0, "p10": 1.0, "p90": 1.0}})
        raise KeyboardInterrupt


def test_ctrl_c_keeps_what_was_measured(bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "PARTS", {"start": Interrupting(), "graph": Interrupting()})
    words = ["--bundle", str(bundle.path), "--quick", "--json", "-o", str(tmp_path)]
    assert command.main(words) == command.INTERRUPTED
    [file] = tmp_path.iterdir()
    found = json.loads(file.read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert list(found["sections"]) == ["start"]
    assert found["sections"]["start"]["interrupted"] and found["sections"]["start"]["quick"]
    assert len(found["sections"]["start"]["rows"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "encoders,speed"], f"expected {','.join(command.PARTS)}, got speed"),
        (["--bundle", "/none"], "expected a bundle folder"),
    ],
)
def test_mistakes_are_one_line(words, message, tmp_path, capsys):
    assert command.main([*words, "-o", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
