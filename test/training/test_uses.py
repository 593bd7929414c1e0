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
from PIL import Image

pytest.importorskip("torch")

from liv_model.errors import ConfigError
from liv_model.whole_file import replace_json, replace_text
from training import checkpoint
from training.results.compare import AGREES, DISAGREES, OPEN, estimate
from training.results.work import Ledger
from training.tasks import load_tasks
from training.uses import command, ends, pieces
from training.uses.document import document
from training.uses.findings import ALIKE, Findings, verdict
from training.uses.paper import IMITATION as IMITATION_CLAIMS
from training.uses.paper import PLANNING as PLANNING_CLAIMS
from training.uses.plan import FULL, IMITATION, KNOWN, QUICK
from training.uses.power import power
from training.uses.provenance import NOTES, provenance

ROOT = Path(command.__file__).parents[2]
TRAINED = Path("runs/results")


def options_of(words, name):
    return [after for word, after in pairwise(words) if word == name]


def options(piece, name):
    return options_of(piece.command, name)


def test_the_full_size_is_what_was_asked_for():
    assert len(FULL.tasks) >= 6 and {10, 50} <= set(FULL.demonstrations) and len(FULL.seeds) == 3
    known, new = FULL.courses
    assert min(len(known.tasks), len(new.tasks)) >= 4 and (
        FULL.sequences * FULL.iterations,
        FULL.horizon,
        FULL.shots,
    ) == (200, 20, 20)
    assert {row.name for row in IMITATION} == {"liv", "infonce", "vip-image", "random", "state", "nothing"}
    assert {"liv", "infonce", "wrong", "simulator", "shipped"} <= {row.name for row in known.rows}
    assert {"liv", "liv-tuned", "infonce", "wrong", "simulator"} <= {row.name for row in new.rows}
    assert {*FULL.tasks, *known.tasks} <= set(FULL.results.tasks) and set(new.tasks) <= set(FULL.results.new_tasks)
    assert FULL.shots in FULL.results.some_shots and set(FULL.seeds) <= set(FULL.results.seeds)
    assert all(load_tasks()[task].opposite_text for course in FULL.courses for task in course.tasks)


def test_claims_are_about_rows_that_there_are():
    planning = [(PLANNING_CLAIMS[course.name], course.rows) for course in FULL.courses]
    for claims, rows in ((IMITATION_CLAIMS, IMITATION), *planning):
        assert {name for c in claims for name in (c.better, c.worse)} <= {row.name for row in rows}


@pytest.mark.parametrize("plan", (FULL, QUICK), ids=("full", "quick"))
def test_pieces_follow_what_they_need_and_write_files_of_their_own(plan, tmp_path):
    cut = pieces.cut(plan, tmp_path, TRAINED)
    names = [piece.name for piece in cut]
    assert len(set(names)) == len(names) and len({piece.makes for piece in cut}) == len(cut)
    for number, piece in enumerate(cut):
        assert set(piece.after) <= set(names[:number])
    kinds = [piece.kind.split()[0] for piece in cut]
    assert kinds.count("demonstrate") == len(plan.tasks)
    assert kinds.count("imitate") == len(IMITATION) * len(plan.demonstrations) * len(plan.seeds)
    assert kinds.count("plan") == sum(len(course.rows) for course in plan.courses) * plan.plan_scenes


def test_rows_of_one_seed_differ_in_their_encoder_alone(tmp_path):
    cut = pieces.cut(FULL, tmp_path, TRAINED)
    found = [p for p in cut if p.kind.startswith("imitate") and options(p, "--seed") == ["1"]]
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
        "nothing",
    }


