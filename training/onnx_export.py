# SPDX-License-Identifier: Apache-2.0
"""From a network to the two ONNX graphs of a bundle, and the proof that they compute the same."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from liv_model.errors import BundleError
from liv_model.network import LivNetwork

OPSET = 18
LEAST_COSINE = 0.9999


class _Graph(nn.Module):
    """One of the network's two functions as a module."""

    def __init__(self, network: LivNetwork, encode: Callable[[Tensor], Tensor]):
        super().__init__()
        self.network, self.encode = network, encode

    def forward(self, x: Tensor) -> Tensor:
        return self.encode(x)


def export(network: LivNetwork, folder: Path) -> None:
    """Write ``vision.onnx`` (uint8 (B, S, S, 3)) and ``text.onnx`` (int64 (B, L)), both to float32 (B, D).

    The batch is dynamic; embeddings are of unit norm. The network is put into evaluation mode.
    """
    config = network.config
    network.eval().to("cpu", memory_format=torch.contiguous_format)
    images = torch.zeros(2, config.image_size, config.image_size, 3, dtype=torch.uint8)
    tokens = torch.ones(2, config.text.context_length, dtype=torch.int64)
    _export(_Graph(network, network.encode_image), images, "image", folder / "vision.onnx")
    _export(_Graph(network, network.encode_text), tokens, "tokens", folder / "text.onnx")


def _export(graph: nn.Module, example: Tensor, name: str, path: Path) -> None:
    for noisy in ("torch.onnx", "onnxscript"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[name],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    onnx.save(_without_traces(program.model_proto), path)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the exporter's notes, which hold paths of the machine it ran on."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for part in (function, *function.node, *function.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
    return model


def parity(reference: np.ndarray, got: np.ndarray) -> float:
    """The least row-wise cosine of two float (N, D) of unit-norm rows; -1 if a number is not finite."""
    if reference.shape != got.shape or not np.isfinite(got).all():
        return -1.0
    return float((reference.astype(np.float64) * got.astype(np.float64)).sum(axis=1).min())


def require_parity(what: str, reference: np.ndarray, got: np.ndarray) -> float:
    """The parity of two encodings of the same things; BundleError when it is under ``LEAST_COSINE``."""
    least = parity(reference, got)
    if least < LEAST_COSINE:
        raise BundleError(
            what,
            expected=f"cosine to the torch network of at least {LEAST_COSINE}",
            got=f"{least:.6f}",
            remedy="do not ship this export; report the network's configuration and the versions",
        )
    return least
