# SPDX-License-Identifier: Apache-2.0
"""The TensorRT encoder on a real GPU, short: `make gpu-check` does the same at length and writes it down."""

import numpy as np
import pytest

from bench.gpu_check import check, environment, faults, parity
from bench.gpu_check.soak import soak
from liv_model.bundle import Bundle
from liv_model.cuda import Cuda
from liv_model.engines.engine import EngineSpec
from liv_model.engines.gate import LEAST_COSINE
from liv_model.errors import BackendError, LivError
from liv_model.samples import Samples

pytestmark = pytest.mark.gpu
PRECISIONS = ("fp32", "fp16")


@pytest.fixture(scope="module")
def cuda():
    try:
        trt = environment.require_tensorrt()
    except LivError as error:
        pytest.skip(str(error))
    cuda = Cuda()
    if problem := environment.unsupported(trt, cuda.device.target):
        pytest.skip(problem)
    return cuda


@pytest.fixture(scope="module")
def shipped():
    return Bundle.load()


@pytest.fixture(scope="module")
def samples(shipped):
    return Samples.load(shipped)


@pytest.fixture(scope="module", params=PRECISIONS)
def engine(request, cuda, shipped):
    from liv_model.engines import build

    return build.build(shipped, EngineSpec("tensorrt", request.param))


@pytest.fixture
def open_one(shipped, engine):
    return lambda: check.open_encoder(shipped, engine)


@pytest.fixture
def encoder(open_one):
    encoder = open_one()
    yield encoder
    encoder.close()


def test_it_says_what_the_references_say(encoder, shipped, samples):
    against, _ = parity.references(shipped, samples)
    result = parity.compare(encoder, samples, against, encoder.precision, 4)
    assert result["passed"], result


def test_every_size_is_a_graph(encoder, samples):
    for size in (1, 2, 3, 4):
        encoder.encode_images(samples.images[:size])
    assert encoder.graphs == {"vision": dict.fromkeys((1, 2, 3, 4), True), "text": {1: True}}


def test_a_thousand_calls(encoder, samples, cuda):
    result = soak(encoder, samples.images, samples.texts, 1000, (1, 2, 3, 4), lambda: check.memory(cuda))
    assert result["passed"], result


def test_a_swap(encoder, open_one, samples, cuda):
    result = faults.swap(encoder, open_one, samples.images, cuda)
    assert result["passed"], result


def test_damaged_plans(shipped, engine):
    result = faults.damaged_plans(shipped, engine)
    assert result["passed"], result


def test_a_closed_one_refuses(open_one, samples):
    encoder = open_one()
    encoder.close()
    encoder.close()
    with pytest.raises(BackendError, match="closed"):
        encoder.encode_images(samples.images[:1])


def test_it_serves_from_another_thread_than_it_was_opened_in(encoder, samples):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        rows = pool.submit(encoder.encode_images, samples.images[:1]).result()
    assert np.einsum("d,d", rows[0], samples.image_embeddings[0]) >= LEAST_COSINE[encoder.precision]
