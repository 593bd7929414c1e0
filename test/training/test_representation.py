# SPDX-License-Identifier: Apache-2.0
"""Encoders by name: which weights they are, threads, and pictures in batches."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from liv_model.network import LivNetwork
from training import checkpoint, representation, tokenizer_fit
from training.config import dump, load
from training.representation import Representation, open_representation
from training.train import DEFAULT_CONFIG


@pytest.fixture
def run(tmp_path):
    config = load(DEFAULT_CONFIG.with_name("tutorial.yaml"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / checkpoint.CONFIG).write_text(dump(config))
    (tmp_path / "run" / checkpoint.RUN).write_text('{"tasks": []}')
    tokenizer_fit.write(tmp_path / "run" / checkpoint.TOKENIZER, config.network.text.vocabulary)
    _weigh(tmp_path / "run", config, seed=1)
    return tmp_path / "run"


def _weigh(folder, config, seed):
    torch.manual_seed(seed)
    checkpoint.save_weights(folder / checkpoint.BEST, LivNetwork(config.network).state_dict(), 0)


def test_a_run_is_another_model_when_its_weights_are(run):
    first, again = (open_representation(str(run)).encoder.model for _ in range(2))
    _weigh(run, load(run / checkpoint.CONFIG), seed=2)
    second = open_representation(str(run)).encoder.model
    assert first == again != second and first.startswith("run@") and len(first) == len("run@") + 12
    random = [open_representation(f"random:{run}", seed=seed).encoder.model for seed in (1, 1, 2)]
    assert random[0] == random[1] == first and random[2] == second


def test_threads_are_those_of_a_bundles_encoder(monkeypatch):
    asked = []
    monkeypatch.setattr(representation, "open_encoder", lambda *_, threads: asked.append(threads))
    open_representation("models/metaworld")
    open_representation("models/metaworld", threads=3)
    assert asked == [1, 3]


def test_pictures_are_seen_in_batches_in_their_order():
    class Encoder:
        def encode_images(self, rgb):
            return rgb[:, 0, 0, :1].astype(np.float32)

    pictures, told = np.arange(150, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8), []
    found = Representation(Encoder(), 2).see(pictures, told.append)
    assert found[:, 0].tolist() == list(range(150)) and told == [64, 64, 22]
