# SPDX-License-Identifier: Apache-2.0
"""Memory of the GPU: shared, short of, and released when the encoder is closed or the GPU fails."""

import gc

import numpy as np
import pytest
from model.fake_cuda import FakeCuda
from model.fake_tensorrt import SCRATCH, FakeTensorRt, fake_engine
from tiny_bundle import TEXTS, make_bundle, pictures

from liv_model.backends.tensorrt import TensorRtEncoder
from liv_model.errors import BackendError, DeviceMemoryError
from liv_model.samples import Samples


def test_scratch_is_shared_by_the_contexts(encoder, cuda):
    before = cuda.free_bytes()
    encoder.encode_images(pictures(2))
    assert before - cuda.free_bytes() < SCRATCH


# --- closing


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


def test_a_failing_gpu_is_a_backend_error_and_closing_still_works(encoder, cuda):
    cuda.failure = "cudaErrorIllegalAddress (an illegal memory access was encountered)"
    for _ in range(2):
        with pytest.raises(BackendError, match="cudaErrorIllegalAddress"):
            encoder.encode_images(pictures(1))
    encoder.close()
    gc.collect()
    assert not cuda.alive


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


# --- no room


def needed(bundle, engine):
    """Bytes on the GPU of an encoder with one picture and one text at a time."""
    cuda = FakeCuda()
    encoder = TensorRtEncoder(bundle, engine, cuda=cuda, trt=FakeTensorRt(cuda))
    used = cuda.device.memory_bytes - cuda.free_bytes()
    encoder.close()
    return used


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
