# SPDX-License-Identifier: Apache-2.0
"""From bags and a bundle to another bundle, and the verdict on it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from bag_world import Robot  # noqa: E402
from child_process import child  # noqa: E402
from moving_squares import SQUARES, square_episode  # noqa: E402

from liv_model.bundle import Bundle  # noqa: E402
from liv_model.cli import main as liv  # noqa: E402
from liv_model.metrics import Estimate  # noqa: E402
from training import export, train  # noqa: E402
from training.episodes import EpisodeRecord, EpisodeStore  # noqa: E402
from training.finetune_compare import BETTER, OPEN, WORSE, Row, reasons_against  # noqa: E402
from training.finetune_data import kept_aside, split  # noqa: E402

ROOT = Path(__file__).parents[2]
TUTORIAL = train.DEFAULT_CONFIG.with_name("tutorial.yaml")
QUICK = ["--set", "threads=1", "--set", "batch=8", "--set", "steps=4", "--rate-hz", "20", "--shortest-s", "0.2"]


@pytest.fixture(scope="module")
def base(squares, tmp_path_factory):
    """A bundle that has hardly learned anything."""
    folder = tmp_path_factory.mktemp("base")
    stores = ["--data", str(squares / "train"), "--validation", str(squares / "held_out")]
    settings = ["--config", str(TUTORIAL), "--set", "steps=3", "--set", "threads=1", "--set", "validate_every=0"]
    assert train.main([*stores, "-o", str(folder / "run"), *settings]) == 0
    assert export.main([str(folder / "run"), "-o", str(folder / "base"), *stores, "--made-by", "squares"]) == 0
    return folder / "base"


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    """Two bags of a robot that moves squares: of each task four successes and a failure."""
    folder = tmp_path_factory.mktemp("bags")
    for number in range(2):
        with Robot(folder / f"bag{number}", goals=100 * number) as robot:
            for seed in (2 * number, 2 * number + 1):
                for task, (text, *_) in SQUARES.items():
                    robot.attempt(text, square_episode(task, 5000 + seed).frames)
            robot.attempt(SQUARES["red-left"][0], square_episode("red-left", 6000, success=False).frames, "failure")
            robot.attempt(SQUARES["red-left"][0], square_episode("red-left", 7000).frames, "discard")
    return folder


@pytest.fixture
def finetune(base, bags, tmp_path, capsys):
    ways = tmp_path / "ways.yaml"
    ways.write_text(f"{SQUARES['red-left'][0]}: [the red square goes left]")

    def finetune(*words):
        words = ["--paraphrases", str(ways), *words]
        code = liv(["finetune", "--bags", str(bags), "--from", str(base), "-o", str(tmp_path / "new"), *QUICK, *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return finetune


def test_failures_of_bags_are_learned_from_where_that_is_asked_for(finetune, tmp_path):
    code, out, err = finetune("--json", "--set", "sampler.failures=3")
    assert code in (0, 1), err
    assert json.loads(out)["episodes"] == {
        **{"successes": 12, "failures": 1},  # of two failures one is kept aside
        **{"held_out_successes": 4, "held_out_failures": 1},
    }
    settings = yaml.safe_load((tmp_path / "new.work" / "run" / "config.yaml").read_text())
    assert settings["sampler"]["failures"] == 3


def test_a_bundle_comes_out_and_the_same_command_goes_on(finetune, base, tmp_path):
    code, out, err = finetune("--json")
    assert code in (0, 1), err
    found, made = json.loads(out), Bundle.load(tmp_path / "new")
    assert found["old"] == Bundle.load(base).identity and found["new"] == made.identity
    assert found["episodes"] == {"successes": 12, "failures": 0, "held_out_successes": 4, "held_out_failures": 2}
    assert [bad["reason"] for bad in found["left_out"]] == ["verdict: expected success or failure, got discard"] * 2
    assert {"language_voc", "image_voc", "top1", "top1_known", "success_auc"} <= set(found["metrics"])
    voc = found["metrics"]["language_voc"]
    assert voc["difference"]["mean"] == pytest.approx(voc["new"]["mean"] - voc["old"]["mean"], abs=2e-4)
    assert voc["difference"]["n"] == 4
    provenance = made.manifest["provenance"]
    assert provenance["recommended"] is found["recommended"] is (code == 0)
    assert provenance["finetuned"]["old"] == found["old"]
    assert provenance["imported"]["from"] == found["old"]
    assert {i.text for i in made.instructions} == {text for text, *_ in SQUARES.values()}
    assert [i.paraphrases for i in made.instructions if i.task == "move-the-red-square-to-the-left"] == [
        ("the red square goes left",)
    ]
    assert made.image == Bundle.load(base).image
    for file in made.path.rglob("*"):
        assert str(tmp_path).encode() not in file.read_bytes() if file.is_file() else True
    code, _, err = finetune()
    assert code == 2 and "--overwrite" in err
    code, out, err = finetune("--overwrite")  # all is there: nothing is trained again
    assert code in (0, 1), err
    assert "new less old" in out and "recommended" in out
    code, _, err = finetune("--overwrite", "--seed", "1")
    assert code == 2 and "expected one of this very fine-tuning" in err


def test_ctrl_c_saves_and_the_same_command_goes_on(base, bags, tmp_path):
    words = ["finetune", "--bags", str(bags), "--from", str(base), "-o", str(tmp_path / "new"), *QUICK]
    words += ["--set", "steps=2000", "--set", "checkpoint_minutes=0.001"]
    command = [sys.executable, "-m", "liv_model.cli", *words]
    log = tmp_path / "new.work" / "run" / "metrics.jsonl"
    with child(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while not (log.is_file() and log.read_text().count("\n") > 2):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command goes on" in err
    assert not (tmp_path / "new").exists()
    done = torch.load(tmp_path / "new.work" / "run" / "last.pt", weights_only=True)["step"]
    assert 2 < done < 2000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected --bags or --data, got neither"),
        (["--data", "none", "--held-out", "1"], "--held-out: expected a share between 0 and 1"),
        (["--data", "none", "--set", "stepz=3"], "expected a setting such as 'steps'"),
        (["--data", "none"], "expected a folder with index.jsonl"),
        (["--bags", "none"], "expected a bag"),
    ],
)
def test_mistakes_are_told(base, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert liv(["finetune", *words, "--from", str(base), "-o", "new"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("new").exists()


def test_a_bundle_without_weights_is_refused(bundle, tmp_path, capsys):
    assert liv(["finetune", "--bags", str(tmp_path), "--from", str(bundle.path), "-o", str(tmp_path / "new")]) == 2
    assert "expected a bundle with weights.safetensors" in capsys.readouterr().err


def test_bags_with_nothing_to_take_say_why(base, tmp_path, capsys):
    with Robot(tmp_path / "bag") as robot:
        robot.attempt("move", square_episode("red-left", 1).frames, None)
    assert liv(["finetune", "--bags", str(tmp_path / "bag"), "--from", str(base), "-o", str(tmp_path / "new")]) == 2
    err = capsys.readouterr().err
    assert "verdict: expected success or failure, got none" in err
    assert "expected episodes with verdicts, got none to take; 1 left out" in err


def record(task, number, outcome="success", camera=""):
    return EpisodeRecord(task, task, outcome, 0, camera, f"bags/{number}", 0, 1, 0, (0.0,))


def test_a_share_of_each_tasks_attempts_is_kept_aside_with_all_their_cameras():
    records = [
        record(t, n, camera=c) for t, count in (("a", 8), ("b", 2), ("c", 1)) for n in range(count) for c in "lr"
    ]
    records += [record("a", n, "failure") for n in range(10, 13)]
    aside = kept_aside(records, 0.25, 0)
    assert [sum(a[0] == task for a in aside) for task in "abc"] == [2 + 3, 1, 0]
    assert {a[2] for a in aside} >= {"bags/10", "bags/11", "bags/12"}
    assert kept_aside(records[::-1], 0.25, 0) == aside
    assert any(kept_aside(records, 0.25, seed) != aside for seed in range(1, 5))
    assert sum(a[0] == "b" for a in kept_aside(records, 0.99, 0)) == 1


def test_what_is_rehearsed_is_learned_and_never_judged_by(squares, tmp_path):
    found = split([squares / "held_out"], [squares / "train"], tmp_path, share=0.4, seed=0)
    assert (found.successes, found.held_out_successes, found.held_out_failures) == (8, 4, 4)  # by scene
    train_store, held_out = EpisodeStore(found.train), EpisodeStore(found.held_out)
    assert len(train_store) == 8 + 48 and len(held_out) == 4 + 4
    assert not {r.key for r in train_store.records} & {r.key for r in held_out.records}
    assert split([], [], tmp_path, share=0.4, seed=0) == found  # as an earlier call left it


def test_failures_are_learned_from_where_that_is_wanted_but_for_a_share(squares, tmp_path):
    records = [record("a", n) for n in range(4)] + [record("a", n, "failure") for n in range(10, 18)]
    aside = kept_aside(records, 0.25, 0, learn_failures=True)
    assert (len(aside), sum(a[2] >= "bags/10" and len(a[2]) == 7 for a in aside)) == (1 + 2, 2)
    found = split([squares / "held_out"], [], tmp_path, share=0.4, seed=0, learn_failures=True)
    train_store, held_out = EpisodeStore(found.train), EpisodeStore(found.held_out)
    failed = [r for r in train_store.records if r.outcome != "success"]
    assert len(failed) == found.failures == 8 and found.held_out_failures == 4  # those of the scenes learned from
    assert not {r.key for r in train_store.records} & {r.key for r in held_out.records}


def row(metric, low, high):
    mean = (low + high) / 2
    return Row(metric, Estimate(0.5, 0.4, 0.6, 9), Estimate(0.5 + mean, 0.4, 0.6, 9), Estimate(mean, low, high, 9))


def test_worse_beyond_its_interval_is_not_recommended():
    assert row("language_voc", -0.2, -0.1).verdict == WORSE
    assert row("language_voc", -0.2, 0.1).verdict == OPEN
    assert row("negative_rate", -0.2, -0.1).verdict == BETTER
    assert reasons_against([row("language_voc", -0.2, 0.1), row("negative_rate", 0.1, 0.2)]) == []
    [reason] = reasons_against([row("success_auc", -0.2, -0.1), row("top1", 0.1, 0.2)])
    assert reason == "worse in success auc: -0.150 (-0.200 .. -0.100), n 9"
    assert np.isclose(row("top1", 0.1, 0.3).difference.mean, 0.2)