def test_the_wrong_instruction_is_told_to_the_network_that_the_right_one_is_told_to(tmp_path):
    cut = {piece.name: piece for piece in pieces.cut(FULL, tmp_path, TRAINED)}
    for course, right, network in (("known", "liv", "liv-1"), ("new", "liv-tuned", "liv-20-1")):
        told = cut[f"plan-{course}-wrong-1"]
        assert options(told, "--instruction") == ["opposite"]
        assert options(told, "--objective") == options(cut[f"plan-{course}-{right}-1"], "--objective")
        assert options(told, "--objective") == [f"runs/results/runs/{network}"]
    assert options(cut["plan-new-liv-1"], "--objective") == ["runs/results/runs/liv-1"]
    assert options(cut["plan-new-liv-1"], "--tasks") == [",".join(FULL.new_tasks)]


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


def test_pieces_of_other_networks_are_not_mixed_in(tmp_path):
    plan, trained = replace(QUICK, bundle_plans=True), tmp_path / "results"
    runs = [piece.makes for piece in pieces.networks(plan, trained) if piece.is_run]
    assert {"liv-0", "infonce-0", "liv-2-0"} <= {run.name for run in runs}
    for run in runs:
        replace_text(run / checkpoint.BEST, f"weights of {run.name}")
    folder = tmp_path / "uses"
    command.keep_networks(plan, folder, trained)
    command.keep_networks(plan, folder, trained)
    replace_text(runs[0] / checkpoint.BEST, "trained anew")
    with pytest.raises(ConfigError, match=r"pieces of these networks, got those of others .*--results"):
        command.keep_networks(plan, folder, trained)


def test_an_interval_knows_of_seeds_scenes_and_tasks():
    rng = np.random.default_rng(1)
    for shape in ((40, 1, 1), (1, 40, 1), (1, 1, 40)):
        values = rng.normal(0, 1, shape) + np.zeros((40, 40, 40))
        e = estimate(values, draws=2000)
        assert (e.high - e.low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(40), rel=0.15)
    assert estimate(np.ones((2, 3, 4), bool)).low == pytest.approx(1.0) and estimate(np.ones((2, 3, 4))).n == 24


def test_a_difference_says_what_its_interval_says():
    assert verdict(np.full((2, 3, 4), 0.2)) == AGREES
    assert verdict(np.full((2, 3, 4), -0.2)) == DISAGREES
    assert verdict(np.array([[[1, -1, 0, 0]]])) == OPEN
    assert verdict(np.zeros((2, 3, 4))) == ALIKE  # both at the floor, say: not "no difference"


def test_larger_differences_and_larger_studies_are_seen_more_often():
    worse = np.zeros((1, 10, 6), bool)
    worse[:, :4] = True  # four in ten of each task
    small, large = (power(worse, points, studies=60) for points in (5, 45))
    assert small < 0.4 < 0.9 < large
    assert power(np.repeat(worse, 6, axis=1), 5, studies=60) > small
    assert power(worse, 0.0, studies=60) < 0.15
    assert np.isnan(power(worse, 61, studies=60))  # no room


def test_only_tasks_with_room_are_raised():
    worse = np.zeros((1, 10, 2), bool)
    worse[..., 0] = True  # one task always, one never
    assert power(worse[..., 1:], 50, studies=20) > 0.5
    assert power(worse, 50, studies=20) == 0  # a bootstrap over two tasks draws the first alone, too
    assert np.isnan(power(worse, 51))


# --- the document -----------------------------------------------------------------------------------------------


def write(plan, folder, good, seeds=None, scenes=None):
    """What the pieces would leave; of the rows in ``good`` all succeed, of the others none."""
    for row in IMITATION:
        for count in plan.demonstrations:
            for seed in plan.seeds if seeds is None else seeds:
                file = pieces.imitation_file(folder, row, count, seed)
                found = {task: [row.name in good] * plan.scenes for task in plan.tasks}
                replace_json(file, {"success": found})
    for course in plan.courses:
        for row in course.rows:
            for scene in range(plan.plan_scenes) if scenes is None else scenes:
                step = 40 if row.name in good else None
                pictures, of_success = (100, 0.5) if row.arm or row.is_bundle else (0, None)
                entry = {"success_step": step, "pictures": pictures, "rollout_s": 4.0, "wall_s": 5.0}
                entry |= {"value": [0.0, 0.4 if scene == 0 else 0.6], "value_of_success": of_success}
                lines = [json.dumps({"task": task, "scene": scene, **entry}) for task in course.tasks]
                replace_text(pieces.planning_file(folder, course, row, scene), "\n".join(lines) + "\n")
    return Findings(plan, folder)


