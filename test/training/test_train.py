# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
import os
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from torch.utils.tensorboard import SummaryWriter  # noqa: E402

from liv_model.errors import ConfigError, DataError  # noqa: E402
from training import checkpoint, run_folder, train, trainer  # noqa: E402
from training.config import OptimizerConfig, TrainConfig, dump, load  # noqa: E402
from training.episodes import EpisodeStore, EpisodeWriter  # noqa: E402
from training.optimizer import learning_rate  # noqa: E402

TUTORIAL = train.DEFAULT_CONFIG.with_name("tutorial.yaml")
SMALL = ["steps=8", "batch=8", "validate_every=4", "threads=1", "network.dim=32", "amp=true", "sampler.distractors=4"]


def arguments(squares, out, *more, settings=SMALL):
    base = ["--data", str(squares / "train"), "--validation", str(squares / "held_out"), "-o", str(out)]
    return [*base, "--config", str(TUTORIAL), *(x for s in settings for x in ("--set", s)), *more]


def weights(out):
    return checkpoint.load(out)[0]


def test_a_run_learns_and_leaves_a_whole_folder(squares, tmp_path):
    assert train.main(arguments(squares, tmp_path / "run", settings=["threads=1", "steps=40", "batch=12"])) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    validations = [line["validation"] for line in lines if "validation" in line]
    assert {"language_voc", "image_voc", "top1"} <= set(validations[-1])
    names = {p.name for p in (tmp_path / "run").iterdir()}
    files = {"config.yaml", "tokenizer.json", "run.json", "metrics.jsonl", "tensorboard"}
    assert names == files | {"last.pt", "last-40.safetensors", "best.safetensors"}
    assert (tmp_path / "run" / "best.safetensors").stat().st_mode & 0o777 == 0o644
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    shown = board.Scalars("train/loss")
    assert [e.step for e in shown] == list(range(1, 41))
    assert [e.value for e in shown] == pytest.approx(losses, rel=1e-4)
    assert "validation/language_voc" in board.Tags()["scalars"]


def test_a_run_cut_in_two_equals_the_whole_run(squares, tmp_path, monkeypatch):
    assert train.main(arguments(squares, tmp_path / "whole")) == 0
    advance = trainer.Trainer.advance

    def stop_after_three(self, batch):
        numbers = advance(self, batch)
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return numbers

    monkeypatch.setattr(trainer.Trainer, "advance", stop_after_three)
    assert train.main(arguments(squares, tmp_path / "cut")) == 130
    assert checkpoint.load(tmp_path / "cut")[1]["step"] == 3
    monkeypatch.setattr(trainer.Trainer, "advance", advance)
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


def prepared(squares, out, *settings):
    return run_folder.prepare(load(TUTORIAL, [*SMALL, *settings]), EpisodeStore(squares / "train"), out, resume=False)


def test_nan_stops_before_the_weights_are_touched(squares, tmp_path):
    ours = prepared(squares, tmp_path / "run")
    assert checkpoint.load(tmp_path / "run")[1]["step"] == 0
    batches = next(ours.batches())
    with torch.no_grad():
        ours.network.text.project.weight.fill_(float("nan"))
    before = {k: v.clone() for k, v in ours.network.vision.named_parameters()}
    with pytest.raises(trainer.NonFiniteLossError, match=r"loss at step 0, episodes \[\d"):
        ours.advance(batches)
    assert all(torch.equal(before[k], v) for k, v in ours.network.vision.named_parameters())


def test_a_gradient_that_is_not_finite_stops_too(squares, tmp_path):
    ours = prepared(squares, tmp_path / "run")
    ours.network.text.project.bias.register_hook(lambda gradient: gradient * float("inf"))
    before = {k: v.clone() for k, v in ours.network.named_parameters()}
    with pytest.raises(trainer.NonFiniteLossError, match="norm of the gradient at step 0"):
        ours.advance(next(ours.batches()))
    assert all(torch.equal(before[k], v) for k, v in ours.network.named_parameters())
    assert ours.step == 0


def test_nan_in_a_run_leaves_the_last_good_checkpoint(squares, tmp_path, monkeypatch):
    advance = trainer.Trainer.advance

    def break_after_three(self, batches):
        numbers = advance(self, batches)
        if self.step == 3:
            self.network.text.project.weight.data.fill_(float("nan"))
        return numbers

    monkeypatch.setattr(trainer.Trainer, "advance", break_after_three)
    with pytest.raises(trainer.NonFiniteLossError, match="step 3"):
        train.main(arguments(squares, tmp_path / "run"))
    kept, state = checkpoint.load(tmp_path / "run")
    assert state["step"] == 0 and all(v.isfinite().all() for v in kept.values())


