# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from liv_model.errors import ConfigError  # noqa: E402
from liv_model.objective import ObjectiveConfig, draw_permutations, info_nce, liv_loss, vip_loss  # noqa: E402

B, D = 7, 11


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    x = rng.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def vip_by_hand(first, now, after, goal, gamma, permutations) -> float:
    batch = len(goal)

    def value(o, g):
        return float(np.dot(o, g)) / (1 - gamma)

    start = sum((1 - gamma) * value(first[i], goal[i]) for i in range(batch)) / batch
    positive = 0.0
    for i in range(batch):
        positive += math.exp(-(-1 + gamma * value(after[i], goal[i]) - value(now[i], goal[i]))) / batch
    total = -start + math.log(1e-8 + positive)
    if len(permutations):
        negative = 0.0
        for order in permutations:
            for i in range(batch):
                j = order[i]
                step = -1 + gamma * value(after[j], goal[i]) - value(now[j], goal[i])
                negative += math.exp(-step) / (batch * len(permutations))
        total += math.log(1e-8 + negative)
    return total


def info_nce_by_hand(images, texts, scale, labels, further=(), failed=()) -> float:
    batch, total = len(images), 0.0
    for a, b in ((images, texts), (texts, images)):
        for i in range(batch):
            others = [j for j in range(batch) if j == i or labels is None or labels[i] != labels[j]]
            denominator = sum(math.exp(scale * float(np.dot(a[i], b[j]))) for j in others)
            if a is images:
                denominator += sum(math.exp(scale * float(np.dot(a[i], x))) for x in further)
            else:
                ends = [x for x, label in failed if label == labels[i]]
                denominator += sum(math.exp(scale * float(np.dot(a[i], x))) for x in ends)
            total -= math.log(math.exp(scale * float(np.dot(a[i], b[i]))) / denominator)
    return total / (2 * batch)


@pytest.mark.parametrize("negatives", [0, 3])
@pytest.mark.parametrize("gamma", [0.98, 0.96, 0.5])
@pytest.mark.parametrize(("temperature", "mask"), [(1.0, False), (0.1, True)])
def test_objective_equals_plain_loops_in_float64(negatives, gamma, temperature, mask):
    rng = np.random.default_rng(negatives)
    images, texts = unit(rng, 5, B, D), unit(rng, B, D)
    labels = np.array([0, 1, 0, 2, 3, 1, 4])
    permutations = draw_permutations(2 * negatives, B, torch.Generator().manual_seed(3))
    config = ObjectiveConfig(gamma, 0.7, 1.3, 2.1, negatives, temperature, mask)
    got = liv_loss(
        torch.tensor(images),
        torch.tensor(texts),
        config,
        permutations=permutations,
        labels=torch.tensor(labels),
    )
    orders = permutations.numpy()
    first, last, now, after, text_frame = images
    vision = vip_by_hand(first, now, after, last, gamma, orders[:negatives])
    language = vip_by_hand(first, now, after, texts, gamma, orders[negatives:])
    contrast = info_nce_by_hand(text_frame, texts, 1 / temperature, labels if mask else None)
    assert float(got.vip_vision) == pytest.approx(vision, rel=1e-5, abs=1e-5)
    assert float(got.vip_language) == pytest.approx(language, rel=1e-5, abs=1e-5)
    assert float(got.contrast) == pytest.approx(contrast, rel=1e-5, abs=1e-5)
    total = 0.7 * vision + 1.3 * language + 2.1 * contrast
    assert float(got.total) == pytest.approx(total, rel=1e-5, abs=1e-4)


def test_defaults_are_the_released_pretraining_settings():
    assert ObjectiveConfig() == ObjectiveConfig(0.98, 1.0, 1.0, 1.0, 3, 1.0, False)


