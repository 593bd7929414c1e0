# SPDX-License-Identifier: Apache-2.0
"""What every ONNX graph of a bundle is brought to before its precision is changed, and what its parts are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import onnx
from onnx import NodeProto, TensorProto

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum")


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function in the form that TensorRT, NNCF and the float16 converter all read.

    Every value has a name of its own, every node has one, and a uint8 input goes into a Cast before anything else
    (which is all that TensorRT takes it into).
    """
    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    _name_apart(prepared.graph)
    for entry in prepared.graph.input:
        if entry.type.tensor_type.elem_type == TensorProto.UINT8:
            _cast_first(prepared.graph, entry.name)
    for number, node in enumerate(prepared.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return prepared


def before_weights(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that no weighted layer or table of embeddings comes before: pixels brought to floats."""
    weights = {tensor.name for tensor in graph.initializer}
    after: set[str] = set()
    names = set()
    for node in graph.node:
        if _is_weighted(node, weights) or after.intersection(node.input):
            after.update(node.output)
        else:
            names.add(node.name)
    return names


def after_weights(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that no weighted layer or table of embeddings comes after: the final normalisation."""
    weights = {tensor.name for tensor in graph.initializer}
    before: set[str] = set()
    names = set()
    for node in reversed(graph.node):
        if _is_weighted(node, weights) or before.intersection(node.output):
            before.update(node.input)
        else:
            names.add(node.name)
    return names


def last_weighted(graph: onnx.GraphProto) -> str:
    """Name of the last weighted layer, the projection into the space of embeddings; "" if there is none."""
    return next((node.name for node in reversed(graph.node) if node.op_type in WEIGHTED), "")


def _is_weighted(node: NodeProto, weights: Iterable[str]) -> bool:
    return node.op_type in WEIGHTED or (node.op_type == "Gather" and node.input[0] in weights)


def _name_apart(graph: onnx.GraphProto) -> None:
    """Rename values whose name is given again further on; exporters have called two things "embedding"."""
    left = Counter(name for node in graph.node for name in node.output if name)
    now: dict[str, str] = {}
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = now.get(name, name)
        for i, name in enumerate(node.output):
            left[name] -= 1
            if name and left[name]:
                node.output[i] = now[name] = f"{name}__{left[name]}"
            else:
                now.pop(name, None)


def _cast_first(graph: onnx.GraphProto, name: str) -> None:
    """Read the input as float32 everywhere. Casts further on have nothing left to do and are harmless."""
    if {node.op_type for node in graph.node if name in node.input} == {"Cast"}:
        return
    floats = f"{name}__float"
    for node in graph.node:
        for i, used in enumerate(node.input):
            if used == name:
                node.input[i] = floats
    graph.node.insert(0, onnx.helper.make_node("Cast", [name], [floats], f"{name}__cast", to=TensorProto.FLOAT))
    # types said of values between the input and the old Cast no longer hold
    stale = [info for info in graph.value_info if info.type.tensor_type.elem_type == TensorProto.UINT8]
    for info in stale:
        graph.value_info.remove(info)
