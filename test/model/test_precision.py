# SPDX-License-Identifier: Apache-2.0
"""Precisions as they stand in the ONNX. The graphs are run by ONNX's own reference and by OpenVINO."""

import sys
from types import ModuleType

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from liv_model.backends.openvino_core import core  # noqa: E402
from liv_model.bundle import Bundle  # noqa: E402
from liv_model.engines.half import FLOAT32_OPERATORS, to_half  # noqa: E402
from liv_model.engines.onnx_graph import after_weights, before_weights, prepare  # noqa: E402
from liv_model.engines.precision import to_precision  # noqa: E402
from liv_model.errors import BackendError  # noqa: E402
from liv_model.samples import Samples  # noqa: E402
from liv_model.tokenizer import Tokenizer  # noqa: E402

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


@pytest.fixture(scope="module")
def shipped():
    return Bundle.load()


@pytest.fixture(scope="module")
def samples(shipped):
    return Samples.load(shipped)


@pytest.fixture(scope="module")
def towers(shipped):
    return {name: onnx.load(shipped.file(f"{name}.onnx")) for name in ("vision", "text")}


@pytest.fixture(scope="module")
def inputs(shipped, samples):
    tokenizer = Tokenizer.load(shipped.file("tokenizer.json"), shipped.context_length)
    return {"vision": samples.images[:4], "text": tokenizer.encode(samples.texts)}


def run(model, data):
    compiled = core().compile_model(
        core().read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return compiled([data])[0]


def least_cosine(rows, expected):
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    return np.einsum("nd,nd->n", rows, expected).min()


def types(model):
    """Element type of every value of a graph that the checker finds sound."""
    onnx.checker.check_model(model, full_check=True)
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    return {value.name: value.type.tensor_type.elem_type for value in values} | {
        tensor.name: tensor.data_type for tensor in graph.initializer
    }


def graph_of(nodes, inputs, outputs, constants=(), opset=18):
    def info(values):
        return [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in values]

    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()]
    graph = helper.make_graph(nodes, "test", info(inputs), info(outputs), weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


# --- what every graph is brought to ----------------------------------------------------------------------------------


def test_a_name_given_twice_is_told_apart():
    """What torch's exporter wrote when both nn.Embedding and the output were called "embedding"."""
    model = graph_of(
        [
            helper.make_node("Gather", ["table", "tokens"], ["embedding"]),
            helper.make_node("ReduceSum", ["embedding", "axis"], ["summed"], keepdims=0),
            helper.make_node("Relu", ["summed"], ["embedding"]),
        ],
        [("tokens", TensorProto.INT64, ["B", 3])],
        [("embedding", FLOAT, ["B", 2])],
        {"table": np.arange(8, dtype=np.float32).reshape(4, 2), "axis": np.array([1])},
    )
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model)
    prepared = prepare(model)
    onnx.checker.check_model(prepared, full_check=True)
    [rows] = ReferenceEvaluator(prepared).run(None, {"tokens": np.array([[1, 2, 3]])})
    np.testing.assert_array_equal(rows, [[12, 15]])
    assert prepare(prepared) == prepared


def test_pixels_go_into_a_cast_and_nowhere_else(towers, inputs):
    prepared = prepare(towers["vision"])
    [name] = [entry.name for entry in prepared.graph.input]
    assert [node.op_type for node in prepared.graph.node if name in node.input] == ["Cast"]
    assert types(prepared)[name] == TensorProto.UINT8
    expected = run(towers["vision"], inputs["vision"])
    np.testing.assert_allclose(run(prepared, inputs["vision"]), expected, atol=1e-6)


# --- float16 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tower", ["vision", "text"])
def test_float16_computes_nearly_the_same(towers, inputs, tower):
    half = to_half(towers[tower])
    assert least_cosine(run(half, inputs[tower]), run(towers[tower], inputs[tower])) > 0.9995


@pytest.mark.parametrize("tower", ["vision", "text"])
def test_float16_is_where_it_should_be(towers, tower):
    half = to_half(towers[tower])
    kinds, old = types(half), towers[tower].graph
    assert [(e.name, e.type) for e in half.graph.input] == [(e.name, e.type) for e in old.input]
    assert [(e.name, e.type) for e in half.graph.output] == [(e.name, e.type) for e in old.output]
    kept = before_weights(prepare(towers[tower]).graph) | after_weights(prepare(towers[tower]).graph)
    weighted = 0
    for node in half.graph.node:
        found = {kinds[name] for name in (*node.input, *node.output) if name} & {FLOAT, HALF}
        if node.op_type in FLOAT32_OPERATORS or node.name in kept:
            assert HALF not in found, node.name
        elif node.op_type in ("Conv", "Gemm", "MatMul"):
            assert found == {HALF}, node.name
            weighted += 1
    assert weighted == sum(node.op_type in ("Conv", "Gemm", "MatMul") for node in old.node) > 9


