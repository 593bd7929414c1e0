# SPDX-License-Identifier: Apache-2.0
"""The TensorRT encoder over doubles of the GPU (fake_cuda.py) and of TensorRT (fake_tensorrt.py)."""

import pytest
from model.fake_cuda import FakeCuda
from model.fake_tensorrt import FakeTensorRt, fake_engine

from liv_model.backends.tensorrt import TensorRtEncoder
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


@pytest.fixture(scope="module")
def reference(bundle):
    """What NumPy computed from the graphs' weights, see tiny_bundle.py."""
    return Samples.load(bundle)
