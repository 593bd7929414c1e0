# SPDX-License-Identifier: Apache-2.0
"""What OpenVINO compiled is believed only as it was written."""

import json
from pathlib import Path

import numpy as np
import pytest

from liv_model.backends.openvino_blobs import SUMS, Blobs
from liv_model.encoder import open_encoder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_recorded_stays_and_nothing_else_does(tmp_path, caplog):
    blobs = Blobs(tmp_path / "blobs")
    for name in ("good", "damaged", "cut"):
        (blobs.folder / name).write_bytes(bytes(range(100)))
    blobs.record()
    blobs.record()
    (blobs.folder / "damaged").write_bytes(bytes(100))
    (blobs.folder / "cut").write_bytes(bytes(range(50)))
    (blobs.folder / "left by a killed process").write_bytes(b"half")
    again = Blobs(blobs.folder)
    assert names(again.folder) == ["good", SUMS]
    assert sorted(record.args[0].name for record in caplog.records) == ["cut", "damaged"]
    assert json.loads((again.folder / SUMS).read_text()).keys() == {"good"}
    (again.folder / "damaged").write_bytes(b"compiled again")
    again.record()
    assert names(Blobs(blobs.folder).folder) == ["damaged", "good", SUMS]


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_without_sums_everything_is_compiled_again(tmp_path, content):
    blobs = Blobs(tmp_path)
    (tmp_path / "blob").write_bytes(b"compiled")
    blobs.record()
    (tmp_path / SUMS).write_text(content)
    assert "blob" not in names(Blobs(tmp_path).folder)


def test_a_folder_that_cannot_be_written_to_is_not_used():
    blobs = Blobs(Path("/proc/nothing"))
    assert not blobs.usable
    blobs.record()


def test_a_damaged_blob_is_not_served(bundle, tmp_path, monkeypatch, caplog):
    """OpenVINO itself reads it without a word and computes something else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    picture = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
    first = open_encoder(bundle, "openvino", threads=1)
    right = first.encode_images(picture)
    first.close()
    blobs = [path for path in tmp_path.rglob("*.blob") if path.stat().st_size > 4000]
    assert blobs
    for blob in blobs:
        data = bytearray(blob.read_bytes())
        blob.chmod(0o644)
        data[-3000:-2000] = b"\x7f" * 1000
        blob.write_bytes(data)
    again = open_encoder(bundle, "openvino", threads=1)
    np.testing.assert_allclose(again.encode_images(picture), right, atol=1e-6)
    assert caplog.text.count("has changed since it was written") == len(blobs)
    caplog.clear()
    open_encoder(bundle, "openvino", threads=1)
    assert "has changed" not in caplog.text
