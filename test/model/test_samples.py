# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil

import numpy as np
import pytest

from liv_model.bundle import Bundle, seal
from liv_model.encoder import open_encoder
from liv_model.errors import BundleError
from liv_model.samples import FRAMES, Samples, draw_samples


def _resealed(bundle, folder, **samples):
    """The bundle once more, with these arrays in the place of the old ones (None: left out)."""
    shutil.copytree(bundle.path, folder)
    arrays = {**np.load(folder / FRAMES), **samples}
    np.savez(folder / FRAMES, **{key: value for key, value in arrays.items() if value is not None})
    return seal(folder, {k: v for k, v in bundle.manifest.items() if k not in ("format", "files")})


@pytest.mark.parametrize("path", ["shipped", "tiny"])
def test_what_a_robot_computes_is_what_the_network_said(path, bundle):
    bundle = Bundle.load() if path == "shipped" else bundle
    samples, encoder = Samples.load(bundle), open_encoder(bundle, "openvino", threads=1)
    for reference, got in (
        (samples.image_embeddings, encoder.encode_images(samples.images)),
        (samples.text_embeddings, encoder.encode_texts(samples.texts)),
        (samples.clip.embeddings, encoder.encode_images(samples.clip.images)),
        (samples.clip.goal[None], encoder.encode_texts([samples.clip.text])),
    ):
        assert reference.dtype == np.float32 and reference.shape == got.shape
        assert (reference * got).sum(axis=1).min() > 0.9999


def test_written_and_read_again(bundle, tmp_path):
    encoder = open_encoder(bundle, "openvino", threads=1)
    images = Samples.load(bundle).images
    drawn = draw_samples(encoder, images, ["open the door", "close the drawer"])
    shutil.copytree(bundle.path, tmp_path / "bundle")
    (tmp_path / "bundle/samples/clip.npz").unlink()
    manifest = {k: v for k, v in bundle.manifest.items() if k not in ("format", "files")}
    again = Samples.load(seal(tmp_path / "bundle", {**manifest, "samples": drawn.write(tmp_path / "bundle")}))
    assert again.clip is None and again.texts == ["open the door", "close the drawer"]
    np.testing.assert_array_equal(again.images, images)
    np.testing.assert_array_equal(again.image_embeddings, drawn.image_embeddings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_embeddings": None}, "no image_embeddings"),
        ({"image_embeddings": np.zeros((4, 3), np.float32)}, r"expected float32 \(4, 8\), got float32 \(4, 3\)"),
        ({"text_embeddings": np.zeros((4, 8))}, "got float64"),
        ({"images": np.zeros((4, 8, 8, 3), np.uint8)}, "16, 16, 3"),
    ],
)
def test_a_bundle_without_right_references_says_what_is_wrong(bundle, tmp_path, changes, message):
    with pytest.raises(BundleError, match=message):
        Samples.load(_resealed(bundle, tmp_path / "bundle", **changes))


def test_a_bundle_without_samples_says_so(bundle, tmp_path):
    shutil.copytree(bundle.path, tmp_path / "bundle")
    shutil.rmtree(tmp_path / "bundle/samples")
    manifest = {k: v for k, v in bundle.manifest.items() if k not in ("format", "files", "samples")}
    with pytest.raises(BundleError, match=r"frames\.npz"):
        Samples.load(seal(tmp_path / "bundle", manifest))
    (tmp_path / "bundle/samples").mkdir()
    (tmp_path / "bundle" / FRAMES).write_text("not arrays")
    with pytest.raises(BundleError, match="arrays that"):
        Samples.load(seal(tmp_path / "bundle", manifest))
