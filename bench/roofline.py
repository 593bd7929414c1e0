# SPDX-License-Identifier: Apache-2.0
"""What an ONNX graph costs at least: floating-point operations and bytes counted from its shapes, no run needed."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import onnx

from liv_model.errors import BundleError

BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}


@dataclass(frozen=True)
class Cost:
    """Of one run of a graph.

    Attributes:
        flop: of convolutions and matrix products, a multiplication and an addition counting as two. The rest (norms,
            activations) is a few percent, and runs while they do.
        weights: numbers in its constants, each of which must be read once.
        transfer_bytes: of inputs and outputs. What lies between can stay in a cache.
    """

    flop: int
    weights: int
    transfer_bytes: int

    def least_s(self, precision: str, *, flop_per_s: float, bytes_per_s: float) -> float:
        """The roofline: no device of these rates is faster (Williams et al., CACM 2009)."""
        size = self.weights * BYTES[precision] + self.transfer_bytes
        return max(self.flop / flop_per_s, size / bytes_per_s)


def cost(model: onnx.ModelProto, batch: int) -> Cost:
    """Count a graph whose inputs have ``batch`` as their first dimension.

    Raises:
        BundleError: a shape cannot be inferred.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del fixed.graph.value_info[:]  # of a batch that is not known
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {value.name: _shape(value) for value in (*graph.input, *graph.output, *graph.value_info)}
    shapes |= {constant.name: tuple(constant.dims) for constant in graph.initializer}
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    transfer = sum(prod(_known(shapes, name)) * _size(kind) for name, kind in kinds.items())
    floats = [c for c in graph.initializer if c.data_type in _FLOATS]
    return Cost(sum(_flop(node, shapes) for node in graph.node), sum(prod(c.dims) for c in floats), transfer)


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def _flop(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type == "Conv":
        _, per_group, *kernel = _known(shapes, node.input[1])
        return 2 * prod(_known(shapes, node.output[0])) * per_group * prod(kernel)
    if node.op_type == "MatMul":
        return 2 * prod(_known(shapes, node.output[0])) * _known(shapes, node.input[0])[-1]
    if node.op_type == "Gemm":
        first = _known(shapes, node.input[0])
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return 2 * prod(_known(shapes, node.output[0])) * first[0 if transposed else 1]
    return 0


def _known(shapes: dict[str, tuple[int, ...]], name: str) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None or 0 in shape:
        raise BundleError(f"tensor {name!r}", expected="a shape that can be inferred", got=shape)
    return shape


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _size(kind: int) -> int:
    return onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
