# SPDX-License-Identifier: Apache-2.0
"""Short versions of ``make fuzz``."""

import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros


@pytest.fixture
def paths(bundle):
    from liv_model.encoder import open_encoder
    from proofs.fuzz_paths import Paths

    encoder = open_encoder(bundle, "openvino", threads=1)
    yield Paths(bundle, encoder)
    encoder.close()


def test_mutated_messages_are_taken_or_refused(paths, tmp_path):
    from proofs.fuzz_paths import fuzz
    from proofs.report import libraries_into

    counted = []
    with libraries_into(tmp_path / "libraries.log"):
        row = fuzz(paths, 2000, 3, counted.append)
    assert row["crashes"] == []
    assert row["n"] == sum(counted) == row["taken"] + row["refused"] == 2000
    assert all(min(kind["taken"], kind["refused"]) > 20 for kind in row["by_kind"].values())


def test_a_crash_is_found(paths, monkeypatch):
    from proofs.fuzz_paths import fuzz

    monkeypatch.setattr(paths, "take", lambda message: 1 / 0)
    row = fuzz(paths, 4, 0, lambda count: None)
    assert not row["passed"]
    assert "division by zero" in row["crashes"][0]


def test_messages_are_the_same_for_a_seed():
    from proofs.mutate import KINDS, Mutator

    for kind in KINDS:
        assert Mutator(5).message(kind) == Mutator(5).message(kind)


def test_live_nodes_survive_them(bundle, tmp_path):
    from proofs.fuzz_live import fuzz_live

    row = fuzz_live(tmp_path, str(bundle.path), 160, 1, lambda count: None, within_s=30.0)
    assert row["crashes"] == []
    assert row["violations"] == []
    assert row["n"] == 160
    assert all("Traceback" not in log.read_text() for log in tmp_path.glob("*.log"))


def test_what_libraries_print_goes_into_a_file(tmp_path, capfd):
    import os
    import sys

    from proofs.report import libraries_into

    with libraries_into(tmp_path / "log"):
        os.write(2, b"from a library\n")
        print("ours", file=sys.stderr)
    assert (tmp_path / "log").read_bytes() == b"from a library\n"
    assert "ours" in capfd.readouterr().err
