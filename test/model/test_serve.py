# SPDX-License-Identifier: Apache-2.0
"""What serves, what is refused, and what is taken instead; see fake_backend.py for the double."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from engine_doubles import make_nan, plant, scale_a_part
from model import fake_backend

from liv_model.bundle import seal
from liv_model.encoder import open_encoder
from liv_model.engines import serve as serving
from liv_model.engines.engine import EngineSpec
from liv_model.engines.gate import GateReport
from liv_model.errors import BackendError, BundleError, DeviceMemoryError, EngineError, GateError

# --- OpenVINO, really ------------------------------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def judged(monkeypatch):
    """How often the gate has judged."""
    calls, judge = [], serving.judge
    monkeypatch.setattr(serving, "judge", lambda *args, **kwargs: calls.append(args[2]) or judge(*args, **kwargs))
    return calls


def stored(encoder_or_folder):
    [file] = encoder_or_folder.rglob("gate.json")
    return file


def test_an_engine_is_judged_once_on_a_device(own_cache, judged, bundle, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    first = open_encoder(bundle, "openvino", threads=1)
    assert (first.precision, first.gate.passed, first.gate.voc) == ("fp32", True, first.gate.voc_reference)
    assert f"{bundle.identity}: openvino fp32 on CPU; gate passed; image cosine 1.00000" in caplog.text
    again = open_encoder(bundle, "openvino", threads=1)
    assert judged == ["fp32"]
    assert again.gate == first.gate
    assert again.gate.place.device == f"CPU {again.device_name}"


def test_what_was_found_on_another_device_or_with_another_driver_is_not_believed(own_cache, judged, bundle, tmp_path):
    open_encoder(bundle, "openvino", threads=1)
    file = stored(tmp_path)
    good = GateReport.load(file)
    for key, value in (("device", "CPU of another kind"), ("driver", "openvino 1.0")):
        replace(good, passed=False).at(replace(good.place, **{key: value})).save(file)
        assert open_encoder(bundle, "openvino", threads=1).gate.passed
    assert len(judged) == 3
    assert GateReport.load(file).place == good.place
    replace(good, least_cosine=0.5).save(file)  # of a version that asked less
    open_encoder(bundle, "openvino", threads=1)
    file.write_text("{")
    open_encoder(bundle, "openvino", threads=1)
    assert len(judged) == 5


@pytest.fixture
def plant_engine(own_cache, bundle, monkeypatch):
    """Plant a wrong engine in the cache. One of fp32 reads the bundle's own graphs: it gets the files of another."""

    def plant_engine(change, precision="fp32"):
        engine = plant(bundle, monkeypatch, EngineSpec("openvino", "int8"), change)
        if precision != "int8":
            engine = replace(engine, spec=EngineSpec("openvino", precision))
            monkeypatch.setattr(serving.engines, "find", lambda bundle, spec: engine)
        return engine

    return plant_engine


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_wrong_engine_is_refused_and_stays_refused(plant_engine, judged, bundle, precision):
    engine = plant_engine(scale_a_part, precision)
    for _ in range(2):
        with pytest.raises(GateError) as refused:
            open_encoder(bundle, "openvino", threads=1, precision=precision)
        message = str(refused.value)
        least = {"fp32": 0.9999, "int8": 0.99}[precision]
        assert f"openvino {precision} on CPU, engine of {bundle.identity}: expected" in message
        assert f"cosine {least} or more, VOC within 0.01" in message
        assert "got image cosine 0." in message and "text cosine 1.00000" in message
        assert f"`liv engine remove {engine.folder.name}` has it built anew" in message
        assert {"fp32": "use another backend", "int8": "use precision fp32"}[precision] in message
    assert judged == [precision], "it is known by now"
    assert not engine.gate().passed


def test_an_engine_of_nan_is_refused(plant_engine, bundle):
    engine = plant_engine(make_nan)
    with pytest.raises(GateError, match="not finite"):
        open_encoder(bundle, "openvino", threads=1, precision="fp32")
    assert np.isnan(engine.gate().least_image_cosine)