def test_autocast_changes_nothing():
    rng = np.random.default_rng(0)
    images = torch.tensor(unit(rng, 5, B, D), dtype=torch.float32)
    texts = torch.tensor(unit(rng, B, D), dtype=torch.float32)
    permutations = draw_permutations(6, B, torch.Generator().manual_seed(0))
    plain = liv_loss(images, texts, ObjectiveConfig(), permutations=permutations)
    with torch.autocast("cpu", torch.bfloat16):
        cast = liv_loss(images, texts, ObjectiveConfig(), permutations=permutations)
    assert cast.total.dtype == torch.float32
    for name in ("total", "vip_vision", "vip_language", "contrast"):
        assert torch.equal(getattr(plain, name), getattr(cast, name))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_largest_exponents_stay_finite_with_gradients(sign):
    goal = torch.zeros(B, D)
    goal[:, 0] = 1.0
    now = (sign * goal).requires_grad_()
    after = (-sign * goal).requires_grad_()
    loss = vip_loss(-goal, now, after, goal, gamma=0.98, permutations=draw_permutations(3, B))
    loss.backward()
    # sign +: both exponents are 1 + 49 + 50 = 100; sign -: the mean vanishes and eps is all that is left
    expected = 1.0 + 2 * (100.0 if sign > 0 else math.log(1e-8))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    assert torch.isfinite(now.grad).all() and torch.isfinite(after.grad).all()


def test_the_same_permutation_moves_both_frames_and_goals_stay():
    rng = np.random.default_rng(5)
    first, now, after, goal = (torch.tensor(unit(rng, B, D)) for _ in range(4))
    identity = torch.arange(B)[None]
    plain = vip_loss(first, now, after, goal, gamma=0.9)
    doubled = vip_loss(first, now, after, goal, gamma=0.9, permutations=identity)
    start = -(first.float() * goal.float()).sum(-1).mean()
    assert float(doubled - start) == pytest.approx(2 * float(plain - start), rel=1e-5)


def test_texts_about_no_video_are_further_wrong_columns():
    rng = np.random.default_rng(2)
    images, texts, others = unit(rng, B, D), unit(rng, B, D), unit(rng, 4, D)
    labels = np.array([0, 1, 0, 2, 3, 1, 4])
    got = info_nce(
        torch.tensor(images),
        torch.tensor(texts),
        temperature=0.1,
        labels=torch.tensor(labels),
        others=torch.tensor(others),
    )
    assert float(got) == pytest.approx(info_nce_by_hand(images, texts, 10, labels, others), rel=1e-5)


def test_ends_of_failures_are_further_wrong_pictures_of_what_was_attempted():
    rng = np.random.default_rng(3)
    images, texts, failed = unit(rng, B, D), unit(rng, B, D), unit(rng, 5, D)
    labels, of_failed = np.array([0, 1, 0, 2, 3, 1, 4]), np.array([0, 2, 2, 4, 9])  # 9: none of the batch
    ends = torch.tensor(failed, requires_grad=True)
    attempted = torch.tensor(labels[:, None] == of_failed)
    kept = {"temperature": 0.1, "labels": torch.tensor(labels)}
    got = info_nce(torch.tensor(images), torch.tensor(texts), failed=ends, attempted=attempted, **kept)
    by_hand = info_nce_by_hand(images, texts, 10, labels, failed=list(zip(failed, of_failed, strict=True)))
    assert float(got.detach()) == pytest.approx(by_hand, rel=1e-5)
    got.backward()
    pushed = -ends.grad.numpy()  # where a step goes: away from the text, and nowhere for 9
    assert [float(pushed[k] @ texts[i]) < 0 for k, i in ((1, 3), (2, 3), (3, 6))] == [True] * 3
    assert not pushed[4].any()


def test_info_nce_with_one_label_only_is_zero():
    x = torch.tensor(unit(np.random.default_rng(1), B, D))
    assert float(info_nce(x, x, labels=torch.zeros(B))) == pytest.approx(0.0, abs=1e-6)


def test_bad_settings_are_refused():
    for wrong in ({"gamma": 1.0}, {"negatives": -1}, {"temperature": 0.0}, {"weight_vision": -1.0}):
        with pytest.raises(ConfigError):
            ObjectiveConfig(**wrong)
    with pytest.raises(ConfigError, match="labels"):
        liv_loss(torch.ones(5, B, D), torch.ones(B, D), ObjectiveConfig(mask_same_text=True))
    with pytest.raises(ConfigError, match="5, B, D"):
        liv_loss(torch.ones(4, B, D), torch.ones(B, D), ObjectiveConfig())
