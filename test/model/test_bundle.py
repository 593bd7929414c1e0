# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest
import yaml

from liv_model.bundle import Bundle
from liv_model.errors import BundleError


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle.path, tmp_path / "copy")


def edit(folder, **changes):
    manifest = yaml.safe_load((folder / "liv.yaml").read_text())
    manifest.update(changes)
    (folder / "liv.yaml").write_text(yaml.safe_dump({k: v for k, v in manifest.items() if v is not ...}))


def test_a_bundle_knows_itself(bundle):
    assert bundle.identity.startswith("test@")
    assert (bundle.dim, bundle.image.size, bundle.context_length) == (8, 16, 8)
    assert bundle.instructions[0].opposite == "close the drawer"
    assert bundle.instructions[2].opposite is None


def test_a_copy_has_the_same_identity_and_a_changed_one_another(bundle, copy):
    assert Bundle.load(copy).identity == bundle.identity
    edit(copy, name="other")
    assert Bundle.load(copy).digest != bundle.digest


@pytest.mark.parametrize("name", ["vision.onnx", "text.onnx", "tokenizer.json"])
def test_altered_and_missing_files_are_named(copy, name):
    with (copy / name).open("r+b") as file:
        file.seek(100)
        file.write(b"\x00\xff\x00")
    with pytest.raises(BundleError, match=rf"{name}: expected sha256 \w+, got \w+; copy the bundle again"):
        Bundle.load(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: expected a file, got none"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "expected format 1, got 2; export the model anew"),
        ({"format": ...}, "expected format 1, got none"),
        ({"dim": ...}, "got no key 'dim'"),
        ({"image": {"size": 3}}, "image.size"),
        ({"image": {"size": 16, "colour": "red"}}, "colour"),
        ({"files": {"../outside": "0"}}, "vision.onnx among the files"),
    ],
)
def test_bad_manifests(copy, changes, message):
    edit(copy, **changes)
    with pytest.raises(BundleError, match=message):
        Bundle.load(copy)


def test_files_outside_are_refused(copy):
    manifest = yaml.safe_load((copy / "liv.yaml").read_text())
    edit(copy, files={**manifest["files"], "../outside": "0"})
    with pytest.raises(BundleError, match="files inside the bundle"):
        Bundle.load(copy)


def test_not_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="no such folder"):
        Bundle.load(tmp_path / "none")
    with pytest.raises(BundleError, match=r"liv\.yaml: expected a readable file"):
        Bundle.load(tmp_path)
    (tmp_path / "liv.yaml").write_text("{")
    with pytest.raises(BundleError, match="expected YAML"):
        Bundle.load(tmp_path)
    (tmp_path / "liv.yaml").write_text("- 1")
    with pytest.raises(BundleError, match="expected a mapping"):
        Bundle.load(tmp_path)


def test_an_unlisted_file_is_not_the_bundles(bundle):
    with pytest.raises(BundleError, match="expected a file listed in"):
        bundle.file("secret.txt")
