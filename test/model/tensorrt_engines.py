# SPDX-License-Identifier: Apache-2.0
"""An encoder of TensorRT for RTX over the doubles."""

from model.fake_tensorrt import fake_engine

from liv_model.backends.tensorrt import TensorRtEncoder


def open_rtx(bundle, folder, cuda, trt, **changes):
    return TensorRtEncoder(
        bundle, fake_engine(bundle, folder, library="tensorrt_rtx 1.4.0.76", **changes), cuda=cuda, trt=trt
    )
