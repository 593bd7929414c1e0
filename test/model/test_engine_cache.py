# SPDX-License-Identifier: Apache-2.0
"""Engines are built once, whole or not at all, by one process, somewhere that can be written to."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from liv_model.bundle import Bundle
from liv_model.cli import main as liv
from liv_model.engines import build as builds
from liv_model.engines import order as orders
from liv_model.engines.build import build, find
from liv_model.engines.cache import ABOUT, EngineCache, remove
from liv_model.engines.engine import EngineSpec
from liv_model.errors import BackendError
from liv_model.samples import Samples

INT8 = EngineSpec("openvino", "int8")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """A user's cache, and the system's temporary folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cache/liv_ros/engines"


@pytest.fixture
def made(monkeypatch):
    """Building stands for itself: a file of known content, and a list of what was built."""
    calls = []

    def make(order, new, root, report):
        calls.append(order)
        (new / "vision.onnx").write_bytes(b"a graph" * 100)

    monkeypatch.setattr(builds, "_make", make)
    return calls


def test_it_is_built_once_and_found_again(bundle, made, caches, caplog):
    caplog.set_level(logging.INFO)
    assert find(bundle, INT8) is None
    engine = build(bundle, INT8)
    assert engine == build(bundle, INT8) == find(bundle, INT8)
    assert len(made) == 1
    assert engine.folder.parent == caches
    assert (engine.vision, engine.text) == (engine.folder / "vision.onnx", bundle.file("text.onnx"))
    assert (engine.device, engine.library.split()[0]) == ("CPU", "openvino")
    assert f"engine {engine.folder.name} built in" in caplog.text
    assert sorted(p.name for p in caches.iterdir()) == [f".{engine.folder.name}.lock", engine.folder.name]


def test_float32_with_openvino_is_the_bundles_own_graphs(bundle):
    engine = build(bundle, EngineSpec("openvino", "fp32"))
    assert (engine.vision, engine.text) == (bundle.file("vision.onnx"), bundle.file("text.onnx"))
    assert [file.name for file in engine.folder.iterdir()] == [ABOUT]


def test_engine_json_says_it_in_words(bundle, made):
    about = json.loads((build(bundle, INT8).folder / ABOUT).read_text())
    assert about["model"] == bundle.identity
    assert about["images"] == "uint8 (any, 16, 16, 3)"
    assert about["made_of"]["vision.onnx"] == bundle.manifest["files"]["vision.onnx"]
    assert about["made_with"].keys() == {"onnx", "onnxruntime", "nncf"}
    assert about["files"]["vision.onnx"]["bytes"] == 700


def test_it_is_built_anew_for_another_model_version_device_or_precision(bundle, made, monkeypatch, tmp_path):
    from tiny_bundle import make_bundle

    monkeypatch.setattr(orders, "_openvino_device", str.upper)  # as if there were a GPU
    folders = {build(bundle, INT8).folder}
    folders.add(build(make_bundle(tmp_path / "other", seed=1), INT8).folder)
    folders.add(build(bundle, EngineSpec("openvino", "int8", device="gpu")).folder)
    folders.add(build(bundle, EngineSpec("openvino", "fp32")).folder)
    monkeypatch.setattr(orders, "_openvino_version", lambda: "2099.1.0")
    folders.add(build(bundle, INT8).folder)
    assert len(folders) == len(made) == 5


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: b"b" + d[1:], lambda d: b""])
def test_a_damaged_file_is_seen_and_the_engine_built_anew(bundle, made, caplog, damage):
    file = build(bundle, INT8).vision
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert find(bundle, INT8) is None
    assert f"{file}: expected 700 bytes with sum" in caplog.text
    assert "it is built anew" in caplog.text
    assert build(bundle, INT8).vision.read_bytes() == whole
    assert len(made) == 2


def test_a_missing_file_is_seen(bundle, made, caplog):
    build(bundle, INT8).vision.unlink()
    assert find(bundle, INT8) is None
    assert "vision.onnx cannot be read; it is built anew" in caplog.text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}'])
def test_a_folder_with_a_strange_description_is_no_engine(bundle, made, text):
    (build(bundle, INT8).folder / ABOUT).write_text(text)
    assert find(bundle, INT8) is None
    build(bundle, INT8)
    assert len(made) == 2


def test_a_failed_build_leaves_nothing(bundle, caches, monkeypatch):
    def fail(order, new, root, report):
        (new / "vision.onnx").write_bytes(b"half of it")
        raise BackendError("compiling", expected="success")

    monkeypatch.setattr(builds, "_make", fail)
    with pytest.raises(BackendError, match="compiling"):
        build(bundle, INT8)
    assert [p.name for p in caches.iterdir() if not p.name.endswith(".lock")] == []
    assert find(bundle, INT8) is None


def test_a_full_disk_is_a_clear_error(bundle, monkeypatch):
    def fill(order, new, root, report):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(builds, "_make", fill)
    with pytest.raises(BackendError, match=r"expected room for an engine, got .*No space left on device; free room"):
        build(bundle, INT8)


