# SPDX-License-Identifier: Apache-2.0
"""What the TensorRT encoder says of pictures and texts, and the CUDA graphs it computes that with."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from model.fake_cuda import FakeCuda
from model.tensorrt_engines import open_rtx
from tiny_bundle import TEXTS, pictures

from liv_model.backends import tensorrt_tower
from liv_model.backends.tensorrt import TensorRtEncoder
from liv_model.errors import BackendError, GoalError, ImageError

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


def test_a_refused_inference_is_a_backend_error_and_the_next_one_works(bundle, engine, cuda, trt, reference):
    trt.capturable = False
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=trt)
    trt.refuses = "Error Code 3: API Usage Error"
    with pytest.raises(BackendError, match="inference for vision batches of 1: expected success, got Error Code 3"):
        encoder.encode_images(pictures(1))
    trt.refuses = None
    np.testing.assert_allclose(encoder.encode_images(reference.images), reference.image_embeddings, atol=1e-5)
    encoder.close()


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


# --- graphs of TensorRT for RTX


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
