# SPDX-License-Identifier: Apache-2.0
"""A cloned policy on its way to a robot: kept whole, and refused where its file is damaged."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from liv_model.bundle import Bundle
from liv_model.cloned_policy import Policy, inputs_of
from liv_model.errors import DataError

ROOT = Path(__file__).parents[2]


def policy(**fields):
    rng = np.random.default_rng(0)
    layers = tuple(
        (rng.normal(size=(o, i)).astype(np.float32), rng.normal(size=o).astype(np.float32))
        for i, o in ((12, 8), (8, 8), (8, 4))
    )
    mean, scale = np.zeros(12, np.float32), np.ones(12, np.float32)
    known = {"mean": mean, "scale": scale, "layers": layers, "model": "tiny@1", "instructions": ("close the drawer",)}
    return Policy(**known | fields)


@pytest.fixture
def stored(tmp_path):
    """The arrays of a whole file."""
    policy().save(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as arrays:
        return dict(arrays)


def test_a_file_says_whose_embeddings_and_which_instructions_the_policy_knows(tmp_path):
    made = policy(instructions=("close the drawer", "öffne die Tür"))
    made.save(tmp_path / "there" / "policy.npz")
    read = Policy.load(tmp_path / "there" / "policy.npz")
    assert (read.model, read.instructions) == ("tiny@1", ("close the drawer", "öffne die Tür"))
    inputs = np.random.default_rng(1).normal(size=(5, 12)).astype(np.float32)
    assert np.abs(read.act(inputs) - made.act(inputs)).max() < 0.02  # kept in half precision
    assert read.act(inputs[0]).shape == (4,) and np.abs(read.act(inputs)).max() <= 1


def test_inputs_are_seen_wanted_and_felt_in_this_order():
    seen, goal, felt = np.ones((3, 2)), np.full(5, 2.0), np.full((3, 4), 3.0)
    assert inputs_of(seen, goal, felt).tolist() == [[1] * 2 + [2] * 5 + [3] * 4] * 3
    assert inputs_of(seen[0], goal, felt[0]).shape == (11,)


@pytest.mark.parametrize("missing", ["mean", "scale", "w0", "b2", "model", "instructions"])
def test_a_file_that_lacks_something_is_refused(tmp_path, stored, missing):
    del stored[missing]
    np.savez(tmp_path / "p.npz", **stored)
    with pytest.raises(DataError, match=rf"policy .*p.npz: expected an .npz of liv imitate, got no '{missing}'; make"):
        Policy.load(tmp_path / "p.npz")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("mean", np.zeros(11)),
        ("mean", np.float64(0)),
        ("mean", np.array(["a"] * 12)),
        ("scale", np.ones((12, 1))),
        ("scale", np.zeros(12)),
        ("scale", np.full(12, np.nan)),
        ("w0", np.zeros((8, 11))),
        ("w1", np.zeros(8)),
        ("w1", np.full((8, 8), np.inf)),
        ("b1", np.zeros(7)),
        ("w3", np.zeros((4, 4))),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, stored, name, array):
    np.savez(tmp_path / "p.npz", **stored | {name: array})
    with pytest.raises(DataError, match=r"policy .*p.npz"):
        Policy.load(tmp_path / "p.npz")


def test_a_policy_without_layers_or_with_other_actions_is_refused():
    with pytest.raises(DataError, match=r"policy: expected layers .* the last of 4, got \[\(12,\), \(12,\)\]"):
        policy(layers=())
    with pytest.raises(DataError, match="the last of 4"):
        policy(layers=policy().layers[:2])


def test_what_is_no_npz_is_refused(tmp_path, stored):
    whole = (tmp_path / "whole.npz").read_bytes()
    np.save(tmp_path / "lone.npy", np.zeros(3))
    damaged = {"word": b"nothing", "empty": b"", "cut": whole[:200], "lone": (tmp_path / "lone.npy").read_bytes()}
    flipped = bytearray(whole)
    flipped[60:140] = bytes(80)  # of what is compressed
    damaged["flipped"] = bytes(flipped)
    method = bytearray(whole)
    method[whole.rindex(b"PK\x01\x02") + 10] = 99  # a compression that nobody knows
    damaged["method"] = bytes(method)
    for name, content in damaged.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
    for name in (*damaged, "missing"):
        with pytest.raises(DataError, match=f"policy .*{name}.npz"):
            Policy.load(tmp_path / f"{name}.npz")


def test_the_shipped_policy_was_cloned_on_the_shipped_bundle():
    shipped = Policy.load(ROOT / "examples/live_policy/policy.npz")
    bundle = Bundle.load(ROOT / "models/metaworld")
    assert shipped.model == bundle.identity and len(shipped.mean) == 2 * bundle.dim + 4
    assert shipped.instructions == ("close the drawer", "close the window", "close the door")


def test_acting_loads_no_more_than_numpy():
    code = "import sys, liv_model.cloned_policy; sys.exit(bool({'torch', 'rclpy', 'cv2', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