def test_no_value_goes_through_float16_between_two_float32_layers(towers):
    """What the converters of onnxruntime and onnxconverter-common do, the final normalisation included."""
    for model in towers.values():
        half = to_half(model)
        casts = {n.output[0]: n.input[0] for n in half.graph.node if n.op_type == "Cast" and n.attribute[0].i == HALF}
        assert casts
        for node in half.graph.node:
            if node.op_type == "Cast" and node.attribute[0].i == FLOAT:
                assert node.input[0] not in casts, f"{node.name} undoes a cast to float16"


def test_float16_holds_large_weights_finite_and_lets_masks_be_infinite():
    model = graph_of(
        [
            helper.make_node("MatMul", ["x", "weights"], ["scores"]),
            helper.make_node("Where", ["present", "scores", "never"], ["masked"]),
            helper.make_node("MatMul", ["masked", "weights"], ["y"]),
        ],
        [("x", FLOAT, [1, 2]), ("present", TensorProto.BOOL, [1, 2])],
        [("y", FLOAT, [1, 2])],
        {"weights": np.array([[1e6, 0], [0, 1]], np.float32), "never": np.float32(-np.inf)},
    )
    half = to_half(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in half.graph.initializer}
    assert constants["weights__half"].max() == 65504
    assert constants["never__half"] == -np.inf
    assert set(constants) == {"weights__half", "never__half"}


def test_float16_of_a_graph_with_branches_is_refused():
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "branch", [], [helper.make_tensor_value_info("z", FLOAT, [1])]
    )
    model = graph_of(
        [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)],
        [("x", FLOAT, [1]), ("yes", TensorProto.BOOL, [])],
        [("y", FLOAT, [1])],
    )
    with pytest.raises(BackendError, match="without branches and loops, got If; take fp32"):
        to_half(model)


# --- int8 ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quantised(towers, samples):
    pytest.importorskip("nncf")
    return {on: to_precision(towers["vision"], "int8", samples.images, tensorrt=on) for on in (False, True)}


@pytest.mark.parametrize("tensorrt", [False, True])
def test_int8_computes_nearly_the_same_of_pictures_it_was_not_calibrated_on(quantised, towers, samples, tensorrt):
    for pictures in (samples.clip.images, samples.images):
        expected = run(towers["vision"], pictures)
        assert least_cosine(run(quantised[tensorrt], pictures), expected) > 0.99


@pytest.mark.parametrize("tensorrt", [False, True])
def test_int8_is_where_it_should_be(quantised, tensorrt):
    model = quantised[tensorrt]
    kinds = types(model)
    made_by = {name: node for node in model.graph.node for name in node.output}

    def origin(name):
        node = made_by[name]
        return origin(node.input[0]) if node.op_type == "Reshape" else node.op_type

    *weighted, last = (node for node in model.graph.node if node.op_type in ("Conv", "Gemm"))
    assert len(weighted) > 5
    for node in weighted:
        assert [origin(name) for name in node.input[:2]] == ["DequantizeLinear"] * 2, node.name
    assert kinds[last.input[1]] == (HALF if tensorrt else FLOAT)
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and tensorrt:
            assert kinds[node.input[2]] == TensorProto.INT8
            zero = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[2])
            assert not numpy_helper.to_array(zero).any()
            assert kinds[node.input[1]] == HALF
        if node.op_type in ("ReduceL2", "Div"):
            assert {kinds[name] for name in node.output} == {FLOAT}
    assert kinds["embedding"] == FLOAT


def test_the_text_tower_is_not_quantised(towers):
    assert HALF in types(to_precision(towers["text"], "int8", tensorrt=True)).values()
    assert not {HALF, TensorProto.INT8} & set(types(to_precision(towers["text"], "int8", tensorrt=False)).values())


def test_quantising_tells_how_far_it_is_and_prints_nothing(towers, samples, capfd):
    pytest.importorskip("nncf")
    shares = []
    to_precision(towers["vision"], "int8", samples.images[:3], tensorrt=False, report=shares.append)
    assert shares[0] == 0
    assert max(shares) == 2 / 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("missing", ["nncf", "onnxruntime"])
def test_int8_without_its_packages_says_what_to_install(towers, samples, monkeypatch, missing):
    for package in ("nncf", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None if package == missing else ModuleType(package))
    with pytest.raises(BackendError, match=f"int8: expected the Python package '{missing}'.*requirements/engines.txt"):
        to_precision(towers["vision"], "int8", samples.images[:1], tensorrt=False)
