# SPDX-License-Identifier: Apache-2.0
"""The comparison of objectives: what it concludes, what it writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from liv_model.errors import ConfigError
from training.config import load
from training.episodes import EpisodeStore
from training.results import command, pieces
from training.results.compare import AGREES, DISAGREES, OPEN, compare, estimate, sentence
from training.results.document import document
from training.results.figures import write_figures
from training.results.findings import Findings
from training.results.paper import ALL, METRICS, Model, finetuning_claims, pretraining_claims
from training.results.plan import ARMS, FINETUNED, FULL, LIV, QUICK
from training.results.subset import subset
from training.tasks import load_tasks

BETTER = np.array([[0.9, 0.8, 0.85, 0.9], [0.88, 0.84, 0.8, 0.9], [0.92, 0.8, 0.86, 0.87]])  # (seeds, tasks)


def test_a_clear_difference_agrees_or_disagrees_by_its_direction():
    worse = BETTER - 0.3
    assert compare(BETTER, worse, "top1").verdict == AGREES
    assert compare(worse, BETTER, "top1").verdict == DISAGREES
    assert compare(BETTER, worse, "negative_rate").verdict == DISAGREES  # lower is better
    assert compare(BETTER, worse, "top1").difference.mean == pytest.approx(0.3)
    assert compare(BETTER, worse, "top1").by_seed == pytest.approx([0.3] * 3)


def test_one_contrary_seed_leaves_it_open():
    worse = BETTER - np.array([[0.5], [0.5], [-0.01]])
    found = compare(BETTER, worse, "top1")
    assert found.verdict == OPEN and found.difference.mean > 0.3


def test_tasks_that_contradict_each_other_leave_it_open():
    found = compare(BETTER, BETTER - np.array([0.4, -0.3, 0.4, -0.2]), "top1")
    assert min(found.by_seed) > 0 and found.difference.low < 0 and found.verdict == OPEN


def test_an_interval_knows_of_seeds_and_of_tasks():
    rng = np.random.default_rng(1)
    seeds, tasks = rng.normal(0, 1, (40, 1)), rng.normal(0, 1, (1, 40))
    nothing = np.zeros((40, 40))
    for values in (seeds + nothing, tasks + nothing):
        e = estimate(values)
        assert (e.high - e.low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(40), rel=0.1)
    alone = estimate(seeds + nothing)
    both = estimate(seeds + tasks)
    assert both.high - both.low > 1.2 * (alone.high - alone.low)
    assert estimate(np.full((3, 4), 0.5)).low == estimate(np.full((3, 4), 0.5)).high == 0.5
    assert estimate(BETTER).n == 12


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({"a": AGREES, "b": AGREES}, "Agrees with the paper in A and B."),
        ({"a": DISAGREES}, "Does not agree with the paper: the other way round in A."),
        ({"a": OPEN, "b": OPEN, "c": OPEN}, "Not decided here: no difference beyond doubt in A, B and C."),
        ({"a": AGREES, "b": OPEN}, "Agrees with the paper in A; no difference beyond doubt in B."),
        (
            {"a": AGREES, "b": DISAGREES, "c": OPEN},
            "Agrees with the paper in A, and is the other way round in B; no difference beyond doubt in C.",
        ),
        (
            {"a": DISAGREES, "b": OPEN},
            "Does not agree with the paper: the other way round in A; no difference beyond doubt in B.",
        ),
    ],
)
def test_sentences_follow_from_verdicts(verdicts, said):
    assert sentence(verdicts, str.upper) == said


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_tasks_are_pairs_of_opposites_and_new_ones_are_new(plan):
    table = load_tasks()
    for tasks in (plan.tasks, plan.new_tasks):
        assert all(table[task].opposite in tasks for task in tasks)
    assert not set(plan.tasks) & set(plan.new_tasks)


def test_the_whole_comparison_has_the_size_that_was_asked_for():
    assert (len(FULL.tasks), len(FULL.new_tasks), len(FULL.seeds), FULL.shots) == (10, 4, 3, (0, 10, 20, 50))
    assert [arm.weights for arm in ARMS] == [(1, 1, 1), (0, 0, 1), (1, 0, 0), (1, 0, 1)]
    assert [arm.finetune for arm in FINETUNED] == [(1, 0, 1), (0, 0, 1)]
    released = load(pieces.checkpoint.__file__ and FULL.finetune_config.with_name("finetune.yaml"))
    ours = FULL.finetune()
    assert ours.sampler.kind == released.sampler.kind and ours.objective.negatives == released.objective.negatives


def options(piece, name):
    return [b for a, b in zip(piece.command, piece.command[1:], strict=False) if a == name]


def test_pieces_follow_what_they_need_and_objectives_differ_in_nothing_else(tmp_path):
    cut = pieces.cut(FULL, tmp_path)
    names = [piece.name for piece in cut]
    assert len(set(names)) == len(names)
    for number, piece in enumerate(cut):
        assert set(piece.after) <= set(names[:number])
    of_seed = [[s for s in options(p, "--set") if "weight" not in s] for p in cut if p.kind == "pretrain"]
    assert len(of_seed) == 12 and sorted({str(s) for s in of_seed}) == [f"['seed={n}']" for n in (0, 1, 2)]
    assert {tuple(options(p, "--data")) for p in cut if p.kind == "pretrain"} == {(str(tmp_path / "data" / "train"),)}
    tuned = [p for p in cut if p.kind == "finetune"]
    assert len(tuned) == 18
    for piece in tuned:
        arm, _, seed = piece.makes.name.rpartition("-")
        assert options(piece, "--init") == [str(tmp_path / "runs" / f"{arm.rpartition('-')[0]}-{seed}")]
    assert sum(p.kind == "measure" for p in cut) == 12 + 18


def test_training_and_test_scenes_are_apart(tmp_path):
    simulated = {p.name: p for p in pieces.cut(FULL, tmp_path) if p.kind == "simulate"}
    for name, piece in simulated.items():
        assert options(piece, "--seed") == ["100000" if "test" in name else "0"]
    assert options(simulated["simulate-test-failures"], "--outcomes") == ["truncated,random,wrong_task"]


def test_objectives_of_one_seed_start_from_the_same_weights(squares, tmp_path):
    import torch

    from training.run_folder import prepare

    small = ("network.image_size=32", "steps=1", "batch=4")
    plan = replace(QUICK, settings=small)
    began = []
    for seed in (0, 1):
        for arm in ARMS:
            changes = [*plan.settings, f"seed={seed}", *pieces._weights(arm.weights)]
            config = load(plan.pretrain_config, changes)
            trainer = prepare(config, EpisodeStore(squares / "train"), tmp_path / f"{arm.name}{seed}", resume=False)
            began.append((trainer.network.state_dict(), next(trainer.batches())[0].images))
    for weights, images in began[1:4]:
        assert all(torch.equal(weights[name], began[0][0][name]) for name in weights)
        assert np.array_equal(images, began[0][1])
    assert not np.array_equal(began[4][1], began[0][1])
    assert any(not torch.equal(began[4][0][name], began[0][0][name]) for name in began[0][0])


def test_a_training_that_was_cut_goes_on_and_one_cut_at_birth_begins_again(tmp_path):
    piece = next(p for p in pieces.cut(QUICK, tmp_path) if p.kind == "finetune")
    assert "--init" in piece.words()
    piece.makes.mkdir(parents=True)
    (piece.makes / "config.yaml").write_text("half-born")
    assert piece.words() == piece.command and not piece.makes.exists()
    piece.makes.mkdir()
    (piece.makes / "last.pt").touch()
    words = piece.words()
    assert words[-1] == "--resume" and "--init" not in words and "--config" not in words
    assert words[2:] == ("--data", *options(piece, "--data"), "-o", str(piece.makes), "--resume")
    assert piece.makes.exists()


def test_fewer_shots_are_a_part_of_the_more(squares, tmp_path):
    store = EpisodeStore(squares / "train")
    assert subset(store, 2, tmp_path / "two") == 8 and subset(store, 5, tmp_path / "five") == 20
    two, five = EpisodeStore(tmp_path / "two"), EpisodeStore(tmp_path / "five")
    assert {r.key for r in two.records} < {r.key for r in five.records}
    assert {r.seed for r in two.records} == {0, 1}
    two.verify()
    assert subset(store, 2, tmp_path / "two") == 8  # again: nothing twice


def test_a_folder_is_for_one_plan(tmp_path):
    command.keep_plan(QUICK, tmp_path)
    command.keep_plan(QUICK, tmp_path)
    with pytest.raises(ConfigError, match="those of another one"):
        command.keep_plan(replace(QUICK, settings=(*QUICK.settings, "batch=6")), tmp_path)


def test_the_status_line():
    assert command.status_line(12, 77, ["pretrain-liv-0"], 1860) == (
        "piece 13 of 77: pretrain-liv-0; about 31 min left"
    )
    assert command.status_line(12, 77, ["a", "b"], 40) == "piece 13 and 14 of 77: a, b; about 40 s left"
    assert command.status_line(77, 77, [], 0) == "77 of 77 pieces done"


def test_the_time_of_a_call_that_is_killed_counts(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(command.time, "monotonic", lambda: clock[0])
    status = command.Status(tmp_path / "wall.json")
    for clock[0] in (100.0, 150.0, 199.5):  # one piece all the while, then killed
        status.show(0, 2, ["a"], 60.0)
    assert command.wall_s(tmp_path / "wall.json") == 99.5
    clock[0] = 1000.0
    again = command.Status(tmp_path / "wall.json")
    again.show(1, 2, ["b"], 5.0)
    clock[0] = 1010.0
    again.end()
    assert command.wall_s(tmp_path / "wall.json") == 109.5


# --- the document -----------------------------------------------------------------------------------------------


def write_scores(plan, folder, value):
    """What measuring would leave: ``value(model, metric, seed, task number)``."""
    (folder / "scores").mkdir(parents=True, exist_ok=True)
    for model in [Model(arm, shots) for arm in ARMS for shots in (None, *plan.shots)]:
        if model.shots is not None and model.arm not in FINETUNED:
            continue
        for seed in plan.seeds:
            tasks = plan.tasks if model.shots is None else plan.new_tasks
            found = {
                metric: {t: {"mean": value(model, metric, seed, n), "n": 6} for n, t in enumerate(tasks)}
                for metric in ALL
            }
            line = np.linspace(0, 1, 20).tolist()
            curves = {task: {"right": line, "opposite": line[::-1], "image": line} for task in tasks}
            path = pieces.scores_file(folder, model.arm, seed, model.shots or 0)
            content = json.loads(path.read_text()) if path.exists() else {}
            content["test" if model.shots is None else "new-test"] = {"scores": found, "curves": curves}
            path.write_text(json.dumps(content))
    return Findings(plan, folder)


def page(findings, folder, value):
    findings = write_scores(findings, folder, value)
    return findings, document(findings, write_figures(findings, folder / "results"), folder, ["made by hand"])


def as_the_paper(model, metric, seed, task):
    """LIV best in everything, more episodes better, InfoNCE in between; a little different for each seed and task."""
    good = 0.6 if model.arm == LIV else 0.2
    if model.shots and (model.arm == LIV or metric in ("success_auc", "top1")):
        good += 0.05 + 0.001 * model.shots
    elif model.shots:
        good -= 0.1
    good += 0.003 * seed + 0.002 * task
    return 1 - good if metric == "negative_rate" else good


def verdicts_of(text):
    """The cells of the verdict rows."""
    return re.findall(r"(?<=\| )(agrees|disagrees|open)(?= \|)", text)


def test_the_document_says_what_the_numbers_say(tmp_path):
    _, text = page(FULL, tmp_path / "a", as_the_paper)
    assert set(verdicts_of(text)) == {AGREES}
    count = len(verdicts_of(text))
    expected = sum(len(c.metrics) for c in [*pretraining_claims(), *finetuning_claims(FULL)])
    assert count == expected
    assert f"Of {count} comparisons (one for each claim of the paper and metric), {count} agree with the paper" in text

    _, text = page(FULL, tmp_path / "b", lambda *of: 1 - as_the_paper(*of))
    assert set(verdicts_of(text)) == {DISAGREES}
    assert f"{count} are the other way round" in text

    _, text = page(FULL, tmp_path / "c", lambda model, metric, seed, task: 0.5)
    assert set(verdicts_of(text)) == {OPEN}
    assert "Agrees" not in text


def test_the_document_carries_means_intervals_n_and_every_seed(tmp_path):
    findings, text = page(FULL, tmp_path, as_the_paper)
    e = findings.estimate(Model(LIV), "language_voc")
    assert f"| LIV (1 / 1 / 1) | {e.mean:.2f} [{e.low:.2f}, {e.high:.2f}] |" in text
    assert "| *n: episodes x seeds* | 60 x 3 |" in text
    assert "| single seeds | +0.40, +0.40, +0.40 |" in text
    for name in ("pretraining", "curves", "fewshot"):
        assert f"](results/{name}.svg)" in text and (tmp_path / "results" / f"{name}.svg").is_file()
    assert all(METRICS[metric][0] in text for metric in ALL)
    assert "not fine-tuned" in text and "LIV, 50 episodes a task" in text


@pytest.mark.parametrize(
    ("voc", "said"),
    [(0.0, "within the interval of language VOC"), (0.4, "outside the interval of language VOC")],
)
def test_the_document_says_whether_an_untrained_text_tower_is_at_chance(tmp_path, voc, said):
    rng = np.random.default_rng(0)

    def value(model, metric, seed, task):
        centre = {"success_auc": 0.5}.get(metric, voc if metric == "language_voc" else 0.0)
        return centre + rng.normal(0, 0.1)

    _, text = page(FULL, tmp_path, value)
    line = next(line for line in text.splitlines() if "never trains the text tower" in line)
    assert line.startswith("**VIP-image only**") and said in line


def test_figures_have_no_background_and_the_same_figures_give_the_same_file(tmp_path):
    findings = write_scores(QUICK, tmp_path, as_the_paper)
    first = write_figures(findings, tmp_path / "one")
    again = write_figures(findings, tmp_path / "two")
    for name, file in first.items():
        text = file.read_text()
        assert text == again[name].read_text()
        assert not re.search(r"fill: ?#(ffffff|000000)", text)
        assert file.stat().st_size < 150_000
