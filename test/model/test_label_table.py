# SPDX-License-Identifier: Apache-2.0
"""Rewards as Parquet."""

import sys

import numpy as np
import pytest
from model.label_bags import GOAL, STEP_NS, T0, messages, write_embeddings

from liv_model import label_table


@pytest.fixture
def write_table(label, tmp_path):
    """``liv label`` that writes a table, and no bag unless one is named; returns the path of the table."""

    def run(*words, output=None, code=0):
        label(*words, "--parquet", tmp_path / "table.parquet", output=output, code=code)
        return tmp_path / "table.parquet"

    return run


def test_without_pyarrow_it_says_what_to_install(write_table, tmp_path, bundle, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    write_embeddings(tmp_path / "bag", bundle.identity, 3, bundle.dim)
    write_table(tmp_path / "bag", "--goal", GOAL, code=2)
    told = capsys.readouterr().err
    assert "--parquet: expected the Python package 'pyarrow', got not installed; pip install -r" in told


@pytest.mark.parametrize("workers", [1, 2])
def test_the_rows_are_the_rewards(write_table, tmp_path, bundle, workers, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(label_table, "_ROWS", 7)
    for i in range(2):
        write_embeddings(tmp_path / f"bag{i}", bundle.identity, 20 + i, bundle.dim, cameras=("camera", "wrist"))
    bags = [tmp_path / "bag0", tmp_path / "bag1"]
    out = tmp_path / "out"
    table = parquet.read_table(write_table(*bags, "--goal", GOAL, "--workers", workers, output="out"))
    assert tuple(table.column_names) == label_table.COLUMNS
    rows = table.to_pylist()
    assert len(rows) == 2 * (20 + 21)
    for bag in bags:
        for camera in ("camera", "wrist"):
            mine = [row for row in rows if (row["bag"], row["camera"]) == (str(bag), camera)]
            rewards = messages(out / bag.name, f"/liv/{camera}/reward")
            names = ("step", "is_first", "value", "reward", "progress")
            assert [[row[n] for n in names] for row in mine] == [[getattr(m, n) for n in names] for m in rewards]
            assert {row["goal"] for row in mine} == {GOAL}
            stamps = [row["time"].value for row in mine] if hasattr(mine[0]["time"], "value") else None
            assert stamps in (None, [T0 + i * STEP_NS for i in range(len(mine))])
    times = table.column("time").cast("int64").to_numpy()
    assert times.min() == T0
    assert np.all((times - T0) % STEP_NS == 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bag0", "bag1", "out", "table.parquet"]


def test_a_table_alone_and_one_that_exists(write_table, tmp_path, bundle, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_embeddings(tmp_path / "bag", bundle.identity, 5, bundle.dim)
    path = write_table(tmp_path / "bag", "--goal", "sing a song")
    assert parquet.read_table(path).column("progress").null_count == 5  # unfamiliar: not calibrated
    write_table(tmp_path / "bag", "--goal", GOAL, code=2)
    assert "got a file that exists; try --overwrite" in capsys.readouterr().err
    write_table(tmp_path / "bag", "--goal", GOAL, "--overwrite")
    assert parquet.read_table(path).column("progress").null_count == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bag", "table.parquet"]
