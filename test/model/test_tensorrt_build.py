# SPDX-License-Identifier: Apache-2.0
"""Plans: built by the real TensorRT for RTX, which needs no GPU; what only TensorRT has, over a double of it."""

import json
import shutil
from types import SimpleNamespace

import pytest
from tiny_bundle import make_bundle

from liv_model.bundle import Bundle, seal
from liv_model.cli import main as liv
from liv_model.engines import tensorrt_build
from liv_model.engines.build import build, find
from liv_model.engines.engine import EngineSpec
from liv_model.engines.tensorrt_build import PhaseShare, Rows, build_plan, known_targets
from liv_model.errors import BackendError

TARGETS = ("sm86", "sm89")


@pytest.fixture(scope="module")
def rtx():
    pytest.importorskip("onnx")
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 is not installed")


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# --- the real library -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_shipped_bundle_is_built_without_a_gpu(rtx, capsys, precision):
    if precision == "int8":
        pytest.importorskip("nncf")
    shipped = Bundle.load()
    words = ["engine", "build", "--target", ",".join(TARGETS), "--precision", precision, "--max-batch", "2", "--json"]
    assert liv(words) == 0
    out, progress = capsys.readouterr()
    built = json.loads(out)
    assert (built["model"], built["device"]) == (shipped.identity, "sm86,sm89")
    assert built["library"] == f"tensorrt_rtx {rtx.__version__}"
    assert "compiling the picture tower: 0%" in progress
    engine = find(shipped, EngineSpec("tensorrt", precision, max_batch=2, targets=TARGETS))
    assert str(engine.folder) == built["folder"]
    parameters = shipped.file("vision.onnx").stat().st_size
    share = {"fp32": (1, 1.4), "fp16": (0.5, 0.8), "int8": (0.25, 0.8)}[precision]  # one copy of them for both targets
    assert share[0] < engine.vision.stat().st_size / parameters < share[1]


def test_rn50_is_built_without_a_gpu(rtx):
    """CLIP's RN50, of which the released LIV is, with random weights."""
    from resnet50_onnx import make_rn50

    from liv_model.engines.precision import to_precision

    graph = to_precision(make_rn50(), "fp16", tensorrt=True)
    shares = []
    plan = build_plan(
        rtx,
        "picture tower",
        graph.SerializeToString(),
        Rows(1, 4),
        targets=TARGETS,
        report=lambda what, share: shares.append(share),
    )
    assert len(plan) > 70e6  # 38 million parameters of two bytes
    assert shares == sorted(shares)
    assert len(shares) > 20


