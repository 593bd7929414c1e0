# SPDX-License-Identifier: Apache-2.0
"""The TensorRT encoder over doubles of the GPU (fake_cuda.py) and of TensorRT (fake_tensorrt.py)."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from model.fake_cuda import FakeCuda
from model.fake_tensorrt import SCRATCH, FakeTensorRt, fake_engine
from tiny_bundle import TEXTS, make_bundle

from liv_model.backends import tensorrt_library, tensorrt_tower
from liv_model.backends.tensorrt import TensorRtEncoder
from liv_model.errors import BackendError, DeviceMemoryError, EngineError, GoalError, ImageError
from liv_model.nvidia import nvidia
from liv_model.samples import Samples


@pytest.fixture
def cuda():
    return FakeCuda()


@pytest.fixture
def trt(cuda):
    return FakeTensorRt(cuda)


@pytest.fixture
def rtx(cuda):
    return FakeTensorRt(cuda, version="1.4.0.76", rtx=True)


@pytest.fixture
def engine(bundle, tmp_path):
    return fake_engine(bundle, tmp_path)


@pytest.fixture
def encoder(bundle, engine, cuda, trt):
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    yield encoder
    encoder.close()


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def reference(bundle):
    """What NumPy computed from the graphs' weights, see tiny_bundle.py."""
    return Samples.load(bundle)


def open_rtx(bundle, folder, cuda, trt, **changes):
    return TensorRtEncoder(
        bundle, fake_engine(bundle, folder, library="tensorrt_rtx 1.4.0.76", **changes), cuda=cuda, trt=trt
    )


# --- what it computes


def test_pictures_and_texts_are_those_of_the_reference(encoder, reference):
    np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(reference.texts), reference.text_embeddings, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_images(reference.clip.images), reference.clip.embeddings, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 17])
def test_a_batch_is_its_pictures_one_by_one(encoder, count):
    rgb = pictures(count)
    one_by_one = np.concatenate([encoder.encode_images(picture[None]) for picture in rgb])
    together = encoder.encode_images(rgb)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)


def test_more_texts_than_the_plan_takes(encoder):
    texts = [TEXTS[index % len(TEXTS)] for index in range(19)]
    rows = encoder.encode_texts(texts)
    np.testing.assert_allclose(rows, encoder.encode_texts(list(TEXTS))[np.arange(19) % len(TEXTS)], atol=1e-6)
    assert encoder.encode_texts([]).shape == (0, 8)


def test_results_are_the_callers_own(encoder):
    first = encoder.encode_images(pictures(1))
    kept = first.copy()
    encoder.encode_images(pictures(1, seed=1))
    np.testing.assert_array_equal(first, kept)


def test_pictures_that_are_not_contiguous(encoder):
    rgb = pictures(6)
    np.testing.assert_array_equal(encoder.encode_images(rgb[::2]), encoder.encode_images(rgb[::2].copy()))


def test_it_says_what_it_is(encoder, bundle):
    said = (encoder.model, encoder.backend, encoder.device, encoder.precision, encoder.gate)
    assert said == (bundle.identity, "tensorrt", "Fake GPU sm89", "fp32", None)


def test_bad_input_is_refused_as_by_every_backend(encoder):
    with pytest.raises(ImageError, match="expected"):
        encoder.encode_images(pictures(1)[:, :8])
    with pytest.raises(GoalError, match="expected"):
        encoder.encode_texts(["  "])


# --- how it runs


def test_every_batch_size_has_a_graph_of_its_own(encoder, cuda):
    assert encoder.graphs == {"vision": {1: True}, "text": {1: True}}
    for count in (1, 2, 3, 4, 7, 2, 1):  # 7 = 4 + 3
        encoder.encode_images(pictures(count))
    assert encoder.graphs["vision"] == dict.fromkeys((1, 2, 3, 4), True)
    launched = cuda.made["launch"]
    encoder.encode_images(pictures(3))
    assert cuda.made["launch"] == launched + 1


def test_sizes_in_use_are_few():
    sizes = {tensorrt_tower.program_size(count, 100) for count in range(1, 101)}
    assert sorted(sizes) == [1, 2, 3, 4, 8, 16, 32, 64, 100]
    assert all(tensorrt_tower.program_size(count, 6) <= 6 for count in range(1, 7))


def test_nothing_is_allocated_once_the_sizes_are_known(encoder, cuda):
    def use():
        for count in (1, 2, 4, 6):
            encoder.encode_images(pictures(count))
        encoder.encode_texts(list(TEXTS))

    use()
    before, alive = cuda.made.copy(), cuda.alive
    for _ in range(20):
        use()
    grown = {name for name, count in cuda.made.items() if count != before[name]}
    assert grown == {"launch", "record", "wait"}  # the copies are in the graphs
    assert cuda.alive == alive


def test_time_on_the_gpu_is_that_of_one_run(encoder, cuda):
    encoder.encode_images(pictures(3))
    before = cuda.made.copy()
    assert encoder.gpu_ms(pictures(3)) == 1.0  # the double's
    assert cuda.made - before == {"launch": 1, "record": 2, "wait": 1}


def test_it_may_be_used_from_several_threads(encoder):
    rgb = pictures(16)
    expected = encoder.encode_images(rgb)

    def use(index):
        for _ in range(20):
            np.testing.assert_array_equal(encoder.encode_images(rgb[index : index + 1])[0], expected[index])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))


