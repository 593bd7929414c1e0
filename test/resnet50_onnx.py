# SPDX-License-Identifier: Apache-2.0
"""CLIP's RN50 picture tower as ONNX with random weights: layer by layer that of the released LIV, without torch.

Norms are folded into the convolutions, as an export does it. The third convolution of a block is weak, as in trained
networks; otherwise rounding errors grow with every block.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIZE, DIM = 224, 1024
WIDTH, BLOCKS, HEADS = 64, (3, 4, 6, 3), 32


class _Graph:
    def __init__(self, seed):
        self.nodes, self.weights = [], []
        self.generator = np.random.default_rng(seed)

    def constant(self, values):
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def drawn(self, *shape, scale):
        return self.constant((self.generator.standard_normal(shape, np.float32) * scale).astype(np.float32))

    def add(self, operator, *inputs, **attributes):
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], f"node_{output}", **attributes))
        return output

    def conv(self, x, channels, out, size, stride=1, gain=1.0):
        weight = self.drawn(out, channels, size, size, scale=gain * np.sqrt(2 / (channels * size * size)))
        bias = self.drawn(out, scale=0.1)
        return self.add("Conv", x, weight, bias, strides=[stride] * 2, pads=[size // 2] * 4, kernel_shape=[size] * 2)

    def pool(self, x, stride):
        return self.add("AveragePool", x, kernel_shape=[stride] * 2, strides=[stride] * 2)

    def block(self, x, channels, planes, stride):
        y = self.add("Relu", self.conv(x, channels, planes, 1))
        y = self.add("Relu", self.conv(y, planes, planes, 3))
        y = self.pool(y, stride) if stride > 1 else y
        y = self.conv(y, planes, 4 * planes, 1, gain=0.25)
        if stride > 1 or channels != 4 * planes:
            x = self.conv(self.pool(x, stride) if stride > 1 else x, channels, 4 * planes, 1, gain=0.7)
        return self.add("Relu", self.add("Add", x, y))

    def linear(self, x, out, channels):
        product = self.add("MatMul", x, self.drawn(channels, out, scale=channels**-0.5))
        return self.add("Add", product, self.drawn(out, scale=0.02))

    def attention_pool(self, x, channels):
        cells = (SIZE // 32) ** 2
        shape = [0, cells + 1, HEADS, channels // HEADS]
        rows = self.add("Transpose", self.add("Reshape", x, self.ints(0, channels, cells)), perm=[0, 2, 1])
        rows = self.add("Concat", self.add("ReduceMean", rows, self.ints(1), keepdims=1), rows, axis=1)
        rows = self.add("Add", rows, self.drawn(cells + 1, channels, scale=channels**-0.5))  # (B, 50, C)

        def heads(permutation):
            split = self.add("Reshape", self.linear(rows, channels, channels), self.ints(*shape))
            return self.add("Transpose", split, perm=permutation)

        query, key, value = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
        scale = self.constant(np.float32((channels // HEADS) ** -0.5))
        weights = self.add("Softmax", self.add("MatMul", self.add("Mul", query, scale), key), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", weights, value), perm=[0, 2, 1, 3])
        mixed = self.linear(self.add("Reshape", mixed, self.ints(0, cells + 1, channels)), DIM, channels)
        return self.add("Gather", mixed, self.constant(np.int64(0)), axis=1)  # (B, D)

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))


def make_rn50(seed=0):
    """ModelProto: uint8 (B, 224, 224, 3) -> float32 (B, 1024), rows of unit norm."""
    graph = _Graph(seed)
    x = graph.add("Cast", graph.add("Transpose", "image", perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    x = graph.add("Div", graph.add("Sub", x, graph.constant(np.float32(120))), graph.constant(np.float32(70)))
    for channels, out, stride in ((3, WIDTH // 2, 2), (WIDTH // 2, WIDTH // 2, 1), (WIDTH // 2, WIDTH, 1)):
        x = graph.add("Relu", graph.conv(x, channels, out, 3, stride))
    x, channels = graph.pool(x, 2), WIDTH
    for level, blocks in enumerate(BLOCKS):
        for number in range(blocks):
            planes = WIDTH << level
            x = graph.block(x, channels, planes, 2 if level and not number else 1)
            channels = 4 * planes
    x = graph.attention_pool(x, channels)
    norm = graph.add("ReduceL2", x, graph.ints(-1), keepdims=1)
    graph.nodes.append(helper.make_node("Div", [x, norm], ["embedding"], "node_unit"))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", SIZE, SIZE, 3])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", DIM])
    proto = helper.make_graph(graph.nodes, "RN50", [image], [embedding], graph.weights)
    return helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
