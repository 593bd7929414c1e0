# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from liv_model.errors import ConfigError, DataError
from training import distractors
from training.augment import AugmentConfig, augment, draw_crop
from training.calibrate import UNRELATED
from training.episodes import Episode, EpisodeStore, EpisodeWriter
from training.sampler import (
    Sampler,
    SamplerConfig,
    sample_episode,
    sample_subclip,
    training_texts,
)
from training.tasks import load_tasks


@pytest.mark.parametrize("length", [3, 4, 10, 300])
def test_subclips_stay_in_bounds(length):
    rng = np.random.default_rng(length)
    for _ in range(500):
        s = sample_subclip(length, rng)
        assert 0 <= s.first < s.last < length
        assert s.first <= s.now < s.after <= s.last
        assert s.after == s.now + 1
        assert max(0, int(0.95 * length) - 1) <= s.text < length


def test_subclip_distributions_are_those_of_the_release():
    rng, length, n = np.random.default_rng(0), 40, 20000
    draws = np.array([sample_subclip(length, rng) for _ in range(n)])
    first, last, now, _, text = draws.T
    assert np.bincount(first, minlength=length - 2) == pytest.approx(np.full(length - 2, n / 38), rel=0.25)
    # given o_0, o_T is uniform after it, and k uniform between the two
    assert ((last - first - 1) / (length - first - 2)).mean() == pytest.approx(0.5, abs=0.01)
    spans = last - first
    assert ((now - first) / np.maximum(spans - 1, 1))[spans > 5].mean() == pytest.approx(0.5, abs=0.01)
    assert set(text) == {37, 38, 39}
    assert np.bincount(text)[37:] == pytest.approx(np.full(3, n / 3), rel=0.05)


def test_whole_episodes():
    rng = np.random.default_rng(0)
    draws = [sample_episode(10, rng) for _ in range(3000)]
    assert {(s.first, s.last, s.text) for s in draws} == {(0, 9, 9)}
    counts = np.bincount([s.now for s in draws])
    assert counts == pytest.approx(np.full(9, 3000 / 9), rel=0.2)
    assert all(s.after == s.now + 1 for s in draws)


def test_training_texts_never_hold_out_paraphrases():
    for name, words in load_tasks().items():
        texts = training_texts(name, words.text)
        assert texts[0] == words.text
        assert not set(texts) & set(words.held_out)
    assert training_texts("drawer-open", "a text of someone's own") == ("a text of someone's own",)
    assert training_texts("no-such-task", "do it") == ("do it",)


def test_one_crop_for_all_frames():
    rng = np.random.default_rng(0)
    gradient = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None], (64, 64, 3))
    frames = np.stack([gradient] * 5)
    out = augment(frames, AugmentConfig(scale=(0.3, 0.5), colour=0.2), rng)
    assert out.shape == frames.shape and out.dtype == np.uint8
    assert all(np.array_equal(out[0], f) for f in out[1:])
    assert not np.array_equal(out[0], frames[0])
    assert np.array_equal(augment(frames, AugmentConfig(scale=(1.0, 1.0)), rng), frames)


@pytest.mark.parametrize("scale", [(0.3, 0.9), (1.0, 1.0)])
def test_augmentation_is_a_bilinear_crop_and_a_table_of_levels(scale):
    frames = np.random.default_rng(2).integers(0, 256, (5, 24, 20, 3), np.uint8)
    before, config = frames.copy(), AugmentConfig(scale=scale, colour=0.3)
    block = np.zeros((5, 3, 24, 20, 3), np.uint8)
    augment([*frames], config, np.random.default_rng(7), out=block[:, 1])
    assert np.array_equal(frames, before) and not block[:, [0, 2]].any()
    assert np.array_equal(block[:, 1], augment(frames, config, np.random.default_rng(7)))
    rng = np.random.default_rng(7)
    top, left, h, w = draw_crop(24, 20, config, rng)
    gain, offset = rng.uniform(-0.3, 0.3, 2)
    for frame, changed in zip(frames, block[:, 1], strict=True):
        crop = cv2.resize(frame[top : top + h, left : left + w], (20, 24), interpolation=cv2.INTER_LINEAR)
        levels = (crop - 128.0) * (1 + gain) + 128.0 * (1 + offset)
        assert np.array_equal(changed, levels.clip(0, 255).round())


def test_short_episodes_and_empty_stores_are_refused(tmp_path):
    def sampler(path):
        return Sampler(EpisodeStore(path), (), SamplerConfig(), AugmentConfig(), 0)

    with EpisodeWriter(tmp_path / "short", 8, 8) as writer:
        writer.append(Episode(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2.0), "open it", "open-it", source="a/b"))
    with pytest.raises(DataError, match=r"episode 0 \(open-it, success, a/b\) of .* at least 3 frames, got 2"):
        sampler(tmp_path / "short")
    EpisodeWriter(tmp_path / "empty", 8, 8).close()
    with pytest.raises(DataError, match="expected successful episodes of every task, got none of any"):
        sampler(tmp_path / "empty")