def test_a_wrong_engine_that_passed_elsewhere_is_refused_here(plant_engine, bundle):
    engine = plant_engine(scale_a_part)
    elsewhere = GateReport(True, "fp32", 0.9999, 1.0, 1.0).at(replace(serving.Place(), device="CPU of another kind"))
    elsewhere.save(engine.folder / "gate.json")
    with pytest.raises(GateError):
        open_encoder(bundle, "openvino", threads=1, precision="fp32")


def test_a_bundle_with_nothing_to_judge_by_is_not_served(own_cache, bundle, tmp_path):
    import shutil

    shutil.copytree(bundle.path, tmp_path / "old")
    shutil.rmtree(tmp_path / "old/samples")
    kept = {k: v for k, v in bundle.manifest.items() if k not in ("format", "files")}
    old = seal(tmp_path / "old", {**kept, "name": "old", "samples": {}})
    with pytest.raises(BundleError, match="export it anew"):
        open_encoder(old, "openvino", threads=1)


def test_a_bundle_without_a_clip_is_served(own_cache, bundle, tmp_path):
    import shutil

    shutil.copytree(bundle.path, tmp_path / "clipless")
    (tmp_path / "clipless/samples/clip.npz").unlink()
    kept = {k: v for k, v in bundle.manifest.items() if k not in ("format", "files")}
    clipless = seal(tmp_path / "clipless", {**kept, "samples": {"frames": "samples/frames.npz"}})
    encoder = open_encoder(clipless, "openvino", threads=1)
    assert encoder.gate.passed and encoder.gate.voc is None and "no clip" in encoder.gate.remarks[0]


def test_what_cannot_be_kept_is_said_and_served(own_cache, bundle, monkeypatch, caplog):
    def full(self, file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GateReport, "save", full)
    assert open_encoder(bundle, "openvino", threads=1).gate.passed
    assert "No space left on device; the engine will be judged again" in caplog.text


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"precision": "fp64"}, "precision: expected auto | fp32"),
        ({"backend": "torch", "precision": "int8"}, "precision of backend 'torch'"),
        ({"threads": -1}, "threads: expected 0"),
        ({"max_batch": 0}, "max batch: expected 1 to"),
    ],
)
def test_what_nobody_has_is_refused(own_cache, bundle, wish, message):
    with pytest.raises(BackendError) as refused:
        open_encoder(bundle, **wish)
    assert message in str(refused.value)


# --- which engine, over a backend that is a double -------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path, bundle, monkeypatch):
    """The double in the place of TensorRT, and a GPU for it."""
    fake_backend.reset(tmp_path, bundle)
    monkeypatch.setattr(serving, "engines", fake_backend)
    monkeypatch.setattr(serving, "remove", fake_backend.remove)
    monkeypatch.setitem(serving.MODULES, "tensorrt", "model.fake_backend")
    monkeypatch.setattr(serving, "choose_backend", lambda: ("tensorrt", "a GPU that is a double"))
    return fake_backend


def test_auto_takes_the_fastest_that_is_safe(fake, bundle, caplog):
    caplog.set_level(logging.INFO)
    encoder = open_encoder(bundle)
    assert (encoder.backend, encoder.precision, encoder.gate.passed) == ("tensorrt", "fp16", True)
    assert "tensorrt fp16 on a double (auto: a GPU that is a double); gate passed" in caplog.text
    assert fake.built == ["fp16"]


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_auto_falls_back_to_the_next_safer_precision_and_says_so(fake, bundle, caplog, backend):
    fake.cosines["fp16"] = 0.65  # as fp16 transformers have come out
    encoder = open_encoder(bundle, backend)
    assert (encoder.backend, encoder.precision, encoder.gate.passed) == ("tensorrt", "fp32", True)
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "cosine 0.65" in warning.getMessage() and "going on with tensorrt fp32" in warning.getMessage()
    assert [(e.precision, e.is_closed) for e in fake.opened] == [("fp16", True), ("fp32", False)]


