# SPDX-License-Identifier: Apache-2.0
"""A bundle made for tests: untrained and tiny, but of real ONNX graphs, with a real tokenizer and samples."""

import numpy as np
import onnx
import tokenizers

from liv_model import bundle as bundles
from liv_model.samples import Clip, Samples

TEXTS = ("open the drawer", "close the drawer", "open the door", "press the button")
SIZE, DIM, LENGTH = 16, 8, 8


def pictures(count, seed=0):
    """Noise as the bundle takes it: uint8 (count, 16, 16, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def _tokenizer():
    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {"<pad>": 0, "<unk>": 1, **{word: index + 2 for index, word in enumerate(words)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return tokenizer


def _graph(nodes, inputs, output, constants):
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "test",
        [inputs],
        [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["B", DIM])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _vision(generator):
    """embedding = normalise(mean over the picture of (pixel @ W))."""
    helper = onnx.helper
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["projected"]),
        helper.make_node("LpNormalization", ["projected"], ["embedding"], axis=-1, p=2),
    ]
    image = helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["B", SIZE, SIZE, 3])
    weights = generator.normal(size=(SIZE * SIZE * 3, DIM)).astype(np.float32)
    return _graph(nodes, image, "embedding", {"flat": np.array([-1, SIZE * SIZE * 3]), "weights": weights})


def _text(generator):
    """embedding = normalise(sum over positions of a table's rows)."""
    helper = onnx.helper
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["looked_up"]),
        helper.make_node("ReduceSum", ["looked_up", "axis"], ["summed"], keepdims=0),
        helper.make_node("LpNormalization", ["summed"], ["embedding"], axis=-1, p=2),
    ]
    tokens = helper.make_tensor_value_info("tokens", onnx.TensorProto.INT64, ["B", LENGTH])
    table = generator.normal(size=(64, DIM)).astype(np.float32)
    table[0] = 0
    return _graph(nodes, tokens, "embedding", {"axis": np.array([1]), "table": table})


def _unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def _samples(vision, text, generator):
    """With the embeddings that NumPy computes from the graphs' weights: no backend judges itself by them."""
    weights, table = (onnx.numpy_helper.to_array(m.graph.initializer[-1]) for m in (vision, text))
    vocabulary = _tokenizer().get_vocab()

    def see(images):
        return _unit(images.reshape(len(images), -1).astype(np.float64) @ weights)

    def read(texts):
        return _unit(np.stack([table[[vocabulary[word] for word in words.split()]].sum(0) for words in texts]))

    images = generator.integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    start, end = generator.integers(0, 256, (2, SIZE, SIZE, 3))
    clip = np.stack([start + (end - start) * t / 9 for t in range(10)]).astype(np.uint8)
    seen = Clip(clip, np.arange(10) / 10, TEXTS[0], see(clip), read(TEXTS[:1])[0])
    return Samples(images, list(TEXTS), see(images), read(TEXTS), seen)


def make_bundle(folder, seed=0, **changes):
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    vision, text = _vision(generator), _text(generator)
    onnx.save(vision, folder / "vision.onnx")
    onnx.save(text, folder / "text.onnx")
    _tokenizer().save(str(folder / "tokenizer.json"))
    opposites = {TEXTS[0]: TEXTS[1], TEXTS[1]: TEXTS[0]}
    instructions = [
        {"text": text, "task": text, "opposite": opposites.get(text), "paraphrases": [], "start": 0.1, "goal": 0.6}
        for text in TEXTS
    ]
    manifest = {
        "name": "test",
        "dim": DIM,
        "image": {"size": SIZE, "interpolation": "area", "antialias": True},
        "tokenizer": {"file": "tokenizer.json", "context_length": LENGTH},
        "precision": "fp32",
        "network": {},
        "instructions": instructions,
        "image_goal": 0.9,
        "familiarity": 0.95,
        "task_state": {"stall_s": 2.0, "hold_s": 0.5, "success_progress": 0.9},
        "samples": _samples(vision, text, generator).write(folder),
        "provenance": {},
        **changes,
    }
    return bundles.seal(folder, manifest)
