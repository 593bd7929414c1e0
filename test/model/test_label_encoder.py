# SPDX-License-Identifier: Apache-2.0
"""How many processors an encoder gets beside what decodes its pictures."""

from __future__ import annotations

import time

import pytest

from liv_model import label_encoder
from liv_model.label_encoder import open_beside_decoder


@pytest.mark.parametrize(("given", "seconds", "opened"), [(0, 0.0, [0, 1]), (0, 0.01, [0]), (3, 0.0, [3])])
def test_a_model_quicker_than_decoding_leaves_the_processors_to_it(bundle, monkeypatch, given, seconds, opened):
    monkeypatch.setattr(label_encoder, "_DECODING_S", 0.005 if seconds else 1.0)
    monkeypatch.setattr(label_encoder.os, "cpu_count", lambda: 4)
    asked, real = [], label_encoder.open_encoder

    def open_and_slow(bundle, backend, device, threads, precision):
        asked.append(threads)
        encoder = real(bundle, backend, device, threads, precision)
        encode = encoder.encode_images
        encoder.encode_images = lambda rgb: (time.sleep(seconds), encode(rgb))[1]
        return encoder

    monkeypatch.setattr(label_encoder, "open_encoder", open_and_slow)
    assert open_beside_decoder(bundle, "openvino", "auto", given, "auto").precision == "fp32"
    assert asked == opened