def in_short(text):
    return [line for line in text.split("## Imitation")[0].splitlines() if line.startswith("| ")][1:]


def test_the_document_says_what_the_numbers_say(tmp_path):
    good = {"liv", "liv-tuned", "state", "simulator", "shipped"}
    text = document(write(FULL, tmp_path / "a", good), tmp_path, ["by hand"])
    verdicts = [line.split("|")[-2].strip() for line in in_short(text)]
    assert len(verdicts) == 2 * len(IMITATION_CLAIMS) + sum(map(len, PLANNING_CLAIMS.values()))
    papers = sum(bool(c.numbers) for c in IMITATION_CLAIMS) * 2 + sum(map(len, PLANNING_CLAIMS.values()))
    assert f"Of {papers} comparisons with the paper, {papers - 1} agree, 0 are" in text
    assert "0 show no difference beyond doubt, in 1 no attempt went differently" in text and papers < len(verdicts)
    assert "imitating with 10 demonstrations, 14 points, " in text and "planning known tasks, 15 points, " in text
    assert verdicts.count("so it is here") == len(verdicts) - 1  # fine-tuned and zero-shot are alike
    assert "| LIV | 100 [100, 100] | 100 [100, 100] |" in text and "| InfoNCE only | 0 [0, 0] | 0 [0, 0] |" in text
    assert "| *n: seeds x scenes x tasks* | 3 x 10 x 6 | 3 x 10 x 6 |" in text
    assert "25.0 pictures a second" in text and "by hand" in text and "nothing of the full size" in text
    bad = {"infonce", "infonce-tuned", "wrong", "vip-image", "random", "shipped-wrong"}
    text = document(write(FULL, tmp_path / "b", bad), tmp_path, [])
    assert {line.split("|")[-2].strip().split(":")[0] for line in in_short(text)} == {
        "here it is the other way round",
        "says nothing",
    }


def test_what_a_search_took_for_success_is_counted(tmp_path):
    findings = write(FULL, tmp_path, {"liv"})
    known, _ = FULL.courses
    counted = {row.name: findings.fooled(known, row) for row in known.rows}
    tasks = len(known.tasks)  # a failure of the first scene ends below the success, the others' above
    assert counted["liv"] == (0, 0) and counted["infonce"] == counted["shipped"] == (2 * tasks, 3 * tasks)
    assert counted["simulator"] == counted["nothing"] == (0, 0)  # no value is their aim
    text = document(findings, tmp_path, [])
    assert f"| InfoNCE only | 0 [0, 0] | {2 * tasks} of {3 * tasks} |" in text
    assert "| LIV, the opposite instruction | 0 [0, 0] |  |" in text  # success is not what it looks for
    rows = [(course, row) for course in FULL.courses for row in course.rows if row.instruction == "right"]
    fooled, failures = np.sum([findings.fooled(course, row) for course, row in rows], axis=0)
    assert f"{fooled} of {failures} failures under the right instruction" in text


def test_the_document_says_what_is_missing(tmp_path):
    findings = write(FULL, tmp_path, {"liv"}, seeds=(0,), scenes=(0, 1))
    known = FULL.courses[0]
    pieces.planning_file(tmp_path, known, known.rows[1], 1).write_text("")  # the bundle's rows are waited for by none
    pieces.planning_file(tmp_path, known, KNOWN[-1], 1).write_text("")  # a row that was cut
    missing = document(findings, tmp_path, []).split("## What is missing")[1]
    assert "imitation: 1 of 3 seeds are complete" in missing
    assert "planning, known tasks: 1 of 3 scenes" in missing and "planning, new tasks: 2 of 3 scenes" in missing
    assert f"planning, known tasks: {known.rows[1].label}" not in missing  # it has the one scene
    quick = document(write(QUICK, tmp_path / "quick", {"liv"}), tmp_path, []).split("## What is missing")[1]
    assert "seeds: 2 here, 3 in the full size" in quick and "the shipped bundle" in quick