# --- where ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """A user's cache that cannot be made, whoever the user is."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))


def test_where_the_cache_cannot_be_written_to_another_folder_is_taken_and_named(
    bundle, made, no_cache, tmp_path, caplog
):
    engine = build(bundle, INT8)
    other = tmp_path / f"temporary/liv_ros-engines-{os.getuid()}"
    assert engine.folder.parent == other
    assert f"engines cannot be kept in {tmp_path}/file/liv_ros/engines (Not a directory); taking {other}" in caplog.text
    assert find(bundle, INT8) == engine


def test_where_nothing_can_be_written_to_both_are_named(bundle, made, no_cache, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(BackendError, match=r"got .*/liv_ros/engines \(Not a directory\); .*/file/liv_ros-engines-"):
        build(bundle, INT8)


def test_a_folder_that_others_can_write_to_is_not_believed(bundle, made, caches, tmp_path, caplog):
    engine = build(bundle, INT8)
    caches.chmod(0o777)
    assert find(bundle, INT8) is None
    assert build(bundle, INT8).folder.parent != engine.folder.parent
    assert "another user can write to it" in caplog.text


def test_an_engine_in_a_cache_that_can_only_be_read_is_used(bundle, made, caches, tmp_path, monkeypatch):
    engine = build(bundle, INT8)
    monkeypatch.setattr("liv_model.engines.cache._try_to_write", lambda root: "Read-only file system")
    assert build(bundle, INT8) == engine


# --- two processes ----------------------------------------------------------------------------------------------------

_CHILD = """
import sys, time
from pathlib import Path
from liv_model.bundle import Bundle
from liv_model.engines import build as builds
from liv_model.engines.engine import EngineSpec

def make(order, new, root, report):
    (new / "vision.onnx").write_bytes(b"of the first")
    print("building", flush=True)
    sys.stdin.readline()

builds._make = make
builds.build(Bundle.load(sys.argv[1]), EngineSpec("openvino", "int8"))
"""


@pytest.fixture
def other(bundle):
    """Another process that has begun to build, and goes on when it is told a line."""
    command = [sys.executable, "-c", _CHILD, str(bundle.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "building\n"
        yield process
        process.kill()


def test_the_second_of_two_processes_waits_says_so_and_takes_what_the_first_one_built(bundle, made, other):
    told = []

    def report(what, share):
        told.append(what)
        if len(told) == 1:
            other.stdin.write("go on\n")
            other.stdin.flush()

    engine = build(bundle, INT8, report=report)
    assert told[0] == "waiting for another process that builds this engine"
    assert engine.vision.read_bytes() == b"of the first"
    assert made == []


def test_a_killed_build_leaves_nothing_that_is_taken_for_an_engine(bundle, made, other, caches):
    other.send_signal(signal.SIGKILL)
    other.wait()
    [left] = caches.glob(".draft-*/vision.onnx")
    assert find(bundle, INT8) is None
    assert build(bundle, INT8).vision.read_bytes() != b"of the first"
    assert not left.exists()
    assert not list(caches.glob(".draft-*"))


# --- TensorRT's engines: which of them serve --------------------------------------------------------------------------


@pytest.fixture
def tensorrt(monkeypatch):
    """A TensorRT for RTX in name, and a function that says which GPU is here."""
    library = SimpleNamespace(__name__="tensorrt_rtx", __version__="1.7")
    monkeypatch.setattr(orders, "import_tensorrt", lambda spec: library)
    monkeypatch.setattr("liv_model.engines.tensorrt_build.known_targets", lambda trt: ("sm86", "sm89", "sm120"))

    def make(order, new, root, report):
        for tower in ("vision", "text"):
            (new / f"{tower}.plan").write_text(f"{order.device} {order.spec.max_batch}")

    monkeypatch.setattr(builds, "_make", make)

    def here(target):
        monkeypatch.setattr("liv_model.cuda.find_device", lambda name: SimpleNamespace(target=target))

    return here


def spec(targets=(), **changes):
    return EngineSpec("tensorrt", "fp16", targets=targets, **changes)


def test_an_engine_built_ahead_for_several_gpus_serves_each_of_them(bundle, tensorrt):
    ahead = build(bundle, spec(("sm89", "sm86", "sm89")))
    assert (ahead.device, ahead.vision.name) == ("sm86,sm89", "vision.plan")
    tensorrt("sm89")
    assert find(bundle, spec()).folder == ahead.folder
    tensorrt("sm120")
    assert find(bundle, spec()) is None
    assert find(bundle, spec(("sm89", "sm120"))) is None
    own = build(bundle, spec())
    assert own.device == "sm120"


def test_an_engine_for_more_pictures_serves_fewer(bundle, tensorrt):
    for pictures in (2, 8):
        build(bundle, spec(("sm86",), max_batch=pictures))
    assert find(bundle, spec(("sm86",), max_batch=1)).vision.read_text() == "sm86 2"
    assert find(bundle, spec(("sm86",), max_batch=3)).vision.read_text() == "sm86 8"
    assert find(bundle, spec(("sm86",), max_batch=9)) is None


# --- what cannot be asked for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backend": "onnx"}, "engine backend: expected tensorrt | openvino, got 'onnx'"),
        ({"precision": "int4"}, "engine precision: expected fp32 | fp16 | bf16 | int8, got 'int4'"),
        ({"max_batch": 0}, "max batch: expected 1 to 1024"),
        ({"targets": ("89",)}, "engine target: expected a compute capability such as sm86, got '89'"),
        ({"backend": "openvino", "targets": ("sm86",)}, "leave out --target"),
    ],
)
def test_a_spec_is_checked_where_it_is_made(values, message):
    with pytest.raises(BackendError) as caught:
        EngineSpec(**{"backend": "tensorrt", "precision": "fp16", **values})
    assert message in str(caught.value)


def test_a_target_that_tensorrt_for_rtx_does_not_know(bundle, tensorrt):
    with pytest.raises(BackendError, match=r"target: expected sm86 \| sm89 \| sm120, got sm90; install TensorRT"):
        build(bundle, spec(("sm86", "sm90")))


def test_no_gpu_and_no_target(bundle, tensorrt, monkeypatch):
    def none(name):
        raise BackendError("GPU", expected="one", got="none")

    monkeypatch.setattr("liv_model.cuda.find_device", none)
    with pytest.raises(BackendError, match=r"expected a GPU in this machine, or .*; to build .* --target sm89"):
        build(bundle, spec())


@pytest.mark.parametrize(("targets", "package"), [((), "tensorrt or tensorrt_rtx"), (("sm86",), "tensorrt_rtx")])
def test_no_tensorrt(bundle, monkeypatch, targets, package):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackendError, match=f"package {package}, got not installed; pip install"):
        build(bundle, spec(targets))


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("fp16", "fp16 with OpenVINO on CPU: .*in float16, got one that has FP32, INT8; take precision int8 or fp32"),
        ("bf16", "bf16 with OpenVINO on CPU: .*in bfloat16, got one that has FP32, INT8; take precision int8 or fp32"),
    ],
)
def test_half_precision_with_openvino_needs_a_device_that_has_it(bundle, monkeypatch, precision, message):
    class Core:
        def get_property(self, device, name):
            return ["FP32", "INT8"]

    monkeypatch.setattr("liv_model.backends.openvino_core.core", Core)
    with pytest.raises(BackendError, match=message):
        build(bundle, EngineSpec("openvino", precision))


