# SPDX-License-Identifier: Apache-2.0
"""Both uses of LIV, measured: the pieces, the intervals, the document, and a quick run of it all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from liv_model.errors import ConfigError
from training.results.compare import AGREES, DISAGREES, OPEN
from training.tasks import load_tasks
from training.uses import command, pieces
from training.uses.document import document
from training.uses.findings import Findings, estimate, verdict
from training.uses.paper import IMITATION as IMITATION_CLAIMS
from training.uses.paper import PLANNING as PLANNING_CLAIMS
from training.uses.plan import FULL, PLANNING, PLANS, QUICK, SHIPPED, SMALL

ROOT = Path(command.__file__).parents[2]
TRAINED = Path("runs/results")


def options_of(words, name):
    return [after for word, after in pairwise(words) if word == name]


def options(piece, name):
    return options_of(piece.command, name)


def test_the_full_size_is_what_was_asked_for():
    assert len(FULL.tasks) >= 6 and {10, 50} < set(FULL.demonstrations) and len(FULL.seeds) == 3
    assert len(FULL.new_tasks) >= 4 and (FULL.sequences, FULL.horizon, FULL.shots) == (200, 20, 20)
    assert {row.name for row in FULL.imitation} == {"liv", "infonce", "vip-image", "random", "state", "shipped"}
    assert {"liv", "liv-tuned", "infonce", "wrong", "simulator"} <= {row.name for row in FULL.planning}
    assert set(FULL.tasks) <= set(FULL.results.tasks) and not set(FULL.new_tasks) & set(FULL.results.tasks)
    assert FULL.shots in FULL.results.some_shots and set(FULL.seeds) <= set(FULL.results.seeds)
    assert all(load_tasks()[task].opposite_text for task in FULL.new_tasks)


def test_claims_are_about_rows_that_there_are():
    for claims, rows in ((IMITATION_CLAIMS, FULL.imitation), (PLANNING_CLAIMS, FULL.planning)):
        assert {name for c in claims for name in (c.better, c.worse)} <= {row.name for row in rows}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_pieces_follow_what_they_need_and_write_files_of_their_own(plan, tmp_path):
    cut = pieces.cut(plan, tmp_path, TRAINED)
    names = [piece.name for piece in cut]
    assert len(set(names)) == len(names) and len({piece.makes for piece in cut}) == len(cut)
    for number, piece in enumerate(cut):
        assert set(piece.after) <= set(names[:number])
    kinds = [piece.kind for piece in cut]
    assert kinds.count("imitate") == len(plan.imitation) * len(plan.demonstrations) * len(plan.seeds)
    assert len(cut) - kinds.count("imitate") - kinds.count("demonstrate") == len(plan.planning) * plan.plan_scenes


def test_rows_of_one_seed_differ_in_their_encoder_alone(tmp_path):
    cut = pieces.cut(replace(FULL, bundle_imitates=False), tmp_path, TRAINED)
    found = [p for p in cut if p.kind == "imitate" and options(p, "--seed") == ["1"]]
    for count in ("10", "50"):
        same = [p.command[:-2] for p in found if options(p, "--demonstrations") == [count]]
        assert len({tuple(w for w in words if w not in options_of(words, "--encoder")) for words in same}) == 1
    encoders = {options(p, "--encoder")[0] for p in found}
    assert encoders == {
        "runs/results/runs/liv-1",
        "runs/results/runs/infonce-1",
        "runs/results/runs/vip-image-1",
        "random:runs/results/runs/liv-1",
        "state",
    }


def test_the_wrong_instruction_is_told_to_the_fine_tuned_network(tmp_path):
    cut = {piece.name: piece for piece in pieces.cut(SMALL, tmp_path, TRAINED)}
    assert options(cut["plan-wrong-1"], "--instruction") == ["opposite"]
    assert options(cut["plan-wrong-1"], "--objective") == options(cut["plan-liv-tuned-1"], "--objective")
    assert options(cut["plan-liv-tuned-1"], "--objective") == ["runs/results/runs/liv-20-1"]
    assert options(cut["plan-liv-1"], "--objective") == ["runs/results/runs/liv-1"]


def test_networks_are_pieces_of_make_results_and_no_more_than_it_takes(tmp_path):
    names = {piece.name for piece in pieces.networks(replace(FULL, seeds=(0,), plan_scenes=2), tmp_path)}
    assert names == {"simulate-train", "simulate-new", "subset-20", "pretrain-vip-image-0"} | {
        f"{kind}-{seed}"
        for seed in (0, 1)
        for kind in ("pretrain-liv", "pretrain-infonce", "finetune-liv-20", "finetune-infonce-20")
    }


def test_a_folder_is_for_one_plan(tmp_path):
    command.keep_plan(QUICK, tmp_path)
    command.keep_plan(QUICK, tmp_path)
    with pytest.raises(ConfigError, match="those of another one"):
        command.keep_plan(replace(QUICK, scenes=2), tmp_path)
    with pytest.raises(ConfigError, match="1 or more"):
        command.main([str(tmp_path), "--workers", "0"])


def test_an_interval_knows_of_seeds_scenes_and_tasks():
    rng = np.random.default_rng(1)
    for shape in ((40, 1, 1), (1, 40, 1), (1, 1, 40)):
        values = rng.normal(0, 1, shape) + np.zeros((40, 40, 40))
        e = estimate(values, draws=2000)
        assert (e.high - e.low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(40), rel=0.15)
    assert estimate(np.ones((2, 3, 4), bool)).low == pytest.approx(1.0) and estimate(np.ones((2, 3, 4))).n == 24


def test_a_difference_says_what_its_interval_says():
    assert verdict(estimate(np.full((2, 3, 4), 0.2))) == AGREES
    assert verdict(estimate(np.full((2, 3, 4), -0.2))) == DISAGREES
    assert verdict(estimate(np.array([[[1, -1, 0, 0]]]))) == OPEN


# --- the document -----------------------------------------------------------------------------------------------


def write(plan, folder, good, seeds=None, scenes=None):
    """What the pieces would leave; of the rows in ``good`` all succeed, of the others none."""
    for row in plan.imitation:
        for count in plan.demonstrations:
            for seed in plan.seeds if seeds is None else seeds:
                file = pieces.imitation_file(folder, row, count, seed)
                file.parent.mkdir(parents=True, exist_ok=True)
                found = {task: [row.name in good] * plan.scenes for task in plan.tasks}
                file.write_text(json.dumps({"success": found}))
    for row in plan.planning:
        for scene in range(plan.plan_scenes) if scenes is None else scenes:
            file = pieces.planning_file(folder, row, scene)
            file.parent.mkdir(parents=True, exist_ok=True)
            step = 40 if row.name in good else None
            pictures = 100 if row.arm else 0
            entry = {"success_step": step, "pictures": pictures, "rollout_s": 4.0, "wall_s": 5.0}
            file.write_text("".join(json.dumps({"task": task, **entry}) + "\n" for task in plan.new_tasks))
    return Findings(plan, folder)


def in_short(text):
    return [line for line in text.split("## Imitation")[0].splitlines() if line.startswith("| ")][1:]


def test_the_document_says_what_the_numbers_say(tmp_path):
    good = {"liv", "liv-tuned", "state", "simulator", "shipped"}
    text = document(write(SMALL, tmp_path / "a", good), tmp_path, ["by hand"])
    verdicts = [line.split("|")[-2].strip() for line in in_short(text)]
    assert len(verdicts) == 2 * len(IMITATION_CLAIMS) + len(PLANNING_CLAIMS)
    assert f"Of {len(verdicts)} comparisons, {len(verdicts) - 1} agree with the paper, 0 are" in text
    assert verdicts.count("agrees") == len(verdicts) - 1  # fine-tuned and zero-shot are alike
    assert "| LIV | 100 [100, 100] | 100 [100, 100] |" in text and "| InfoNCE only | 0 [0, 0] | 0 [0, 0] |" in text
    assert "| *n: seeds x scenes x tasks* | 1 x 4 x 6 | 1 x 4 x 6 |" in text
    assert "25.0 pictures a second" in text and "by hand" in text
    text = document(
        write(SMALL, tmp_path / "b", {"infonce", "infonce-tuned", "wrong", "vip-image", "random", "shipped-wrong"}),
        tmp_path,
        [],
    )
    assert {line.split("|")[-2].strip().split(":")[0] for line in in_short(text)} == {"does not agree", "not decided"}


def test_the_document_says_what_is_missing(tmp_path):
    plan = replace(SMALL, seeds=(0, 1))
    findings = write(plan, tmp_path, {"liv"}, seeds=(0,), scenes=(0, 1))
    missing = document(findings, tmp_path, []).split("## What is missing")[1]
    assert "imitation: 1 of 2 seeds are complete" in missing and "planning: 2 of 3 scenes" in missing
    assert "sequences a search: 24 here, 200 in the full size" in missing and "the shipped bundle" in missing
    pieces.planning_file(tmp_path, PLANNING[1], 1).write_text("")  # a row that was cut
    assert Findings(plan, tmp_path).planning_scenes == (0,)


def test_the_document_can_be_written_when_nothing_is_there(tmp_path):
    text = document(Findings(FULL, tmp_path), tmp_path, [])
    assert text.count("Nothing is complete yet") == 2 and text.count("not measured yet") == len(in_short(text))


def test_the_shipped_bundle_is_told_apart(tmp_path):
    text = document(write(FULL, tmp_path, {"shipped"}), tmp_path, [])
    assert text.count(f"| {SHIPPED.label} | 100 [100, 100] |") == 2
    assert "nothing of the full size" in text


@pytest.mark.slow
@pytest.mark.simulation
def test_a_quick_run_makes_the_document_and_does_nothing_twice(tmp_path):
    words = [str(tmp_path / "uses"), "--results", str(tmp_path / "results"), "--quick", "--workers", "2"]
    environment = {**os.environ, "MUJOCO_GL": os.environ.get("MUJOCO_GL", "osmesa")}

    def run():
        call = [sys.executable, "-m", "training.uses", *words]
        return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, env=environment)

    first = run()
    assert first.returncode == 0, first.stderr
    text = (tmp_path / "uses" / "uses.md").read_text()
    assert "not measured yet" not in text and "Nothing is complete" not in text
    assert re.search(r"\d+\.\d pictures a second", text)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "uses" / "imitation").iterdir()}
    again = run()
    assert again.returncode == 0 and {p: p.stat().st_mtime_ns for p in stamps} == stamps
