# SPDX-License-Identifier: Apache-2.0
"""The parts of `make gpu-check` over the doubles, and what it says where there is no GPU."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from model.fake_cuda import FakeCuda
from model.fake_tensorrt import FakeTensorRt, fake_engine

from bench.gpu_check import __main__ as command
from bench.gpu_check import check, environment, faults, parity, soak, trial
from liv_model.backends.tensorrt import TensorRtEncoder
from liv_model.engines import engine as engines
from liv_model.errors import BackendError
from liv_model.nvidia import Gpu, Nvidia, nvidia
from liv_model.samples import Samples

GPU = Nvidia((Gpu("NVIDIA H200", "sm90", 1 << 37),), "580.1, CUDA 13.0")


@pytest.fixture
def cuda():
    return FakeCuda()


@pytest.fixture
def open_one(bundle, cuda, tmp_path):
    engine, trt = fake_engine(bundle, tmp_path / "engine"), FakeTensorRt(cuda)
    return lambda: TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)


@pytest.fixture
def encoder(open_one):
    encoder = open_one()
    yield encoder
    encoder.close()


@pytest.fixture
def samples(bundle):
    return Samples.load(bundle)


class Wrong:
    """An encoder that turns its results around from some call on."""

    def __init__(self, encoder, after=0):
        self._encoder, self._left = encoder, after

    def encode_images(self, rgb):
        self._left -= 1
        return self._encoder.encode_images(rgb) * (1 if self._left >= 0 else -1)

    def encode_texts(self, texts):
        return self._encoder.encode_texts(texts)


def memory_of(cuda, growth=0):
    calls = []

    def memory():
        calls.append(growth)
        return {**check.memory(cuda), "process": 100.0 + sum(calls)}

    return memory


# --- parity


def test_parity_with_the_bundle_and_openvino(bundle, encoder, samples):
    against, lacking = parity.references(bundle, samples)
    assert [reference.name for reference in against][:2] == ["bundle", "openvino"]
    assert "torch" in lacking  # the tiny bundle has no weights
    result = parity.compare(encoder, samples, against, "fp32", 4)
    assert result["passed"]
    assert result["least cosine"] > 0.99999
    assert {"images, batches of 1", "images, batches of 9", "texts together"} <= set(result["by reference"]["openvino"])


def test_parity_sees_one_wrong_batch(encoder, samples, bundle):
    against = [
        parity.Reference(
            "bundle", np.concatenate([samples.image_embeddings, samples.clip.embeddings]), samples.text_embeddings
        )
    ]
    assert not parity.compare(Wrong(encoder, after=20), samples, against, "int8", 4)["passed"]


# --- soak


def test_a_soak_that_is_fine(encoder, samples, cuda):
    result = soak.soak(encoder, samples.clip.images, samples.texts, 200, (1, 2, 3), memory_of(cuda))
    assert result["passed"]
    assert result["growth MiB"] == {"GPU": 0, "process": 0}
    assert {name: row["n"] for name, row in result["latency ms"].items()} == {
        "batch 1": 67,
        "batch 2": 67,
        "batch 3": 66,
    }
    assert len(result["memory MiB"]) == 20


def test_a_soak_sees_results_that_change(encoder, samples, cuda):
    result = soak.soak(Wrong(encoder, after=150), samples.clip.images, samples.texts, 200, (1,), memory_of(cuda))
    assert not result["passed"]
    assert result["least cosine with the first result"] < 0


def test_a_soak_sees_memory_that_grows(encoder, samples, cuda):
    result = soak.soak(encoder, samples.clip.images, samples.texts, 200, (1,), memory_of(cuda, growth=5))
    assert not result["passed"]
    assert result["growth MiB"]["process"] == 90  # 18 checkpoints after the second


def test_a_soak_sees_memory_of_the_gpu_that_grows(encoder, samples, cuda):
    def leak():
        cuda.allocate(1 << 20, "a leak")
        return check.memory(cuda)

    result = soak.soak(encoder, samples.clip.images, samples.texts, 100, (1,), leak)
    assert not result["passed"]
    assert result["growth MiB"]["GPU"] == 18


# --- faults


@pytest.fixture
def small_blocks(monkeypatch):
    """The tiny bundle fits into the last MiB."""
    monkeypatch.setattr(faults, "_SMALLEST_BLOCK", 1)


def test_a_swap_gives_the_memory_back(encoder, open_one, samples, cuda):
    assert faults.swap(encoder, open_one, samples.images, cuda)["passed"]


def test_a_swap_that_leaks_is_seen(encoder, open_one, samples, cuda):
    def leaky():
        cuda.allocate(1 << 20, "a leak")
        return open_one()

    result = faults.swap(encoder, leaky, samples.images, cuda)
    assert not result["passed"]
    assert result["lost MiB"] == 4


def test_without_memory_the_serving_one_goes_on(encoder, open_one, samples, cuda, small_blocks):
    result = faults.no_memory(encoder, open_one, samples.images, cuda)
    assert result["passed"]
    assert "MiB free" in result["said"]
    open_one().close()  # the memory is back


def test_an_encoder_that_opens_without_memory_is_seen(encoder, samples, cuda, small_blocks):
    result = faults.no_memory(encoder, lambda: SimpleNamespace(close=lambda: None), samples.images, cuda)
    assert not result["passed"]
    assert result["said"] == "it opened"


@pytest.mark.slow
def test_damaged_plans_are_loaded_elsewhere(bundle, tmp_path):
    """Here without any TensorRT 0.0, so that each process says that it is not installed: not what is asked."""
    result = faults.damaged_plans(bundle, fake_engine(bundle, tmp_path, library="tensorrt_nowhere 0.0"))
    assert not result["passed"]
    assert all(
        text.startswith("BackendError: backend 'tensorrt', package tensorrt_nowhere")
        for text in result["said"].values()
    )


def test_another_thread_counts_while_encoding(encoder, samples, monkeypatch):
    monkeypatch.setattr(faults, "_GIL_S", 0.1)
    assert faults.gil(encoder, samples.images)["another thread's speed while encoding"] > 0


# --- the command


@pytest.fixture
def run(bundle, cuda, tmp_path, monkeypatch, small_blocks):
    """The whole command over the doubles; check.build may be replaced."""
    trt = FakeTensorRt(cuda)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "nvidia", lambda: GPU)
    monkeypatch.setattr(command, "require_tensorrt", lambda found: trt)
    monkeypatch.setattr("liv_model.cuda.Cuda", lambda device: cuda)
    monkeypatch.setattr(faults, "damaged_plans", lambda *arguments: {"passed": True})
    monkeypatch.setattr(faults, "_GIL_S", 0.1)
    monkeypatch.setattr(
        check,
        "build",
        lambda bundle, spec, report: fake_engine(bundle, tmp_path / spec.precision, precision=spec.precision),
    )
    monkeypatch.setattr(
        check, "open_encoder", lambda bundle, engine, device: TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    )

    def run(*words):
        out = tmp_path / "out"
        code = command.main(["--bundle", str(bundle.path), "--out", str(out), "--calls", "60", "--no-bench", *words])
        report = json.loads((out / "report.json").read_text())
        return code, report, (out / "report.md").read_text()

    run.trt = trt
    return run


def test_the_whole_check(run, capsys):
    code, report, page = run("--fill-memory")
    assert code == 0
    assert report["verdict"] == "everything passed"
    assert list(report["engines"]) == list(engines.PRECISIONS)
    steps = report["engines"]["fp16"]["steps"]
    expected = ["build", "open", "gate", "parity", "CUDA graphs", "soak", "GIL", "swap", "no memory left"]
    assert list(steps) == [*expected, "damaged plans", "open again"]
    assert "## fp16" in page
    assert "| GPUs 0: name | NVIDIA H200 |" in page
    assert any(note.startswith("no reference torch") for note in report["notes"])
    assert "fp16 soak: passed" in capsys.readouterr().out


def test_something_that_fails_is_exit_code_1_and_named(run, monkeypatch):
    monkeypatch.setattr(faults, "swap", lambda *arguments: {"passed": False, "lost MiB": 12.0})
    code, report, page = run("--precisions", "fp32")
    assert (code, report["verdict"]) == (1, "something FAILED")
    assert report["engines"]["fp32"]["failed"] == ["swap"]
    assert "Failed: swap." in page


def test_whatever_is_raised_belongs_into_the_report(run, monkeypatch):
    monkeypatch.setattr(faults, "gil", lambda *arguments: 1 / 0)
    code, report, page = run("--precisions", "fp32")
    assert code == 1
    assert "ZeroDivisionError('division by zero') in" in report["engines"]["fp32"]["failed"][0]
    assert "soak" in page


def test_a_precision_that_cannot_be_built_does_not_hide_the_others(run, bundle, monkeypatch, tmp_path):
    def build(bundle, spec, report):
        if spec.precision == "int8":
            raise BackendError("TensorRT", expected="an engine", got="no")
        return fake_engine(bundle, tmp_path / spec.precision, precision=spec.precision)

    monkeypatch.setattr(check, "build", build)
    code, report, _ = run()
    assert code == 1
    assert report["engines"]["int8"] == {"steps": {}, "failed": ["TensorRT: expected an engine, got no"]}
    assert not report["engines"]["fp32"]["failed"]


def test_a_gpu_that_tensorrt_for_rtx_does_not_know(run):
    run.trt.IRuntimeCache = object
    run.trt.ComputeCapability = SimpleNamespace(__members__=dict.fromkeys(("NONE", "CURRENT", "SM86", "SM120")))
    code, report, page = run()
    assert code == 2
    assert report["verdict"] == (
        "this GPU (sm89) is not supported by TensorRT for RTX 10.3.0, which knows sm86, sm120; plain TensorRT is needed"
    )
    assert list(report["trial of TensorRT for RTX"]) == ["no target", "CURRENT", "SM86"]
    assert "AttributeError" in page  # the double has no builder


def test_the_trial_asks_the_real_tensorrt_for_rtx(cuda):
    """Here for a GPU that is not there: building for a named target works, the rest is refused in its own words."""
    rtx = pytest.importorskip("tensorrt_rtx", reason="no module tensorrt_rtx")
    if nvidia().gpus:
        pytest.skip("there is a GPU here: it is not the double's")
    said = trial.try_rtx(rtx, cuda)
    assert "building it: expected success, got" in said["CURRENT"]
    assert "trial.plan: expected" in said["SM89"] or "loading" in said["SM89"]


@pytest.mark.parametrize(
    ("found", "package", "cuda_python", "says"),
    [
        (Nvidia(problem="no NVIDIA driver"), "tensorrt", True, "got no NVIDIA driver; run it on a machine with one"),
        (GPU, None, True, "got NVIDIA H200 sm90 without either TensorRT; docs/deploy.md"),
        (GPU, "tensorrt", False, "got NVIDIA H200 sm90 and tensorrt without cuda-python; pip install"),
        (GPU, "tensorrt_nowhere", True, "a tensorrt_nowhere that does not import"),
    ],
)
def test_where_it_cannot_run_it_says_so_in_one_line(monkeypatch, capsys, found, package, cuda_python, says):
    monkeypatch.setattr(command, "nvidia", lambda: found)
    monkeypatch.setattr(environment, "tensorrt_package", lambda: package)
    monkeypatch.setattr(environment, "has_cuda_python", lambda: cuda_python)
    assert command.main([]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("make gpu-check: GPU: expected an NVIDIA GPU with its driver, tensorrt or tensorrt_rtx")
    assert says in said


def test_nothing_is_known_against_plain_tensorrt():
    assert environment.unsupported(SimpleNamespace(), "sm90") == ""