def test_the_document_can_be_written_when_nothing_is_there(tmp_path):
    text = document(Findings(FULL, tmp_path), tmp_path, [])
    assert text.count("Nothing is complete yet") == 3 and text.count("not measured yet") == len(in_short(text))


def test_only_the_document_of_nothing_is_refused(tmp_path):
    page = tmp_path / "uses.md"
    page.write_text("measured elsewhere")
    words = [str(tmp_path / "uses"), "--only-document", "--document", str(page), "--results", str(tmp_path / "r")]
    with pytest.raises(ConfigError, match="pieces that are done"):
        command.main(words)
    assert page.read_text() == "measured elsewhere"


def test_a_picture_that_is_not_the_pages_own_is_left_alone(tmp_path):
    page, picture = tmp_path / "notes.md", tmp_path / "notes.png"
    picture.write_bytes(b"mine")
    words = [str(tmp_path / "uses"), "--only-document", "--document", str(page), "--results", str(tmp_path / "r")]
    for text in (None, "# Notes, no picture"):
        if text:
            page.write_text(text)
        with pytest.raises(ConfigError, match=r"no notes\.png beside it.*name another file"):
            command.main(words)
    page.write_text("![ends](notes.png)")
    with pytest.raises(ConfigError, match="pieces that are done"):  # the next thing that is looked at
        command.main(words)
    assert picture.read_bytes() == b"mine"


def test_what_cannot_be_written_is_said_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for words in ([str(tmp_path / "file")], [str(tmp_path / "a"), "--results", str(tmp_path / "file")]):
        with pytest.raises(ConfigError, match="a folder to write into"):
            command.main(words)
    with pytest.raises(ConfigError, match="a file to write, got a folder"):
        command.main([str(tmp_path / "a"), "--results", str(tmp_path / "r"), "--document", str(tmp_path)])


def test_the_picture_shows_where_liv_ended(tmp_path):
    known, new = FULL.courses
    assert (ends.shown_row(known).name, ends.shown_row(new).name) == ("liv", "liv-tuned")
    assert not ends.write_ends(FULL, tmp_path, tmp_path / "ends.png") and not (tmp_path / "ends.png").exists()
    for task, grey in zip(known.tasks[:4], (0, 80, 160, 240), strict=True):
        file = pieces.picture_file(tmp_path, known, ends.shown_row(known), task, 0)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (grey, grey, grey)).save(file)
    assert ends.write_ends(FULL, tmp_path, tmp_path / "ends.png")
    shown = np.asarray(Image.open(tmp_path / "ends.png").convert("L"))
    assert shown.shape == (2 * (30 + 18 + 6) - 6, 3 * (40 + 6) - 6)
    assert [shown[30, 20], shown[30, 66], shown[30, 112], shown[84, 20]] == [0, 80, 160, 240]


def test_how_it_was_made_is_read_from_what_was_done(tmp_path):
    cut = pieces.cut(FULL, tmp_path, TRAINED)
    ledger = Ledger(tmp_path)
    ledger.note(cut[0], 120.0, done=True)
    replace_text(tmp_path / NOTES, "beside a film\n")
    lines = provenance(FULL, tmp_path, cut, 600.0, tmp_path)
    assert f"1 of {len(cut)} pieces are done; 10 min from start to end, 2 min of pieces" in lines[1]
    assert lines[-1] == "- beside a film" and any(line.startswith("- tasks: ") for line in lines)
    links = re.findall(r"\]\(([^)]+)\)", document(Findings(QUICK, tmp_path), tmp_path, lines))
    assert links and all((tmp_path / link).is_file() for link in links if not link.startswith("http"))
    assert not any(line.startswith("- tasks: ") for line in provenance(QUICK, tmp_path, cut, 0.0, tmp_path))


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
