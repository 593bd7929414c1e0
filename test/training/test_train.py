# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
import os
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from liv_model.errors import ConfigError, DataError  # noqa: E402
from training import checkpoint, train  # noqa: E402
from training.config import OptimizerConfig, TrainConfig, dump, load  # noqa: E402
from training.episodes import EpisodeStore, EpisodeWriter  # noqa: E402

TUTORIAL = train.DEFAULT_CONFIG.with_name("tutorial.yaml")
SMALL = ["steps=8", "batch=8", "validate_every=4", "threads=1", "network.dim=32", "amp=true", "sampler.distractors=4"]


def arguments(squares, out, *more, settings=SMALL):
    base = ["--data", str(squares / "train"), "--validation", str(squares / "held_out"), "-o", str(out)]
    return [*base, "--config", str(TUTORIAL), *(x for s in settings for x in ("--set", s)), *more]


def weights(out):
    return checkpoint.load(out / "last.pt")["network"]


def test_a_run_learns_and_leaves_a_whole_folder(squares, tmp_path):
    assert train.main(arguments(squares, tmp_path / "run", settings=["threads=1", "steps=40", "batch=12"])) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    validations = [line["validation"] for line in lines if "validation" in line]
    assert {"language_voc", "image_voc", "top1"} <= set(validations[-1])
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"config.yaml", "tokenizer.json", "run.json", "metrics.jsonl", "last.pt", "best.pt"}


def test_a_run_cut_in_two_equals_the_whole_run(squares, tmp_path, monkeypatch):
    assert train.main(arguments(squares, tmp_path / "whole")) == 0
    advance = train.Trainer.advance

    def stop_after_three(self, batch):
        numbers = advance(self, batch)
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return numbers

    monkeypatch.setattr(train.Trainer, "advance", stop_after_three)
    assert train.main(arguments(squares, tmp_path / "cut")) == 130
    assert checkpoint.load(tmp_path / "cut" / "last.pt")["step"] == 3
    monkeypatch.setattr(train.Trainer, "advance", advance)
    again = [
        a for a in arguments(squares, tmp_path / "cut", "--resume", settings=[]) if a not in ("--config", str(TUTORIAL))
    ]
    assert train.main(again) == 0
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[k], cut[k]) for k in whole)

    def losses(name):
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]

    assert losses("whole") == losses("cut")


def test_nan_stops_before_the_weights_are_touched(squares, tmp_path):
    config = load(TUTORIAL, SMALL)
    trainer = train.prepare(config, EpisodeStore(squares / "train"), tmp_path / "run", resume=False)
    assert checkpoint.load(tmp_path / "run" / "last.pt")["step"] == 0
    batch = next(trainer.batches())
    with torch.no_grad():
        trainer.network.text.project.weight.fill_(float("nan"))
    before = {k: v.clone() for k, v in trainer.network.vision.named_parameters()}
    with pytest.raises(train.NonFiniteLossError, match=r"step 0, episodes"):
        trainer.advance(batch)
    assert all(torch.equal(before[k], v) for k, v in trainer.network.vision.named_parameters())


def test_run_folders_are_guarded(squares, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(DataError, match="a run to resume"):
        train.main(arguments(squares, out, "--resume"))
    (out).mkdir()
    (out / "config.yaml").write_text(dump(TrainConfig()))
    with pytest.raises(ConfigError, match="--resume"):
        train.main(arguments(squares, out))
    with pytest.raises(ConfigError, match="settings the run began with"):
        train.main(arguments(squares, out, "--resume"))


def test_a_validation_store_without_the_tasks_stops_the_run_at_once(squares, tmp_path):
    (tmp_path / "empty").mkdir()
    with EpisodeWriter(tmp_path / "empty", 32, 32):
        pass
    given = arguments(squares, tmp_path / "run")
    given[given.index("--validation") + 1] = str(tmp_path / "empty")
    with pytest.raises(DataError, match="validation store"):
        train.main(given)


def test_frames_of_another_size_are_refused(squares, tmp_path):
    with pytest.raises(DataError, match="64x64"):
        train.main(arguments(squares, tmp_path / "run", settings=["network.image_size=64"]))


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "last.pt", {"step": 1})

    def full(state, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DataError, match="No space left"):
        checkpoint.save(tmp_path / "last.pt", {"step": 2})
    assert checkpoint.load(tmp_path / "last.pt") == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_damaged_checkpoint_is_a_data_error(tmp_path):
    (tmp_path / "last.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match="a checkpoint"):
        checkpoint.load(tmp_path / "last.pt")


def test_learning_rate_schedules():
    cosine = OptimizerConfig(learning_rate=1.0, schedule="cosine", warmup_steps=10)
    rates = [train.learning_rate(s, 110, cosine) for s in range(111)]
    assert rates[0] == pytest.approx(0.1) and rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.505, abs=1e-3) and rates[110] == pytest.approx(0.01)
    assert train.learning_rate(500, 1000, OptimizerConfig()) == 1e-5


def test_every_shipped_configuration_loads_and_survives_a_round_trip(tmp_path):
    for path in train.DEFAULT_CONFIG.parent.glob("*.yaml"):
        config = load(path)
        (tmp_path / "copy.yaml").write_text(dump(config))
        assert load(tmp_path / "copy.yaml") == config


def test_overrides_are_checked(tmp_path):
    assert load(TUTORIAL, ["objective.gamma=0.96"]).objective.gamma == 0.96
    assert load(TUTORIAL, ["optimizer.learning_rate=3e-4"]).optimizer.learning_rate == 3e-4
    assert load(TUTORIAL, ["network.vision.widths=[8, 8]"]).network.vision.widths == (8, 8)
    for wrong, message in (
        ("objective.gama=0.96", "gamma"),
        ("stepps=3", "steps"),
        ("steps=many", "int"),
        ("steps", "key=value"),
        ("network.dim.x=3", "group of settings"),
        ("augmentation.scale=[1.0]", "2 values"),
        ("objective.gamma=1.5", "in \\(0, 1\\)"),
    ):
        with pytest.raises(ConfigError, match=message):
            load(TUTORIAL, [wrong])
    with pytest.raises(ConfigError, match="readable YAML"):
        load(tmp_path / "none.yaml")


def test_the_defaults_are_the_released_settings():
    config = TrainConfig()
    o = config.optimizer
    assert (o.name, o.learning_rate, o.betas, o.eps, o.weight_decay) == (
        "adam",
        1e-5,
        (0.9, 0.98),
        1e-6,
        1e-3,
    )
    assert (config.sampler.kind, config.sampler.alpha, config.augmentation.scale) == (
        "subclips",
        0.95,
        (0.2, 1.0),
    )
    assert math.isclose(config.augmentation.ratio[0], 0.75)
