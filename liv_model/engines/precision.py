# SPDX-License-Identifier: Apache-2.0
"""The precision of an engine, written into the ONNX of its towers, without torch.

A strongly typed TensorRT network computes in the types its ONNX states, in every version alike, and OpenVINO reads
the same QuantizeLinear / DequantizeLinear: precision has one place, this one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from liv_model.engines.half import to_half
from liv_model.engines.onnx_graph import prepare
from liv_model.engines.quantise import to_int8

_OPSET = 19  # the first in which scales of QuantizeLinear may be float16; TensorRT 10.3 reads up to 20


def to_precision(
    model: onnx.ModelProto,
    precision: str,
    samples: np.ndarray | None = None,
    *,
    tensorrt: bool,
    report: Callable[[float], None] = lambda share: None,
) -> onnx.ModelProto:
    """A tower's graph in a precision; inputs and outputs keep their types.

    Args:
        model: float32, as it is in a bundle.
        precision: "fp32" (only brought into a form that all libraries read), "fp16", or "int8".
        samples: inputs (N, ...) to quantise with; None leaves a tower that would be int8 in the next higher precision
            of its backend. The text tower is left so: it runs once per goal, and every value depends on it.
        tensorrt: whether TensorRT is to read it: its activations are signed, and what is not int8 is float16.
        report: told the share that is done.

    Raises:
        BackendError: a package lacks, or the graph has something that the precision cannot be written into.
    """
    if precision == "fp16" or (precision == "int8" and samples is None and tensorrt):
        return to_half(model)
    if precision == "fp32" or samples is None:
        return prepare(model)
    if not tensorrt:
        return to_int8(model, samples, report=report)
    return to_half(to_int8(_newer(model), samples, signed=True, report=report))


def _newer(model: onnx.ModelProto) -> onnx.ModelProto:
    version = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return model if version >= _OPSET else onnx.version_converter.convert_version(prepare(model), _OPSET)
