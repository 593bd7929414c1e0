# SPDX-License-Identifier: Apache-2.0
"""``liv label``: what it is told to read and where to write, and what it says of a mistake."""

import shutil

import pytest
from model.label_bags import (
    GOAL,
    STEP_NS,
    STRING,
    T0,
    embedding,
    messages,
    raw,
    unit,
    write_embeddings,
    write_pictures,
)

from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE
from liv_model.cli import main as liv
from liv_model.label_messages import EMBEDDING
from liv_model.label_sources import camera_name


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        liv(["label", "--help"])
    assert "liv label run1 --goals-from-bag" in capsys.readouterr().out


def test_no_such_topic_lists_those_there_are(tmp_path, label, capsys):
    write_pictures(tmp_path / "bag", 2, said=((0, GOAL),))
    label(tmp_path / "bag", "--goal", GOAL, "--camera", "camera=/up", code=2)
    told = capsys.readouterr().err
    assert "/up" in told
    assert f"/camera/image_raw/compressed ({COMPRESSED_IMAGE}), /liv/goal/text ({STRING})" in told
    label(tmp_path / "bag", "--goal", GOAL, "--camera", "wrist", code=2)
    assert "expected images of camera 'wrist'" in capsys.readouterr().err
    label(tmp_path / "bag", "--goal", GOAL, "--from", "embeddings", code=2)
    assert "expected embeddings of a camera, got /camera/image_raw" in capsys.readouterr().err
    write_embeddings(tmp_path / "embeddings", "m", 2)
    label(tmp_path / "embeddings", "--goal", GOAL, "--from", "images", code=2)
    assert f"/liv/camera/embedding ({EMBEDDING})" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cameras_by_choice(tmp_path, label):
    write_pictures(tmp_path / "bag", 3, topics=("/left/image_raw", "/left/image_raw/compressed", "/up/image_raw"))
    label(tmp_path / "bag", "--goal", GOAL, code=2)  # which of the two is left?
    out = label(tmp_path / "bag", "--goal", GOAL, "--camera", "up", "--camera", "arm=/left/image_raw")
    assert len(messages(out, "/liv/up/reward")) == len(messages(out, "/liv/arm/reward")) == 3
    names = {"/camera/image_raw": "camera", "/front/color/image_raw/compressed": "front", "/image_raw": "camera"}
    assert {topic: camera_name(topic) for topic in names} == names


@pytest.mark.parametrize("at", [0, 5])
def test_embeddings_of_another_model_are_refused(tmp_path, bundle, label, at, capsys):
    with BagWriter(tmp_path / "bag") as bag:
        for i in range(8):
            of = "other@0123456789ab" if i >= at else bundle.identity
            message = embedding(of, i, unit(1, bundle.dim, i)[0], stamp_ns=T0 + i * STEP_NS)
            bag.write("/liv/camera/embedding", EMBEDDING, T0 + i * STEP_NS, message)
    label(tmp_path / "bag", "--goal", GOAL, code=2)
    told = capsys.readouterr().err
    assert f"expected embeddings of {bundle.identity}, got of other@0123456789ab; name that model with --bundle" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag"]


def test_something_has_to_be_written(tmp_path, bundle, label, capsys):
    write_embeddings(tmp_path / "bag", bundle.identity, 3)
    label(tmp_path / "bag", "--goal", GOAL, output=None, code=2)
    assert "expected -o OUT, --parquet FILE, or both" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "bag")


def test_an_output_that_exists(tmp_path, bundle, label, capsys):
    write_embeddings(tmp_path / "bag", bundle.identity, dim=bundle.dim)
    out = label(tmp_path / "bag", "--goal", GOAL)
    before = raw(out)
    label(tmp_path / "bag", "--goal", GOAL, code=2)
    assert "try --overwrite" in capsys.readouterr().err
    assert raw(out) == before
    label(tmp_path / "bag", "--goal", "sing a song", "--overwrite")
    assert messages(out, "/liv/active_goal")[0].goal.text == "sing a song"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "out"]
    assert sorted(path.name for path in out.iterdir()) == ["metadata.yaml", "out_0.mcap"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    label(tmp_path / "bag", "--goal", GOAL, "--overwrite", output="mine", code=2)
    assert "expected a bag's folder to replace" in capsys.readouterr().err


def test_a_failure_leaves_the_old_output(tmp_path, bundle, label):
    write_embeddings(tmp_path / "bag", bundle.identity, dim=bundle.dim)
    out = label(tmp_path / "bag", "--goal", GOAL)
    before = raw(out)
    write_embeddings(tmp_path / "other", "other@0")
    label(tmp_path / "other", "--goal", GOAL, "--overwrite", code=2)
    assert raw(out) == before


@pytest.mark.parametrize("place", ["bag", "bag/within", "."])
def test_the_original_is_never_written_to(tmp_path, bundle, label, place, capsys):
    write_embeddings(tmp_path / "bag", bundle.identity)
    label(tmp_path / "bag", "--goal", GOAL, "--overwrite", output=place, code=2)
    assert "expected a place apart from the bags that are read" in capsys.readouterr().err
