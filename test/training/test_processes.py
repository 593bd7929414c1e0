# SPDX-License-Identifier: Apache-2.0
"""Many processes learn what one learns: the objective is over the batches of all of them."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

import two_processes  # noqa: E402

from liv_model.errors import ConfigError  # noqa: E402
from training import checkpoint, train  # noqa: E402
from training.processes import make_accelerator, share  # noqa: E402

TUTORIAL = train.DEFAULT_CONFIG.with_name("tutorial.yaml")
# Norms over groups: statistics of a batch would be those of each process's share. All terms, negatives, distractors;
# where the store has some, failures too.
SETTINGS = [
    "batch=8",
    "accumulate=2",
    "steps=3",
    "network.vision.norm=group",
    "objective.negatives=3",
    "sampler.distractors=4",
    "device=cpu",
    "threads=1",
    "validate_every=2",
]


def test_two_processes_have_the_gradient_of_one(squares, tmp_path):
    settings = [*SETTINGS, "sampler.failures=3"]
    data = (squares / "held_out", tmp_path / "run", TUTORIAL, settings)
    two_processes.run(two_processes.gradient, *data, tmp_path / "two.pt")
    two_processes.gradient(squares / "held_out", tmp_path / "one", TUTORIAL, settings, tmp_path / "one.pt")
    one, two = torch.load(tmp_path / "one.pt"), torch.load(tmp_path / "two.pt")
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["numbers"] == pytest.approx(one["numbers"], rel=1e-5)
    assert len(one["gradient"]) == len(two["gradient"])
    for name, gradient in one["gradient"].items():
        assert gradient.norm() > 0.1
        assert (two["gradient"][name] - gradient).norm() < 1e-5 * gradient.norm(), name


def test_two_processes_train_one_run(squares, tmp_path):
    def words(out):
        stores = ["--data", str(squares / "train"), "--validation", str(squares / "held_out"), "-o", str(out)]
        return [*stores, "--config", str(TUTORIAL), *(x for s in SETTINGS for x in ("--set", s))]

    two_processes.run(two_processes.train, words(tmp_path / "two"))
    assert train.main(words(tmp_path / "one")) == 0
    one, two = (checkpoint.load(tmp_path / name) for name in ("one", "two"))
    assert one[1]["step"] == two[1]["step"] == 3
    for name, weight in one[0].items():  # Adam divides by the gradient's size: noise of tiny ones is not tiny
        torch.testing.assert_close(two[0][name], weight, rtol=1e-3, atol=1e-3, msg=name)
    lines = [json.loads(x) for x in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [x["step"] for x in lines if "loss" in x] == [1, 2, 3]  # one process writes
    assert [x["step"] for x in lines if "validation" in x] == [2, 3]


def test_a_batch_is_shared_evenly_or_refused():
    alone = make_accelerator("cpu")
    assert share(7, alone) == slice(0, 7)

    class Third:
        num_processes, process_index = 3, 1

    assert share(6, Third()) == slice(2, 4)
    with pytest.raises(ConfigError, match="a multiple of the 3 processes, got 8"):
        share(8, Third())
