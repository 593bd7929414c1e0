# SPDX-License-Identifier: Apache-2.0
"""Many bags: each done once, a bad one harms no other, nor does a worker that is lost."""

import json
import multiprocessing
import os
import shutil
import signal

import pytest
from model.label_bags import GOAL, is_writing, rewards, write_embeddings, write_pictures

from liv_model import label_many
from liv_model.cli import main as liv
from liv_model.errors import LivError
from liv_model.goal import Goal
from liv_model.label_bag import Labeller
from liv_model.label_job import BagJob, Labelled, Setup
from liv_model.label_many import label_all

COUNT = 25


@pytest.fixture
def bags(tmp_path, bundle):
    """Three good bags of different lengths, and one of another model."""
    for i in range(3):
        write_embeddings(tmp_path / f"bag{i}", bundle.identity, COUNT + i, bundle.dim)
    write_embeddings(tmp_path / "bad", "other@0")
    return [tmp_path / name for name in ("bag0", "bad", "bag1", "bag2")]


@pytest.fixture(scope="module")
def setup(bundle):
    setup = Setup(bundle=str(bundle.path), goal=Goal(GOAL))
    resolved = Labeller(setup).resolve(setup.goal)
    return Setup(bundle=str(bundle.path), goal=setup.goal, resolved=resolved)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_bag_is_listed_and_the_others_are_done(bags, bundle, tmp_path, workers, capsys):
    out = tmp_path / "out"
    words = ["--goal", GOAL, "--bundle", str(bundle.path), "-o", str(out), "--workers", str(workers), "--json"]
    assert liv(["label", *map(str, bags), *words]) == 1
    told = capsys.readouterr()
    assert "1 of 4 bags could not be labelled:\n" in told.err
    assert f"{bags[1]}: {bags[1]}: /liv/camera/embedding: expected embeddings of {bundle.identity}" in told.err
    summary = json.loads(told.out)
    assert [entry["bag"] for entry in summary["bad"]] == [str(bags[1])]
    assert [entry["rewards"] for entry in summary["bags"]] == [{"camera": COUNT + i} for i in range(3)]
    assert [len(rewards(out / f"bag{i}")) for i in range(3)] == [COUNT, COUNT + 1, COUNT + 2]
    assert sorted(path.name for path in out.iterdir()) == ["bag0", "bag1", "bag2"]


@pytest.mark.parametrize("lost", [1, label_many.MOST_TRIES])
def test_the_bag_of_a_lost_worker_is_done_again(tmp_path, bundle, setup, lost):
    """Real processes, killed while they are at it."""
    write_embeddings(tmp_path / "long", bundle.identity, 20_000, bundle.dim)
    write_embeddings(tmp_path / "short", bundle.identity, COUNT, bundle.dim)
    jobs = [BagJob(tmp_path / name, tmp_path / "out" / name) for name in ("long", "short")]
    killed, told = [], []

    def tell(count):
        told.append(count)
        if count >= 1000 and len(killed) < lost:  # of the long one
            busy = max(multiprocessing.active_children(), key=lambda process: is_writing(process.pid, "long"))
            os.kill(busy.pid, signal.SIGKILL)
            killed.append(busy.pid)
            busy.join()

    long, short = label_all(jobs, setup, 2, tell=tell)
    assert len(set(killed)) == lost
    assert isinstance(short, Labelled) and len(rewards(tmp_path / "out/short")) == COUNT
    if lost < label_many.MOST_TRIES:
        assert long.rewards == {"camera": 20_000} and len(rewards(tmp_path / "out/long")) == 20_000
        assert sum(told) == 20_000 + COUNT
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["long", "short"]
    else:
        assert isinstance(long, LivError)
        assert "got 3 that were lost, the last one with exit code -9" in str(long)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["short"]


def test_what_nobody_thought_of_ends_one_bag_alone(tmp_path, bundle, setup, monkeypatch):
    write_embeddings(tmp_path / "a", bundle.identity, COUNT, bundle.dim)
    write_embeddings(tmp_path / "b", bundle.identity, COUNT, bundle.dim)
    real = Labeller.label

    def label(self, job, tell):
        if job.bag.name == "a":
            raise ZeroDivisionError("oh")
        return real(self, job, tell)

    monkeypatch.setattr(Labeller, "label", label)
    jobs = [BagJob(tmp_path / name, tmp_path / "out" / name) for name in "ab"]
    first, second = label_all(jobs, setup)
    assert "ZeroDivisionError('oh')" in str(first)
    assert second.rewards == {"camera": COUNT}


@pytest.mark.parametrize("again", ["bag0", "bag0/bag0_0.mcap", "link"])
def test_the_same_bag_twice_is_refused(bags, bundle, tmp_path, again, capsys):
    (tmp_path / "link").symlink_to(bags[0])
    words = ["--goal", GOAL, "--bundle", str(bundle.path), "-o", str(tmp_path / "out")]
    assert liv(["label", str(bags[0]), str(tmp_path / again), *words]) == 2
    assert "expected each bag once, got the same recording as" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bags_of_one_name_get_numbers(tmp_path, bundle):
    for folder in ("x", "y"):
        write_embeddings(tmp_path / folder / "bag", bundle.identity, 5, bundle.dim)
    words = ["--goal", GOAL, "--bundle", str(bundle.path), "-o", str(tmp_path / "out")]
    assert liv(["label", str(tmp_path / "x/bag"), str(tmp_path / "y/bag"), *words]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bag", "bag_2"]


def test_pictures_by_several_processes(tmp_path, bundle, capsys):
    for name in "ab":
        write_pictures(tmp_path / name, 5)
    words = ["--goals-from-bag", "--bundle", str(bundle.path), "-o", str(tmp_path / "out"), "--workers", "2"]
    assert liv(["label", str(tmp_path / "a"), str(tmp_path / "b"), *words]) == 1
    assert "2 of 2 bags could not be labelled" in capsys.readouterr().err
    words[0:1] = ["--goal", GOAL]
    assert liv(["label", str(tmp_path / "a"), str(tmp_path / "b"), *words]) == 0
    assert len(rewards(tmp_path / "out/a")) == len(rewards(tmp_path / "out/b")) == 5
    shutil.rmtree(tmp_path / "out")
