# SPDX-License-Identifier: Apache-2.0
"""int8, written into an ONNX graph: post-training quantisation by NNCF (Apache-2.0), which needs no torch.

On the ONNX and not on OpenVINO's own model: TensorRT reads it too, and nothing is lost. Measured with NNCF 3.4 and
OpenVINO 2026.4 on a CPU with VNNI, one thread: least cosine to float32, and processor time of one picture.

    CLIP RN50 of random weights    float32 118 ms; OpenVINO's model quantised 0.9934, 31 ms; the ONNX 0.9956, 31 ms
    models/metaworld of 12 tasks   float32 1.2 ms; OpenVINO's model quantised 0.9996, 0.6 ms; the ONNX 0.9994, 0.6 ms

What departs from NNCF's defaults, and the least cosine with and without it over 500 unseen pictures of 50 tasks
(models/metaworld, 100 samples; 0.997 over 6,000 pictures in the end; the gate asks for 0.99):

    ranges of activations are those of all samples, not the mean of each one's extremes, which clips    0.994    0.30
    biases are not corrected: the correction does more harm than the quantisation                       0.996    0.994
    the last weighted layer stays float32: it decides the direction, and takes no time                  0.998    0.996
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from liv_model.engines.onnx_graph import after_weights, before_weights, last_weighted, prepare
from liv_model.errors import BackendError


def to_int8(
    model: onnx.ModelProto,
    samples: np.ndarray,
    *,
    signed: bool = False,
    report: Callable[[float], None] = lambda share: None,
) -> onnx.ModelProto:
    """The graph with int8 weights (per channel) and activations (per tensor), as QuantizeLinear / DequantizeLinear.

    What brings pixels to floats, the last weighted layer and the final normalisation stay float32, as do norms and
    softmax.

    Args:
        model: one input, rows of it independent.
        samples: (N, ...) of the input; activations range from the least to the greatest value of all of them.
        signed: activations are symmetric int8, all that TensorRT reads; otherwise uint8 where that fits better.
        report: told the share of the samples that was looked at.

    Raises:
        BackendError: NNCF or onnxruntime is not installed.
    """
    nncf = _nncf()
    ready = prepare(model)
    name = ready.graph.input[0].name
    kept = before_weights(ready.graph) | after_weights(ready.graph) | {last_weighted(ready.graph)}

    def feed(number: int) -> dict[str, np.ndarray]:
        report(number / len(samples))
        return {name: samples[number][None]}

    with contextlib.redirect_stdout(io.StringIO()):  # its own progress bars, which cannot be turned off
        quantised = nncf.quantize(
            ready,
            nncf.Dataset(range(len(samples)), feed),
            preset=nncf.QuantizationPreset.PERFORMANCE if signed else nncf.QuantizationPreset.MIXED,
            model_type=_kind(nncf, ready.graph),
            subset_size=len(samples),
            ignored_scope=nncf.IgnoredScope(names=sorted(kept), validate=False),
            advanced_parameters=_parameters(nncf, signed),
        )
    if signed:
        _sign_activations(quantised.graph)
    return quantised


def _kind(nncf: ModuleType, graph: onnx.GraphProto) -> Any:
    """Transformers need their attention spared and their channels evened out (SmoothQuant).

    Without it a ViT-B-32 of random weights has a least cosine of 0.9984, with it 0.9995, and is as fast.
    """
    has_norms = any(node.op_type == "LayerNormalization" for node in graph.node)
    return nncf.ModelType.TRANSFORMER if has_norms else None


def _parameters(nncf: ModuleType, signed: bool) -> Any:
    """What departs from NNCF's defaults; the figures are above."""
    advanced = _package("nncf.quantization.advanced_parameters")
    ranges = _package("nncf.quantization.range_estimator")

    def extreme(which: str) -> Any:
        return ranges.StatisticsCollectorParameters(
            statistics_type=ranges.StatisticsType[which], aggregator_type=ranges.AggregatorType[which]
        )

    return advanced.AdvancedQuantizationParameters(
        activations_range_estimator_params=ranges.RangeEstimatorParameters(min=extreme("MIN"), max=extreme("MAX")),
        disable_bias_correction=True,
        # the first layer with 7 bits of weight: for CPUs whose int8 sums overflow (no VNNI). GPUs have none of that
        overflow_fix=nncf.OverflowFix.DISABLE if signed else nncf.OverflowFix.FIRST_LAYER,
    )


def _sign_activations(graph: onnx.GraphProto) -> None:
    """uint8 quantisers become symmetric int8 ones of the same reach; NNCF cannot be asked for them."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    done: dict[tuple[str, str], tuple[str, str]] = {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        scale, zero = node.input[1], node.input[2]
        if constants[zero].data_type != TensorProto.UINT8:
            continue
        if (scale, zero) not in done:
            steps = numpy_helper.to_array(constants[scale]).astype(np.float32)
            origin = numpy_helper.to_array(constants[zero]).astype(np.float32)
            reach = np.maximum(origin, 255 - origin) * steps
            new = (
                numpy_helper.from_array(np.float32(reach / 127), f"{scale}__signed"),
                numpy_helper.from_array(np.zeros(origin.shape, np.int8), f"{zero}__signed"),
            )
            graph.initializer.extend(new)
            done[scale, zero] = (new[0].name, new[1].name)
        node.input[1], node.input[2] = done[scale, zero]
    for name in {name for pair in done for name in pair}:
        graph.initializer.remove(constants[name])
    stale = [info for info in graph.value_info if info.type.tensor_type.elem_type == TensorProto.UINT8]
    for info in stale:
        graph.value_info.remove(info)


def _nncf() -> ModuleType:
    """NNCF and what it runs graphs with."""
    _package("onnxruntime")
    nncf = _package("nncf")
    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own function sets the level of others' handlers, too
    return nncf


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise BackendError(
            "engines of precision int8",
            expected=f"the Python package {error.name!r}",
            got="not installed",
            remedy="pip install -r requirements/engines.txt, or take precision fp32 or fp16",
        ) from error
