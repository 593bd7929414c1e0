# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from tiny_bundle import DIM, SIZE  # noqa: E402

from bench.roofline import Cost, cost  # noqa: E402
from liv_model.errors import BundleError  # noqa: E402

helper = onnx.helper


def model(nodes, shape, constants, kind=onnx.TensorProto.FLOAT):
    given = helper.make_tensor_value_info("x", kind, ["B", *shape])
    gives = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_model(helper.make_graph(nodes, "test", [given], [gives], tensors))


def test_a_convolution_counts_its_multiplications_and_additions():
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1], group=2)]
    constants = {"w": np.zeros((8, 2, 3, 3), np.float32), "b": np.zeros(8, np.float32)}
    counted = cost(with_output(model(nodes, (4, 10, 10), constants), (8, 5, 5)), batch=3)
    assert counted.flop == 3 * 8 * 5 * 5 * (2 * 3 * 3) * 2
    assert counted.weights == 8 * 2 * 9 + 8
    assert counted.transfer_bytes == 4 * 3 * (4 * 10 * 10 + 8 * 5 * 5)


@pytest.mark.parametrize(
    ("operator", "weight", "attributes"),
    [("MatMul", (16, 6), {}), ("Gemm", (16, 6), {}), ("Gemm", (6, 16), {"transB": 1})],
)
def test_a_product_counts_its_inner_dimension(operator, weight, attributes):
    nodes = [helper.make_node(operator, ["x", "w"], ["y"], **attributes)]
    counted = cost(with_output(model(nodes, (16,), {"w": np.zeros(weight, np.float32)}), (6,)), batch=5)
    assert counted.flop == 2 * 5 * 16 * 6
    assert counted.weights == 96


def test_a_bundles_graph_is_counted(bundle):
    counted = cost(onnx.load(bundle.file("vision.onnx")), batch=2)
    assert counted == Cost(2 * 2 * SIZE * SIZE * 3 * DIM, SIZE * SIZE * 3 * DIM, 2 * (SIZE * SIZE * 3 + 4 * DIM))


def test_the_shipped_graph_is_linear_in_the_batch():
    from liv_model.bundle import Bundle

    graph = onnx.load(Bundle.load(verify=False).file("vision.onnx"))
    one, four = cost(graph, 1), cost(graph, 4)
    assert four.flop == 4 * one.flop > 10**8
    assert four.weights == one.weights


def test_a_shape_that_cannot_be_known_is_said():
    nodes = [helper.make_node("MatMul", ["x", "unknown"], ["y"])]
    graph = model(nodes, (4,), {})
    graph.graph.input.append(helper.make_tensor_value_info("unknown", onnx.TensorProto.FLOAT, ["B", "N"]))
    with pytest.raises(BundleError, match="shape that can be inferred"):
        cost(with_output(graph, ("N",)), 1)


def test_the_roofline_is_the_slower_of_computing_and_reading():
    counted = Cost(flop=1000, weights=100, transfer_bytes=50)
    assert counted.least_s("fp32", flop_per_s=1e3, bytes_per_s=1e9) == 1.0
    assert counted.least_s("fp32", flop_per_s=1e9, bytes_per_s=450) == 1.0
    assert counted.least_s("int8", flop_per_s=1e9, bytes_per_s=150) == 1.0


def with_output(graph, shape):
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["B", *shape]))
    return graph