def test_the_whole_ladder(fake, bundle, monkeypatch, caplog):
    monkeypatch.setitem(serving.LADDER, "tensorrt", ("int8", "fp16", "fp32"))
    fake.cosines.update(int8=0.9, fp16=0.99)
    assert open_encoder(bundle, "tensorrt").precision == "fp32"
    assert [e.precision for e in fake.opened] == ["int8", "fp16", "fp32"]
    assert len(caplog.records) == 2


def test_when_a_gpu_gives_nothing_right_the_cpu_serves_and_says_so(fake, bundle, caplog, own_cache):
    fake.cosines.update(fp16=0.65, fp32=0.9)
    fake.real_openvino = True
    encoder = open_encoder(bundle, threads=1)
    assert (encoder.backend, encoder.precision) == ("openvino", "fp32")
    assert "going on with openvino fp32" in caplog.text
    with pytest.raises(GateError, match="use another backend"):
        open_encoder(bundle, "tensorrt")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_what_is_asked_for_by_name_is_refused_and_not_replaced(fake, bundle, backend, precision):
    fake.cosines[precision] = 0.65
    with pytest.raises(GateError, match={"fp16": "use precision fp32", "int8": "use precision fp16"}[precision]):
        open_encoder(bundle, backend, precision=precision)
    assert [(e.precision, e.is_closed) for e in fake.opened] == [(precision, True)]


@pytest.mark.parametrize("failure", [BackendError("GPU", got="sm30"), DeviceMemoryError("GPU", got="no room")])
def test_a_gpu_that_cannot_gives_way_to_the_cpu_where_that_is_allowed(fake, bundle, failure, caplog, own_cache):
    fake.real_openvino = True
    fake.failures = [failure] * 2
    assert open_encoder(bundle, threads=1).backend == "openvino"
    assert str(failure) in caplog.text
    assert fake.removed == [], "its engine is not to blame"
    with pytest.raises(type(failure)):
        open_encoder(bundle, "tensorrt")
    assert not fake.failures, "another precision of what is not there is not tried"


def test_a_plan_that_will_not_load_is_built_anew_once(fake, bundle, caplog):
    fake.failures = [EngineError("plan", got="version 10.3")]
    assert open_encoder(bundle).precision == "fp16"
    assert (fake.built, fake.removed) == (["fp16", "fp16"], ["fp16"])
    assert "version 10.3; building it anew" in caplog.text
    fake.failures = [EngineError("plan", got="broken")] * 2
    with pytest.raises(EngineError, match="broken"):
        open_encoder(bundle, "tensorrt", precision="fp16")
    assert fake.removed == ["fp16"] * 2


def test_a_plan_that_will_not_load_and_cannot_be_removed_is_said(fake, bundle, monkeypatch):
    def read_only(engine):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(serving, "remove", read_only)
    fake.failures = [EngineError("plan", got="broken")]
    with pytest.raises(BackendError, match="Read-only file system; remove it, or set XDG_CACHE_HOME"):
        open_encoder(bundle, "tensorrt", precision="fp16")


def test_a_build_tells_how_far_it_is(fake, bundle):
    told = []
    open_encoder(bundle, "tensorrt", max_batch=8, report=lambda what, share: told.append((what, share)))
    assert told == [("building", 0.5)]
    assert fake.specs == [EngineSpec("tensorrt", "fp16", max_batch=8)]


def test_the_reference_is_read_by_who_judges_alone(fake, bundle, monkeypatch):
    """A judged engine costs no reading of the samples: starts stay fast."""
    open_encoder(bundle)
    monkeypatch.setattr(serving.Samples, "load", lambda bundle: pytest.fail("read"))
    assert open_encoder(bundle).gate.passed
    assert json.loads(stored(fake.folder).read_text())["passed"]