def test_a_truncated_plan_is_built_anew(rtx, bundle):
    spec = EngineSpec("tensorrt", "fp16", targets=("sm89",))
    plan = build(bundle, spec).vision
    whole = plan.stat().st_size
    plan.write_bytes(plan.read_bytes()[: whole // 2])
    assert find(bundle, spec) is None
    assert build(bundle, spec).vision.stat().st_size == whole


def test_an_operator_that_tensorrt_lacks_is_named(rtx, tmp_path):
    import onnx

    folder = tmp_path / "strange"
    made = make_bundle(tmp_path / "made")
    shutil.copytree(made.path, folder)
    model = onnx.load(folder / "vision.onnx")
    node = next(node for node in model.graph.node if node.op_type == "LpNormalization")
    node.op_type, node.domain, node.name = "Dreaming", "somewhere.else", "the_strange_one"
    del node.attribute[:]
    model.opset_import.append(onnx.helper.make_opsetid("somewhere.else", 1))
    onnx.save(model, folder / "vision.onnx")
    manifest = {key: value for key, value in made.manifest.items() if key not in ("format", "files")}
    with pytest.raises(BackendError, match=r"picture tower: expected operators that it has, got Dreaming") as caught:
        build(seal(folder, manifest), EngineSpec("tensorrt", "fp32", targets=("sm89",)))
    assert "use backend 'openvino'" in str(caught.value)


def test_targets_that_it_does_not_know(rtx, bundle):
    assert {"sm75", "sm86", "sm89", "sm120"} <= set(known_targets(rtx))
    with pytest.raises(BackendError, match=r"target: expected sm75 .* got sm87; install TensorRT"):
        build(bundle, EngineSpec("tensorrt", "fp16", targets=("sm87",)))


def test_ctrl_c_ends_a_build(rtx, bundle):
    def interrupt(what, share):
        if what.startswith("compiling"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(bundle, EngineSpec("tensorrt", "fp32", targets=("sm89",)), report=interrupt)
    assert find(bundle, EngineSpec("tensorrt", "fp32", targets=("sm89",))) is None


# --- what only TensorRT has: over a double ----------------------------------------------------------------------------


class FakeTimingCache:
    def __init__(self, data):
        self.data = data

    def serialize(self):
        return self.data + b"+learned"


class FakeConfig:
    """One configuration; ``asked`` is where it notes what it was asked for."""

    def __init__(self, asked):
        self._asked = asked

    def create_timing_cache(self, data):
        return None if data == b"damaged" else FakeTimingCache(data)

    def set_timing_cache(self, cache, ignore_mismatch):
        self._cache = cache
        self._asked.timings.append(cache.data)
        return cache.data != b"of another GPU"

    def get_timing_cache(self):
        return self._cache

    def clear_flag(self, flag):
        self._asked.cleared.append(flag)

    def add_optimization_profile(self, profile):
        self._asked.shapes = profile.shapes


class FakeProfile:
    def set_shape(self, name, *shapes):
        self.shapes = (name, *shapes)


class FakeTensorRt:
    """Stands for the module ``tensorrt`` and its builder, and notes what it is asked for. No IRuntimeCache: not RTX."""

    __name__, __version__ = "tensorrt", "10.3.0"
    BuilderFlag = SimpleNamespace(TF32="TF32")
    ILogger = IProgressMonitor = type("Interface", (), {"__init__": lambda self: None})

    def __init__(self, strongly_typed=True):
        self.asked = SimpleNamespace(network=None, timings=[], cleared=[], shapes=None)
        self.NetworkDefinitionCreationFlag = SimpleNamespace(**({"STRONGLY_TYPED": 1} if strongly_typed else {}))
        self.Builder = lambda log: self
        self.OnnxParser = lambda network, log: SimpleNamespace(parse=lambda data: True)
        self.create_optimization_profile = FakeProfile
        self.create_builder_config = lambda: FakeConfig(self.asked)
        self.build_serialized_network = lambda network, config: b"a plan"

    def create_network(self, flags):
        self.asked.network = flags
        return SimpleNamespace(get_input=lambda index: SimpleNamespace(name="image", shape=(-1, 16, 16, 3)))


def plan(trt, timing_cache=None):
    return build_plan(trt, "tower", b"onnx", Rows(1, 4), timing_cache=timing_cache, report=lambda what, share: None)


@pytest.mark.parametrize(("strongly_typed", "flags"), [(True, 2), (False, 0)])
def test_networks_are_strongly_typed_by_flag_or_always(strongly_typed, flags):
    """The flag of TensorRT 10; a version without it has no other networks."""
    trt = FakeTensorRt(strongly_typed)
    assert plan(trt) == b"a plan"
    assert trt.asked.network == flags
    assert trt.asked.cleared == ["TF32"]
    assert trt.asked.shapes == ("image", (1, 16, 16, 3), (1, 16, 16, 3), (4, 16, 16, 3))


def test_timings_are_kept_for_the_next_build(tmp_path):
    file = tmp_path / "timing.cache"
    for known in (b"", b"+learned", b"+learned+learned"):
        trt = FakeTensorRt()
        plan(trt, file)
        assert trt.asked.timings == [known]
        assert file.read_bytes() == known + b"+learned"


@pytest.mark.parametrize("data", [b"damaged", b"of another GPU"])
def test_timings_that_do_not_fit_are_begun_anew(tmp_path, data):
    file = tmp_path / "timing.cache"
    file.write_bytes(data)
    plan(FakeTensorRt(), file)
    assert file.read_bytes() == b"+learned"


def test_what_tensorrt_says_of_a_failure_is_passed_on():
    trt = FakeTensorRt()

    def fail(network, config):
        tensorrt_build.library_log(trt).errors.append("no  tactic\nfor node_7")

    trt.build_serialized_network = fail
    with pytest.raises(BackendError, match=r"tensorrt 10.3.0, compiling the tower: .*got no tactic for node_7; free"):
        plan(trt)


def test_no_gpu_for_tensorrt():
    trt = FakeTensorRt()

    def refuse(log):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    trt.Builder = refuse
    with pytest.raises(BackendError, match=r"starting its builder: .*an NVIDIA GPU and driver are needed"):
        plan(trt)


# --- progress ---------------------------------------------------------------------------------------------------------


def test_the_share_of_nested_phases_never_goes_back():
    share, seen = PhaseShare(), []
    share.start("all", None, 2)
    for name in ("first", "second"):
        share.start(name, "all", 4)
        for step in range(4):
            share.step(name, step)
            seen.append(share.value)
        share.finish(name)
        share.step("all", ("first", "second").index(name))
        seen.append(share.value)
    share.finish("all")
    assert seen == [0.125, 0.25, 0.375, 0.5, 0.5, 0.625, 0.75, 0.875, 1.0, 1.0]
    assert share.value == 1.0