# --- graphs that cannot be had


def test_a_capture_that_fails_costs_the_graph_not_the_result(bundle, engine, cuda, trt, reference, caplog):
    trt.capturable = False
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    assert encoder.graphs == {"vision": {1: False}, "text": {1: False}}
    np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    assert "run without CUDA graph: TensorRT, inference for vision batches of 1" in caplog.text
    assert "not permitted when stream is capturing" in caplog.text
    encoder.close()


def test_a_graph_that_says_something_else_is_not_used(bundle, engine, cuda, trt, reference, monkeypatch, caplog):
    monkeypatch.setattr(FakeCuda, "launch", lambda self, graph, stream: None)  # a replay that does nothing
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    assert "its replay differs from the run" in caplog.text
    encoder.close()
    gc.collect()
    assert not cuda.alive


# --- TensorRT for RTX


def test_rtx_compiles_eagerly_so_that_a_graph_stays_true(bundle, cuda, rtx, tmp_path, reference):
    encoder = open_rtx(bundle, tmp_path, cuda, rtx)
    for _ in range(3):
        np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    assert encoder.graphs["vision"] == {1: True, 4: True}
    encoder.close()


def test_rtx_engines_that_cannot_be_captured_run_without_graphs(bundle, cuda, rtx, tmp_path, reference, caplog):
    rtx.capturable = False
    encoder = open_rtx(bundle, tmp_path, cuda, rtx)
    np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    assert "the engine cannot be captured" in caplog.text
    encoder.close()


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


# --- engines that will not load


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


# --- memory


def needed(bundle, engine):
    """Bytes on the GPU of an encoder with one picture and one text at a time."""
    cuda = FakeCuda()
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=FakeTensorRt(cuda))
    used = cuda.device.memory_bytes - cuda.free_bytes()
    encoder.close()
    return used


def test_close_releases_everything_and_may_come_twice(encoder, cuda):
    encoder.encode_images(pictures(3))
    encoder.encode_texts(list(TEXTS))
    encoder.close()
    encoder.close()
    gc.collect()
    assert not cuda.alive
    assert cuda.free_bytes() == cuda.device.memory_bytes
    with pytest.raises(BackendError, match="expected an open one, got a closed one"):
        encoder.encode_images(pictures(1))


@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.6, 0.9, 0.999])
def test_no_room_says_how_much_was_needed_and_leaves_nothing(bundle, engine, part):
    cuda = FakeCuda(memory_bytes=int(part * needed(bundle, engine)))
    with pytest.raises(DeviceMemoryError, match=r"GPU memory for .*: expected \d+\.\d MiB free, got \d+\.\d MiB free"):
        TensorRtEncoder(bundle, engine, cuda=cuda, trt=FakeTensorRt(cuda))
    gc.collect()
    assert not cuda.alive


def test_no_room_for_a_larger_batch_cuts_it_up(bundle, engine, reference, caplog):
    cuda = FakeCuda(memory_bytes=needed(bundle, engine))
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=FakeTensorRt(cuda))
    for _ in range(3):
        np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    assert encoder.graphs["vision"] == {1: True}
    assert caplog.text.count("vision batches of 4 are cut up from now on: GPU memory for an execution context") == 1
    encoder.close()


def test_a_new_bundle_that_finds_no_room_leaves_the_old_one_serving(bundle, engine, reference):
    cuda = FakeCuda(memory_bytes=int(1.5 * needed(bundle, engine)))
    trt = FakeTensorRt(cuda)
    old = TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    with pytest.raises(DeviceMemoryError):
        TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    np.testing.assert_allclose(old.encode_images(reference.images[:1]), reference.image_embeddings[:1], atol=1e-5)
    old.close()


def test_two_bundles_at_once_and_the_first_is_closed(bundle, engine, cuda, trt, tmp_path, reference):
    other = make_bundle(tmp_path / "other", seed=1)
    old = TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    new = TensorRtEncoder(other, fake_engine(other, tmp_path / "engine"), cuda=cuda, trt=trt)
    np.testing.assert_allclose(old.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    old.close()
    gc.collect()
    expected = Samples.load(other)
    np.testing.assert_allclose(new.encode_images(expected.images), expected.image_embeddings, atol=1e-5)
    new.close()
    gc.collect()
    assert not cuda.alive


# --- a GPU that fails


def test_a_failing_gpu_is_a_backend_error_and_closing_still_works(encoder, cuda):
    cuda.failure = "cudaErrorIllegalAddress (an illegal memory access was encountered)"
    for _ in range(2):
        with pytest.raises(BackendError, match="cudaErrorIllegalAddress"):
            encoder.encode_images(pictures(1))
    encoder.close()
    gc.collect()
    assert not cuda.alive


def test_a_refused_inference_is_a_backend_error_and_the_next_one_works(bundle, engine, cuda, trt, reference):
    trt.capturable = False
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    trt.refuses = "Error Code 3: API Usage Error"
    with pytest.raises(BackendError, match="inference for vision batches of 1: expected success, got Error Code 3"):
        encoder.encode_images(pictures(1))
    trt.refuses = None
    np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    encoder.close()


def test_scratch_is_shared_by_the_contexts(encoder, cuda):
    before = cuda.free_bytes()
    encoder.encode_images(pictures(2))
    assert before - cuda.free_bytes() < SCRATCH
