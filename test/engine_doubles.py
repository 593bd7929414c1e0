# SPDX-License-Identifier: Apache-2.0
"""Engines that are wrong on purpose, planted in the cache under the name of the right one."""

import numpy as np
import onnx
from tiny_bundle import make_bundle

from liv_model.engines import build, precision
from liv_model.engines.engine import EngineSpec


def scale_a_part(weights):
    """One part of a layer scaled, as a wrong scale of some channels does."""
    weights[: len(weights) // 2] *= 3
    return weights


def make_nan(weights):
    weights[0, 0] = np.nan
    return weights


def plant(bundle, monkeypatch, spec, change):
    """Build an OpenVINO engine of a tiny bundle whose picture tower's weights are changed."""

    def wrong(model, *_, **__):
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
        changed = change(onnx.numpy_helper.to_array(tensor).copy())
        tensor.CopyFrom(onnx.numpy_helper.from_array(changed, "weights"))
        return model

    with monkeypatch.context() as patch:
        patch.setattr(precision, "to_precision", wrong)
        return build.build(bundle, spec)


def build_wrong_engine(tmp_path, monkeypatch, name):
    """A new tiny bundle with a wrong OpenVINO engine of this precision in the cache."""
    bundle = make_bundle(tmp_path / "bundle", name=f"wrong_{tmp_path.name}")
    plant(bundle, monkeypatch, EngineSpec("openvino", name), scale_a_part)
    return bundle
