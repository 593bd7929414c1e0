# SPDX-License-Identifier: Apache-2.0
"""The LIV objective (Ma et al., ICML 2023, arXiv 2306.00958) as pure functions of unit-norm embeddings.

Nothing here holds parameters or touches a network, so the same functions serve one process, many processes
(gather the embeddings with gradients first, then call), and tests with number tables.

A value is ``V(o; g) = cos(phi(o), g) / (1 - gamma)`` and every reward is ``r = -1``. Exponents reach
``2 / (1 - gamma) = 100``, so everything is computed in float32 and in log space, whatever the autocast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from liv_model.errors import ConfigError

EPSILON = 1e-8
REWARD = -1.0


@dataclass(frozen=True)
class ObjectiveConfig:
    """Settings of the objective; the defaults are the released pre-training settings.

    Attributes:
        gamma: discount of the value, in (0, 1); a value is a cosine divided by ``1 - gamma``.
        weight_vision: weight of VIP with image goals (w_v).
        weight_language: weight of VIP with text goals (w_l).
        weight_contrast: weight of InfoNCE (w_c).
        negatives: permutations of the batch in the second term of each VIP; 0 leaves that term out.
        temperature: what the cosines of InfoNCE are divided by; 1 as released, ``1 - gamma`` in the paper.
        mask_same_text: leave other videos with the very same text out of the InfoNCE denominators.
    """

    gamma: float = 0.98
    weight_vision: float = 1.0
    weight_language: float = 1.0
    weight_contrast: float = 1.0
    negatives: int = 3
    temperature: float = 1.0
    mask_same_text: bool = False

    def __post_init__(self) -> None:
        """Refuse settings out of their range."""
        if not 0.0 < self.gamma < 1.0:
            raise ConfigError("objective.gamma", expected="a number in (0, 1)", got=self.gamma)
        if self.negatives < 0:
            raise ConfigError("objective.negatives", expected="0 or more", got=self.negatives)
        if self.temperature <= 0:
            raise ConfigError("objective.temperature", expected="a number above 0", got=self.temperature)
        if min(self.weight_vision, self.weight_language, self.weight_contrast) < 0:
            raise ConfigError("objective weights", expected="0 or more", got=self)


@dataclass(frozen=True)
class LivTerms:
    """The objective and its parts, scalar tensors; a part whose weight is 0 is computed all the same."""

    total: Tensor
    vip_vision: Tensor
    vip_language: Tensor
    contrast: Tensor


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Row-wise cosine of two (..., D) tensors, float32 (...), in [-1, 1]."""
    return (F.normalize(a.float(), dim=-1) * F.normalize(b.float(), dim=-1)).sum(-1)


def log_mean_exp(x: Tensor) -> Tensor:
    """``log(EPSILON + mean(exp(x)))`` of a 1-D tensor, exact for any finite ``x``."""
    mean = torch.logsumexp(x, dim=0) - math.log(x.numel())
    return torch.logaddexp(mean, mean.new_tensor(math.log(EPSILON)))


def draw_permutations(count: int, batch: int, generator: torch.Generator | None = None) -> Tensor:
    """``count`` random permutations of ``range(batch)``, int64 (count, batch), on the CPU."""
    rows = [torch.randperm(batch, generator=generator) for _ in range(count)]
    return torch.stack(rows) if rows else torch.empty(0, batch, dtype=torch.int64)


def vip_loss(
    first: Tensor,
    now: Tensor,
    after: Tensor,
    goal: Tensor,
    *,
    gamma: float,
    permutations: Tensor | None = None,
) -> Tensor:
    """The VIP term for one kind of goal (arXiv 2306.00958, eq. 3; section 5 of the design).

    ``-(1-gamma) mean_B V(o_0;g) + log(eps + mean_B exp(-(r + gamma V(o_k+1;g) - V(o_k;g))))`` and, with
    permutations, the same log term once more over videos permuted against the goals, which stay in place.

    Args:
        first: embeddings of o_0, (B, D).
        now: embeddings of o_k, (B, D).
        after: embeddings of o_{k+1}, (B, D).
        goal: embeddings of each row's own goal, image or text, (B, D).
        gamma: discount, in (0, 1).
        permutations: int64 (n, B); the same permutation moves o_k and o_{k+1}. None or n = 0: no negatives.

    Returns:
        Scalar float32.
    """
    with torch.autocast(goal.device.type, enabled=False):
        scale = 1.0 / (1.0 - gamma)
        v_first = scale * cosine(first, goal)  # (B,)
        loss = -(1.0 - gamma) * v_first.mean() + log_mean_exp(_residual(now, after, goal, gamma))
        if permutations is not None and len(permutations):
            order = permutations.to(goal.device).reshape(-1)  # (n*B,)
            goals = goal.repeat(len(permutations), 1)  # (n*B, D)
            loss = loss + log_mean_exp(_residual(now[order], after[order], goals, gamma))
        return loss


