# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from bench import reader_memory, sampler, training, training_step


@pytest.mark.slow
def test_samples_come_ten_times_as_fast_as_from_jpeg_files(tmp_path):
    rows = sampler.measure(tmp_path, rounds=5)
    assert rows["JPEG files of 456x256"][f"times {sampler.PACKED}"] >= 10


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_the_reader_does_not_grow_with_the_store(tmp_path):
    small, large = reader_memory.measure(tmp_path, (4, 40)).values()
    assert large["resident, MiB"] < small["resident, MiB"] + 10


@pytest.mark.slow
def test_a_step_costs_little_more_than_its_mathematics(tmp_path):
    rows = training_step.measure(tmp_path, rounds=6)
    assert rows[training_step.WHOLE][training_step.RATIO] <= 1.10


def test_the_step_is_measured_in_pairs(tmp_path):
    small = ("batch=4", "network.image_size=32", "network.vision.widths=[8,16]", "network.vision.blocks=[1,1]")
    rows = training_step.measure(tmp_path, 3, small)
    assert rows[training_step.WHOLE]["n"] == rows[training_step.ALONE]["n"] == 3
    assert rows[training_step.WHOLE][training_step.RATIO] > 0


def test_the_report_is_a_page():
    row = {"n": 3, "ms a sample": 0.5}
    page = training.markdown({"machine": {"cores": "2"}, "sampler": {"ours": row, "data": {"kB": 3}}})
    assert "| ours | 3 | 0.5 |" in page and "data: kB 3." in page and "cores: 2." in page
