# SPDX-License-Identifier: Apache-2.0
"""The shipped configurations; those of the released LIV against a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("torch")

import training
from training.config import dump, load

CONFIGS = Path(training.__file__).parent / "configs"
# arXiv 2306.00958, appendix, and the released code (section 5 of the design): setting, pre-training, fine-tuning
RELEASED = [
    ("steps", 200_000, 10_000),
    ("batch", 512, 64),
    ("accumulate", 1, 1),
    ("amp", False, False),
    ("network.dim", 1024, 1024),
    ("network.image_size", 224, 224),
    ("network.vision.kind", "open_clip", "open_clip"),
    ("network.vision.model", "RN50", "RN50"),
    ("network.text.model", "RN50", "RN50"),
    ("network.text.quick_gelu", True, True),
    ("objective.gamma", 0.98, 0.98),
    ("objective.weight_vision", 1.0, 1.0),
    ("objective.weight_language", 1.0, 0.0),
    ("objective.weight_contrast", 1.0, 1.0),
    ("objective.negatives", 3, 0),
    ("objective.temperature", 1.0, 1.0),
    ("objective.mask_same_text", False, False),
    ("sampler.kind", "subclips", "episodes"),
    ("sampler.alpha", 0.95, 0.95),
    ("sampler.paraphrase", 0.0, 0.0),
    ("sampler.distractors", 0, 0),
    ("augmentation.scale", (0.2, 1.0), (0.2, 1.0)),
    ("augmentation.colour", 0.0, 0.0),
    ("optimizer.name", "adam", "adam"),
    ("optimizer.learning_rate", 1e-5, 1e-5),
    ("optimizer.betas", (0.9, 0.98), (0.9, 0.98)),
    ("optimizer.eps", 1e-6, 1e-6),
    ("optimizer.weight_decay", 1e-3, 1e-3),
    ("optimizer.schedule", "constant", "constant"),
    ("optimizer.warmup_steps", 0, 0),
    ("optimizer.clip_norm", 0.0, 0.0),
]


def setting(values: dict, name: str):
    for part in name.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize(("column", "file"), [(1, "pretrain.yaml"), (2, "finetune.yaml")])
def test_the_released_settings(column, file):
    values = asdict(load(CONFIGS / file))
    assert {row[0]: setting(values, row[0]) for row in RELEASED} == {row[0]: row[column] for row in RELEASED}
    assert values["augmentation"]["ratio"] == pytest.approx((3 / 4, 4 / 3))


@pytest.mark.open_clip
@pytest.mark.parametrize("file", ["pretrain", "finetune"])
def test_their_network_is_the_one_that_is_imported(file):
    from training.import_checkpoint import plan_released

    assert load(CONFIGS / f"{file}.yaml").network == plan_released().network


@pytest.mark.parametrize("file", ["pretrain", "finetune", "metaworld", "tutorial", "results", "results_finetune"])
def test_every_shipped_configuration_survives_a_round_trip(tmp_path, file):
    config = load(CONFIGS / f"{file}.yaml")
    (tmp_path / "copy.yaml").write_text(dump(config))
    assert load(tmp_path / "copy.yaml") == config