def _residual(now: Tensor, after: Tensor, goal: Tensor, gamma: float) -> Tensor:
    """``-(r + gamma V(o_{k+1}; g) - V(o_k; g))``, float32 (B,)."""
    scale = 1.0 / (1.0 - gamma)
    v_now = scale * cosine(now, goal)  # (B,)
    v_after = scale * cosine(after, goal)  # (B,)
    return -(REWARD + gamma * v_after - v_now)  # (B,)


def info_nce(
    images: Tensor,
    texts: Tensor,
    *,
    temperature: float = 1.0,
    labels: Tensor | None = None,
    others: Tensor | None = None,
    failed: Tensor | None = None,
    attempted: Tensor | None = None,
) -> Tensor:
    """Symmetric InfoNCE over the B x B cosines: the mean of the row and the column cross entropy.

    Args:
        images: embeddings of o_text, (B, D).
        texts: embeddings of the texts, (B, D), row by row of the same video.
        temperature: the cosines are divided by this.
        labels: int64 (B,); pairs off the diagonal with equal labels are left out. None: nothing is left out.
        others: embeddings of texts that are about none of the videos, (M, D): further wrong columns of the rows.
        failed: embeddings of pictures in which attempts that failed ended, (F, D): further wrong pictures of the texts
            that were attempted.
        attempted: bool (B, F), which failure was an attempt at which text: it says nothing about the others.

    Returns:
        Scalar float32.
    """
    with torch.autocast(images.device.type, enabled=False):
        images = F.normalize(images.float(), dim=-1)  # (B, D)
        texts = F.normalize(texts.float(), dim=-1)  # (B, D)
        logits = images @ texts.T / temperature  # (B, B)
        target = torch.arange(len(logits), device=logits.device)  # (B,)
        if labels is not None:
            same = labels[:, None] == labels[None, :]  # (B, B)
            same = same & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)  # (B, B)
            logits = logits.masked_fill(same, float("-inf"))  # (B, B)
        rows = logits  # (B, B)
        if others is not None:
            wrong = images @ F.normalize(others.float(), dim=-1).T / temperature  # (B, M)
            rows = torch.cat([logits, wrong], dim=1)  # (B, B + M)
        columns = logits.T  # (B, B)
        if failed is not None:
            wrong = texts @ F.normalize(failed.float(), dim=-1).T / temperature  # (B, F)
            columns = torch.cat([columns, wrong.masked_fill(~attempted, float("-inf"))], dim=1)  # (B, B + F)
        return 0.5 * (F.cross_entropy(rows, target) + F.cross_entropy(columns, target))


def liv_loss(
    images: Tensor,
    texts: Tensor,
    config: ObjectiveConfig,
    *,
    permutations: Tensor | None = None,
    labels: Tensor | None = None,
    others: Tensor | None = None,
    failed: Tensor | None = None,
    attempted: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> LivTerms:
    """``LIV = w_v VIP(o_T) + w_l VIP(e_l) + w_c InfoNCE(o_text, e_l)``.

    Args:
        images: embeddings of the five frames o_0, o_T, o_k, o_{k+1}, o_text of each video, (5, B, D).
        texts: embeddings of each video's text, (B, D).
        config: weights and settings.
        permutations: int64 (2 * negatives, B): the negatives of the image goal, then those of the text goal.
            None draws them.
        labels: int64 (B,), equal for equal texts; used, and required, with ``config.mask_same_text`` only.
        others: embeddings of texts about none of the videos, (M, D), for InfoNCE; None as released.
        failed: embeddings of ends of failed attempts, (F, D), for InfoNCE; None as released.
        attempted: bool (B, F), which failure was an attempt at which text.
        generator: where permutations are drawn from; None is torch's own.

    Raises:
        ConfigError: same-text masking without labels, or not five frames.
    """
    if images.dim() != 3 or images.shape[0] != 5:
        raise ConfigError("liv_loss images", expected="shape (5, B, D)", got=tuple(images.shape))
    if config.mask_same_text and labels is None:
        raise ConfigError("liv_loss", expected="labels, as mask_same_text is on", got=None)
    first, last, now, after, text_frame = images.unbind(0)  # each (B, D)
    if permutations is None:
        permutations = draw_permutations(2 * config.negatives, len(texts), generator)  # (2n, B)
    vision = vip_loss(first, now, after, last, gamma=config.gamma, permutations=permutations[: config.negatives])
    language = vip_loss(first, now, after, texts, gamma=config.gamma, permutations=permutations[config.negatives :])
    contrast = info_nce(
        text_frame,
        texts,
        temperature=config.temperature,
        labels=labels if config.mask_same_text else None,
        others=others,
        failed=failed,
        attempted=attempted,
    )
    total = config.weight_vision * vision + config.weight_language * language + config.weight_contrast * contrast
    return LivTerms(total, vision, language, contrast)
