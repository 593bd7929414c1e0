# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from tiny_bundle import pictures

from liv_model.backends.openvino import graph_size
from liv_model.encoder import open_encoder
from liv_model.errors import BackendError, GoalError, ImageError


@pytest.fixture(scope="module")
def encoder(bundle):
    return open_encoder(bundle)


def test_rows_are_unit_vectors_whatever_the_batch(encoder, bundle):
    rgb = pictures(5)
    together = encoder.encode_images(rgb)
    assert together.dtype == np.float32
    assert together.shape == (5, bundle.dim)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    one_by_one = np.concatenate([encoder.encode_images(picture[None]) for picture in rgb])
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)


@pytest.mark.parametrize("count", range(1, 200))
def test_a_batch_is_cut_into_few_whole_graphs(count):
    sizes = []
    while sum(sizes) < count:
        sizes.append(graph_size(count - sum(sizes)))
    assert sum(sizes) == count
    assert set(sizes) <= {1, 2, 3, 4, 8, 16, 32, 64}
    assert len(sizes) <= count // 64 + 5


def test_results_are_the_callers_own(encoder):
    first = encoder.encode_images(pictures(1))
    kept = first.copy()
    encoder.encode_images(pictures(1, seed=1))
    np.testing.assert_array_equal(first, kept)


def test_texts(encoder):
    rows = encoder.encode_texts(["open the drawer", "  open   the drawer ", "press the button"])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    assert rows[0] @ rows[2] < 0.99


def test_it_says_what_it_is(encoder, bundle):
    assert (encoder.model, encoder.backend, encoder.device) == (bundle.identity, "openvino", "CPU")


@pytest.mark.parametrize("bad", [pictures(0), pictures(1)[:, :8], pictures(1).astype(float), pictures(1)[0], "x"])
def test_bad_images(encoder, bad):
    with pytest.raises(ImageError, match="expected"):
        encoder.encode_images(bad)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b", "a " * 9])
def test_bad_texts(encoder, text):
    with pytest.raises(GoalError, match="expected"):
        encoder.encode_texts([text])


@pytest.mark.parametrize(
    ("backend", "device", "message"),
    [
        ("onnxruntime", "auto", "backend: expected auto | openvino"),
        ("tensorrt", "auto", "expected .* use backend 'openvino'"),
        ("openvino", "FPGA", "OpenVINO device: expected auto | CPU"),
    ],
)
def test_what_cannot_serve_says_so(bundle, backend, device, message):
    with pytest.raises(BackendError, match=message.replace("|", r"\|")):
        open_encoder(bundle, backend, device)