def test_crops_keep_the_asked_area():
    rng = np.random.default_rng(1)
    config = AugmentConfig(scale=(0.2, 1.0))
    areas = []
    for _ in range(2000):
        top, left, h, w = draw_crop(112, 112, config, rng)
        assert 0 <= top <= 112 - h and 0 <= left <= 112 - w
        areas.append(h * w / 112**2)
    assert min(areas) > 0.19 and max(areas) <= 1.0
    assert 0.5 < np.mean(areas) < 0.6  # large crops of odd shape do not fit, and are drawn again


def test_batches_depend_on_seed_and_step_only(squares):
    store = EpisodeStore(squares / "train")

    def batch(seed, step):
        return Sampler(store, (), SamplerConfig(), AugmentConfig(), seed).batch(step, 6)

    one, same = batch(0, 5), batch(0, 5)
    assert np.array_equal(one.images, same.images) and one.texts == same.texts
    assert one.images.shape == (5, 6, 32, 32, 3) and one.labels.shape == (6,)
    assert not np.array_equal(one.images, batch(0, 6).images)
    assert not np.array_equal(one.images, batch(1, 5).images)
    for text, label, number in zip(one.texts, one.labels, one.episodes, strict=True):
        assert text == store.records[number].text
        assert text == sorted({r.text for r in store.records})[label]


def test_distractors_mean_no_task_and_stay_apart_from_what_familiarity_is_measured_on():
    spoken = {t for w in load_tasks().values() for t in (*w.training_texts, *w.held_out)}
    assert not spoken & set(distractors.everyday())
    assert not set(UNRELATED) & set(distractors.everyday())
    both = distractors.undone(["drawer-open", "drawer-close"])
    assert both == ()  # each is the other's opposite, and both are learned
    assert distractors.undone(["drawer-open"]) == (load_tasks()["drawer-close"].text,)


def test_a_batch_brings_the_asked_number_of_distractors(squares):
    store = EpisodeStore(squares / "train")
    plain = Sampler(store, (), SamplerConfig(), AugmentConfig(), 0).batch(3, 6)
    more = Sampler(store, (), SamplerConfig(distractors=5), AugmentConfig(), 0).batch(3, 6)
    assert plain.distractors == [] and len(more.distractors) == 5
    assert np.array_equal(plain.images, more.images) and plain.texts == more.texts


def test_a_batch_brings_ends_of_failures_of_what_is_learned(squares):
    store = EpisodeStore(squares / "held_out")
    config, plainly = SamplerConfig(failures=7), AugmentConfig(scale=(1.0, 1.0), colour=0.0)
    sampler = Sampler(store, ("red-left",), config, plainly, 0)
    plain = Sampler(store, ("red-left",), SamplerConfig(), plainly, 0).batch(3, 6)
    batch = sampler.batch(3, 6)
    assert np.array_equal(plain.images, batch.images) and plain.failures.shape == (0, 32, 32, 3)
    failed = [r for r in store.records if r.task == "red-left" and r.outcome != "success"]
    ends = [store.frames[r.start + i] for r in failed for i in range(int(0.95 * r.count) - 1, r.count)]
    assert batch.failures.shape == (7, 32, 32, 3)
    assert all(any(np.array_equal(picture, end) for end in ends) for picture in batch.failures)
    assert batch.failure_labels.tolist() == [0] * 7
    share = sampler.batch(3, 6, slice(2, 4))  # every process has all of them
    assert np.array_equal(share.failures, batch.failures)


def test_failures_that_are_wanted_and_not_there_are_missed(squares):
    with pytest.raises(DataError, match=r"failed attempts at the tasks.*got none.*sampler\.failures=0"):
        Sampler(EpisodeStore(squares / "train"), (), SamplerConfig(failures=1), AugmentConfig(), 0)


def test_only_successes_of_the_asked_tasks(squares):
    store = EpisodeStore(squares / "held_out")
    sampler = Sampler(store, ("red-left",), SamplerConfig(), AugmentConfig(), 0)
    assert {(store.records[i].task, store.records[i].outcome) for i in sampler.episodes} == {("red-left", "success")}
    with pytest.raises(DataError, match="no-such-task"):
        Sampler(store, ("no-such-task",), SamplerConfig(), AugmentConfig(), 0)


def test_bad_settings_are_refused():
    for wrong in ({"kind": "x"}, {"alpha": 2.0}, {"failures": -1}, {"distractors": -1}):
        with pytest.raises(ConfigError):
            SamplerConfig(**wrong)
    for wrong in ({"scale": (0.5, 0.2)}, {"ratio": (0.0, 1.0)}, {"colour": 1.0}):
        with pytest.raises(ConfigError):
            AugmentConfig(**wrong)
