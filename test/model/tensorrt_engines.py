# SPDX-License-Identifier: Apache-2.0
"""An encoder of TensorRT for RTX over the doubles, and pictures for it."""

import numpy as np
from model.fake_tensorrt import fake_engine

from liv_model.backends.tensorrt import TensorRtEncoder


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), np.uint8)


def open_rtx(bundle, folder, cuda, trt, **changes):
    return TensorRtEncoder(
        bundle, fake_engine(bundle, folder, library="tensorrt_rtx 1.4.0.76", **changes), cuda=cuda, trt=trt
    )
