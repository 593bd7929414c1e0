# SPDX-License-Identifier: Apache-2.0
"""The proof of the circle: what it makes of attempts, and the whole of it, small."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from proofs.circle_judge import broken_sums, compare, mean_of_seeds, scores

ROOT = Path(__file__).parents[2]
OPEN, CLOSE = "open the drawer", "close the drawer"
RISING, FALLING, FLAT = np.linspace(0, 0.5, 30), np.linspace(0.5, 0, 30), np.full(30, 0.1)


def attempt(outcome, own, other, task="drawer-open", text=OPEN):
    rival = CLOSE if text == OPEN else OPEN
    values = own.tolist()
    summed = float(np.diff(own).sum())
    curves = {text: values, rival: other.tolist()}
    return {"task": task, "text": text, "outcome": outcome, "values": values, "scores": curves, "summed": summed}


def test_a_model_that_knows_the_task_scores_full_marks_and_one_that_does_not_none():
    good = scores([attempt("success", RISING, FALLING), attempt("random", FLAT, FLAT)])
    bad = scores([attempt("success", FALLING, RISING), attempt("random", RISING, FLAT)])
    rows = compare(bad, good)
    assert [rows[m]["after"]["mean"] for m in rows] == pytest.approx([1, 2, 1, 1])
    assert [rows[m]["before"]["mean"] for m in rows] == pytest.approx([-1, -2, 0, 0])
    assert rows["voc"]["difference"]["mean"] == pytest.approx(2)


def test_the_same_attempts_judge_every_seed():
    good = scores([attempt("success", RISING, FALLING), attempt("random", FLAT, FLAT)])
    bad = scores([attempt("success", FALLING, RISING), attempt("random", RISING, FLAT)])
    mean = mean_of_seeds([good, bad])
    assert mean["voc"]["drawer-open"] == pytest.approx([0]) and mean["success AUC"]["drawer-open"].shape == (1, 1)


def test_rewards_that_do_not_sum_are_counted():
    whole = attempt("success", RISING, FLAT)
    assert broken_sums([whole, {**whole, "summed": whole["summed"] + 1e-6}]) == 1


@pytest.mark.slow
@pytest.mark.ros
def test_the_whole_circle_small(tmp_path):
    command = [sys.executable, "-m", "proofs.circle", "--quick", "--json", "--work", str(tmp_path / "work")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500)
    assert ended.returncode == 0, ended.stderr
    (row,) = json.loads(ended.stdout)
    assert row["voc"]["after"]["n"] == 4 and row["success AUC"]["after"]["n"] == 4
    live = json.loads((tmp_path / "work" / "done" / "live0.json").read_text())
    models = [{attempt["model"] for attempt in live[when]} for when in ("before", "after")]
    assert all(len(found) == 1 for found in models) and models[0] != models[1]
    assert broken_sums([*live["before"], *live["after"]]) == 0
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)  # nothing is made twice
    assert again.stdout == ended.stdout
