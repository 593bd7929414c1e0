# SPDX-License-Identifier: Apache-2.0
"""float16, written into an ONNX graph.

Why not a library: between two nodes that are to stay float32, the converters of onnxruntime (1.32) and
onnxconverter-common (1.16) send the value through float16, the unit vector that the graph returns included; the latter
refuses the text tower besides; NVIDIA's ModelOpt needs torch. Here a value changes its type only where a float32 node
meets a float16 one.
"""

from __future__ import annotations

import logging

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from liv_model.engines.onnx_graph import after_weights, before_weights, prepare
from liv_model.errors import BackendError

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
# Sums over many values and what follows them; float16 ends at 65504 and has three digits.
FLOAT32_OPERATORS = frozenset(
    {
        *("LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization"),
        *("BatchNormalization", "Softmax", "LogSoftmax", "ReduceL1", "ReduceL2", "ReduceMean", "ReduceSum"),
        *("ReduceSumSquare", "ReduceLogSumExp", "ReduceProd", "GlobalAveragePool", "CumSum", "Resize"),
        *("Pow", "Exp", "Log", "Sqrt", "Reciprocal"),
    }
)
QUANTISERS = frozenset({"QuantizeLinear", "DequantizeLinear"})  # their type is that of the layers they stand at
_LARGEST = float(np.finfo(np.float16).max)

_log = logging.getLogger(__name__)


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with float16 weights and activations; its inputs and outputs are of the types they were of.

    Float32 stay: the operators above, what comes before the first weighted layer (pixels brought to floats) and what
    comes after the last (the final normalisation).

    Raises:
        BackendError: the graph has branches or loops, or a value of unknown type.
    """
    return _Converter(prepare(model)).run()


class _Converter:
    """Walks the nodes in order, keeping track of what type each float32 value of the old graph has in the new one."""

    def __init__(self, model: onnx.ModelProto):
        self._model = model
        self._graph = model.graph
        self._old_types = _types(model)
        self._kept = before_weights(self._graph) | after_weights(self._graph)
        self._weights = {tensor.name: tensor for tensor in self._graph.initializer}
        self._types = {entry.name: FLOAT for entry in self._graph.input}
        self._copies: dict[tuple[str, int], str] = {}
        self._nodes: list[NodeProto] = []

    def run(self) -> onnx.ModelProto:
        for node in self._graph.node:
            self._convert(node)
        for output in self._graph.output:
            self._return_as_float32(output.name)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]
        used = {name for node in self._nodes for name in node.input} | {out.name for out in self._graph.output}
        weights = [tensor for name, tensor in self._weights.items() if name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(weights)
        return self._model

    def _convert(self, node: NodeProto) -> None:
        wanted = self._type_of(node)
        for i, name in enumerate(node.input):
            if self._old_types.get(name) == FLOAT:
                node.input[i] = self._as(name, wanted)
        if wanted == HALF:
            _halve_attributes(node)
        for name in node.output:
            if name and name not in self._old_types:
                raise BackendError("ONNX graph", expected="a type for every value", got=f"none for {name!r}")
            if self._old_types.get(name) == FLOAT:
                self._types[name] = wanted
        self._nodes.append(node)

    def _type_of(self, node: NodeProto) -> int:
        if any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in node.attribute):
            raise BackendError(
                "precision fp16", expected="a graph without branches and loops", got=node.op_type, remedy="take fp32"
            )
        if node.op_type in QUANTISERS:
            return HALF
        return FLOAT if node.op_type in FLOAT32_OPERATORS or node.name in self._kept else HALF

    def _as(self, name: str, wanted: int) -> str:
        """The name under which a value can be had in a type; a weight is converted, anything else cast."""
        if name in self._weights:
            return name if wanted == FLOAT else self._half_weight(name)
        if self._types[name] == wanted:
            return name
        if (name, wanted) not in self._copies:
            cast = f"{name}__{'half' if wanted == HALF else 'float'}"
            self._nodes.append(helper.make_node("Cast", [name], [cast], f"{cast}__cast", to=wanted))
            self._copies[name, wanted] = cast
        return self._copies[name, wanted]

    def _half_weight(self, name: str) -> str:
        new = f"{name}__half"
        if new not in self._weights:
            self._weights[new] = _halve(self._weights[name], new)
        return new

    def _return_as_float32(self, name: str) -> None:
        if self._old_types.get(name) != FLOAT or self._types[name] == FLOAT:
            return
        inner = f"{name}__half"
        for node in self._nodes:
            node.input[:] = [inner if used == name else used for used in node.input]
            node.output[:] = [inner if made == name else made for made in node.output]
        self._nodes.append(helper.make_node("Cast", [inner], [name], f"{name}__cast", to=FLOAT))


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every value."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


def _halve_attributes(node: NodeProto) -> None:
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
            attribute.i = HALF
        elif attribute.type == AttributeProto.TENSOR and attribute.t.data_type == FLOAT:
            attribute.t.CopyFrom(_halve(attribute.t, attribute.t.name))
        elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            values = np.array(attribute.floats or attribute.f, np.float32)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(_clipped(values))))


def _halve(tensor: TensorProto, name: str) -> TensorProto:
    return numpy_helper.from_array(_clipped(numpy_helper.to_array(tensor)), name)


def _clipped(values: np.ndarray) -> np.ndarray:
    """float16, the finite ones finite; an infinity, as in an attention mask, stays one."""
    finite = np.isfinite(values)
    if np.abs(values[finite]).max(initial=0) > _LARGEST:
        _log.debug("values beyond float16 are held to %g", _LARGEST)
    return np.where(finite, np.clip(values, -_LARGEST, _LARGEST), values).astype(np.float16)
