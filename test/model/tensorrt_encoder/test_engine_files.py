# SPDX-License-Identifier: Apache-2.0
"""An engine's files: plans that will not load, and TensorRT for RTX's runtime cache."""

import gc

import numpy as np
import pytest
from model.fake_tensorrt import fake_engine
from model.tensorrt_engines import open_rtx
from tiny_bundle import pictures

from liv_model.backends import tensorrt_library
from liv_model.backends.tensorrt import TensorRtEncoder
from liv_model.errors import BackendError, DeviceMemoryError, EngineError
from liv_model.nvidia import nvidia

# --- plans


def damage(kind, engine):
    data = engine.vision.read_bytes()
    changed = {
        "garbage": b"\0" * 1000,
        "cut short": data[:200],
        "empty": b"",
        "another version": data.replace(b"10.3.0", b"10.2.0", 1),
    }
    if kind == "gone":
        engine.vision.unlink()
    else:
        engine.vision.write_bytes(changed[kind])


@pytest.mark.parametrize("kind", ["garbage", "cut short", "empty", "another version", "gone"])
def test_a_plan_that_will_not_load_asks_for_a_new_one_and_leaves_nothing(bundle, engine, cuda, trt, kind):
    damage(kind, engine)
    with pytest.raises(EngineError, match=r"vision.plan: expected .* build the engine anew"):
        TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    gc.collect()
    assert not cuda.alive


def test_rtx_says_in_one_word_what_is_wrong_with_a_plan(bundle, cuda, rtx, tmp_path):
    engine = fake_engine(bundle, tmp_path, library="tensorrt_rtx 1.3.0")
    with pytest.raises(EngineError, match="expected a plan for this GPU and version, got VERSION_MISMATCH"):
        TensorRtEncoder(bundle, engine, cuda=cuda, trt=rtx)


@pytest.mark.parametrize(
    ("finds", "error", "says"),
    [
        ("UNSUPPORTED_CC", EngineError, "got UNSUPPORTED_CC; build the engine anew"),
        ("OLD_CUDA_DRIVER", BackendError, "got OLD_CUDA_DRIVER; update the NVIDIA driver"),
        ("INSUFFICIENT_GPU_MEMORY", DeviceMemoryError, "GPU memory for loading"),
    ],
)
def test_rtx_tells_a_plan_to_build_anew_from_what_that_would_not_mend(bundle, cuda, rtx, tmp_path, finds, error, says):
    rtx.finds = finds
    with pytest.raises(BackendError, match=says) as raised:
        open_rtx(bundle, tmp_path, cuda, rtx)
    assert type(raised.value) is error


def test_a_plan_of_another_model(bundle, tmp_path, engine, cuda, trt):
    engine.vision.write_bytes(engine.text.read_bytes())
    with pytest.raises(EngineError, match=r"vision plan: expected \('UINT8', \(16, 16, 3\), 'FLOAT'\).*got \('INT64'"):
        TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    gc.collect()
    assert not cuda.alive


def test_an_engine_for_other_gpus(bundle, cuda, trt, tmp_path):
    engine = fake_engine(bundle, tmp_path, targets=("sm86",))
    with pytest.raises(EngineError, match=r"expected one built for sm89 \(Fake GPU\), got one for sm86"):
        TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)


def test_the_library_that_made_it_must_be_here(monkeypatch):
    with pytest.raises(BackendError, match="package tensorrt_nowhere: expected installed") as raised:
        tensorrt_library.import_library("tensorrt_nowhere 10.3.0")
    assert not isinstance(raised.value, EngineError)  # building anew would not help
    with pytest.raises(EngineError, match=r"expected one of numpy .* got numpy 0\.0\.1"):
        tensorrt_library.import_library("numpy 0.0.1")


# --- plans of the real TensorRT for RTX


@pytest.fixture(scope="module")
def real_rtx():
    return pytest.importorskip("tensorrt_rtx", reason="no module tensorrt_rtx")


def build_for_sm89(rtx):
    """A plan of the real library: one matrix product."""
    builder = rtx.Builder(tensorrt_library.library_log(rtx))
    network, config = builder.create_network(0), builder.create_builder_config()
    rows = network.add_input("rows", rtx.float32, (1, 4))
    weights = network.add_constant((4, 4), np.eye(4, dtype=np.float32)).get_output(0)
    none = rtx.MatrixOperation.NONE
    network.mark_output(network.add_matrix_multiply(rows, none, weights, none).get_output(0))
    config.num_compute_capabilities = 1
    config.set_compute_capability(rtx.ComputeCapability.SM89, 0)
    return bytes(memoryview(builder.build_serialized_network(network, config)))


def test_the_real_tensorrt_for_rtx_refuses_garbage(real_rtx, cuda, tmp_path):
    (tmp_path / "vision.plan").write_bytes(bytes(1000))
    with pytest.raises(EngineError, match="expected a plan for this GPU and version, got MALFORMED_ENGINE"):
        tensorrt_library.load_engine(real_rtx, cuda, tmp_path / "vision.plan")


@pytest.mark.skipif(bool(nvidia().gpus), reason="there is a GPU here")
def test_the_real_tensorrt_for_rtx_without_a_driver_asks_for_no_new_plan(real_rtx, cuda, tmp_path):
    (tmp_path / "vision.plan").write_bytes(build_for_sm89(real_rtx))
    with pytest.raises(BackendError, match=r"expected a driver for it, got .*; update the NVIDIA driver") as raised:
        tensorrt_library.load_engine(real_rtx, cuda, tmp_path / "vision.plan")
    assert not isinstance(raised.value, EngineError)


# --- the runtime cache


def test_rtx_compiles_once_for_all_starts(bundle, cuda, rtx, tmp_path):
    encoder = open_rtx(bundle, tmp_path, cuda, rtx)
    encoder.encode_images(pictures(2))
    assert rtx.compiled == 3  # vision 1 and 2, text 1
    encoder.close()
    again = open_rtx(bundle, tmp_path, cuda, rtx)
    again.encode_images(pictures(2))
    assert rtx.compiled == 3
    again.close()


def test_a_damaged_runtime_cache_is_made_anew(bundle, cuda, rtx, tmp_path, reference):
    open_rtx(bundle, tmp_path, cuda, rtx).close()
    file = tmp_path / "runtime.cache"
    whole = file.read_bytes()
    file.write_bytes(b"\0" * 10)
    encoder = open_rtx(bundle, tmp_path, cuda, rtx)
    np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    encoder.close()
    assert file.read_bytes().startswith(whole[:5])
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_a_runtime_cache_that_cannot_be_written_is_said_once_a_change(bundle, cuda, rtx, tmp_path, caplog):
    engine = fake_engine(bundle, tmp_path, library="tensorrt_rtx 1.4.0.76")
    engine.runtime_cache.mkdir()  # os.replace of a file onto a folder fails, for root too
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=rtx)
    encoder.encode_images(pictures(1))
    assert "runtime cache not kept" in caplog.text
    encoder.close()