def test_bfloat16_is_not_for_tensorrt(bundle):
    with pytest.raises(BackendError, match=r"of backend 'tensorrt': expected fp32 \| fp16 \| int8, got bf16"):
        build(bundle, EngineSpec("tensorrt", "bf16"))


# --- the command ------------------------------------------------------------------------------------------------------


def test_build_list_and_remove(bundle, caches, capsys):
    assert liv(["engine", "list"]) == 0
    assert "no engines" in capsys.readouterr().out
    assert liv(["engine", "build", str(bundle.path), "--backend", "openvino", "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert (built["model"], built["device"], built["precision"]) == (bundle.identity, "CPU", "fp32")
    assert liv(["engine", "list"]) == 0
    shown = capsys.readouterr().out
    assert built["name"] in shown
    assert "not yet judged" in shown
    assert liv(["engine", "list", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == [built["name"]]
    assert liv(["engine", "remove", built["name"][:-3]]) == 0
    assert not Path(built["folder"]).exists()
    assert liv(["engine", "remove", built["name"]]) == 2
    assert "which fits 0" in capsys.readouterr().err


def test_remove_wants_names_or_all(bundle, made, capsys):
    build(bundle, INT8), build(bundle, EngineSpec("openvino", "fp32"))
    assert liv(["engine", "remove"]) == 2
    assert liv(["engine", "remove", "test"]) == 2
    assert "which fits 2" in capsys.readouterr().err
    assert liv(["engine", "remove", "--all"]) == 0
    assert not list(EngineCache().entries())


def test_removing_what_is_not_there_is_no_error(bundle, made):
    engine = build(bundle, INT8)
    remove(engine)
    remove(engine)


def test_a_real_int8_engine_is_read_by_openvino():
    """The whole way, but for the gate: quantised, kept, opened."""
    pytest.importorskip("nncf")
    from liv_model.backends import openvino

    bundle = Bundle.load()  # a test's own has one layer, which stays float32
    engine = build(bundle, INT8)
    pictures = Samples.load(bundle).clip.images[:3]
    encoders = [openvino.open_encoder(bundle, e) for e in (engine, build(bundle, EngineSpec("openvino", "fp32")))]
    rows, expected = (encoder.encode_images(pictures) for encoder in encoders)
    assert np.einsum("nd,nd->n", rows, expected).min() > 0.99
    assert not np.array_equal(rows, expected)


def test_looking_for_an_engine_loads_nothing_that_only_building_needs():
    code = (
        "import sys, liv_model.engines.build, liv_model.engines.command\n"
        "wrong = {'onnx', 'onnxruntime', 'nncf', 'torch', 'openvino', 'tensorrt_rtx', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {wrong}' if wrong else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