def test_accumulation_is_the_mean_gradient_of_batches_that_do_not_see_each_other(squares, tmp_path):
    settings = ("network.vision.norm=group", "amp=false")
    two = prepared(squares, tmp_path / "two", *settings, "accumulate=2")
    one = prepared(squares, tmp_path / "one", *settings)
    batches = next(two.batches())
    assert len(batches) == 2 and list(batches[0].episodes) != list(batches[1].episodes)
    two.backward(batches)
    found = []
    for number, batch in enumerate(batches):
        one.step = number
        one.backward([batch])
        found.append({k: p.grad.clone() for k, p in one.network.named_parameters()})
    for name, parameter in two.network.named_parameters():
        torch.testing.assert_close(parameter.grad, (found[0][name] + found[1][name]) / 2, rtol=1e-5, atol=1e-6)


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


WEIGHTS = {"w": torch.arange(6.0).reshape(2, 3)}


def full(file, what):
    with open(file, "wb") as half:
        half.write(b"half of it")
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("writer", ["weights", "state"])
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch, writer):
    checkpoint.save(tmp_path, WEIGHTS, {"step": 1})
    before = {p.name for p in tmp_path.iterdir()}
    if writer == "weights":
        monkeypatch.setattr(checkpoint.safetensors.torch, "save_file", lambda w, file, about: full(file, w))
    else:
        monkeypatch.setattr(torch, "save", lambda state, file: full(file, state))
    with pytest.raises(DataError, match=r"No space left.*--resume"):
        checkpoint.save(tmp_path, {"w": torch.zeros(2, 3)}, {"step": 2})
    weights, state = checkpoint.load(tmp_path)
    assert state["step"] == 1 and torch.equal(weights["w"], WEIGHTS["w"])
    assert {p.name for p in tmp_path.iterdir()} == before == {"last.pt", "last-1.safetensors"}


def test_a_disk_that_fills_during_a_run_is_told_in_one_line(squares, tmp_path, monkeypatch):
    monkeypatch.setattr(SummaryWriter, "add_scalar", lambda *_: full(tmp_path / "x", 0))
    with pytest.raises(DataError, match=r"log of .*No space left"):
        train.main(arguments(squares, tmp_path / "run"))
    assert checkpoint.load(tmp_path / "run")[1]["step"] == 0


def test_a_checkpoint_replaces_the_one_before(tmp_path):
    checkpoint.save(tmp_path, WEIGHTS, {"step": 1})
    checkpoint.save(tmp_path, WEIGHTS, {"step": 2, "best": 0.5})
    assert {p.name for p in tmp_path.iterdir()} == {"last.pt", "last-2.safetensors"}
    weights, step = checkpoint.load_weights(tmp_path / "last.pt")
    assert step == 2 and torch.equal(weights["w"], WEIGHTS["w"])
    assert checkpoint.load(tmp_path)[1]["best"] == 0.5


def test_weights_of_the_time_when_a_checkpoint_was_one_file_are_still_read(tmp_path):
    torch.save({"step": 7, "best": 0.1, "network": WEIGHTS, "optimizer": {}}, tmp_path / "best.pt")
    for name in ("best.pt", "best.safetensors"):
        weights, step = checkpoint.load_weights(tmp_path / name)
        assert step == 7 and torch.equal(weights["w"], WEIGHTS["w"])
    (tmp_path / "best.pt").rename(tmp_path / "last.pt")
    with pytest.raises(DataError, match="--init"):
        checkpoint.load(tmp_path)


def test_a_damaged_checkpoint_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="got none"):
        checkpoint.load(tmp_path)
    for name in ("last.pt", "best.safetensors"):
        (tmp_path / name).write_bytes(b"not a checkpoint")
        with pytest.raises(DataError, match="expected"):
            checkpoint.load_weights(tmp_path / name)


def test_a_checkpoint_of_another_architecture_says_which_shapes(squares, tmp_path):
    ours = prepared(squares, tmp_path / "run")
    other = prepared(squares, tmp_path / "other", "network.dim=48", "network.text.layers=2").network.state_dict()
    with pytest.raises(DataError, match=r"checkpoint: expected the \d+ tensors.*\(48,.*instead of \(32,") as caught:
        ours.load_weights(other)
    assert "text.blocks.1." in str(caught.value) and "\n" not in str(caught.value)


def test_learning_rate_schedules():
    cosine = OptimizerConfig(learning_rate=1.0, schedule="cosine", warmup_steps=10)
    rates = [learning_rate(s, 110, cosine) for s in range(111)]
    assert rates[0] == pytest.approx(0.1) and rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.505, abs=1e-3) and rates[110] == pytest.approx(0.01)
    assert learning_rate(500, 1000, OptimizerConfig()) == 1e-5


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
