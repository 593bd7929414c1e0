# SPDX-License-Identifier: Apache-2.0
"""The step that moves a network.

A step is a function of the weights, the optimizer's state, the settings and the step's number: batches and
negatives are drawn from (seed, step). So a run that was cut goes on exactly where it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from liv_model.backends.torch import TorchEncoder
from liv_model.errors import ConfigError, DataError, LivError
from liv_model.network import LivNetwork
from liv_model.objective import LivTerms, draw_permutations, liv_loss
from liv_model.tokenizer import Tokenizer
from training.config import TrainConfig
from training.foreign_weights import fill
from training.optimizer import learning_rate, make_optimizer
from training.processes import gather_rows, make_accelerator, share
from training.sampler import Batch, Sampler


class NonFiniteLossError(LivError):
    """The loss or its gradient became infinite or NaN; the last good checkpoint is kept."""


class Trainer:
    """One network, its optimizer, and the step that moves them.

    Attributes:
        network: the towers.
        encoder: the same towers as they are now, for looking at them.
        accelerator: this process among the others.
        step: how many steps are done.
        best: the best validation score so far.
    """

    def __init__(
        self, config: TrainConfig, tokenizer: Tokenizer, sampler: Sampler, accelerator: Accelerator | None = None
    ):
        self.config, self.step, self.best = config, 0, -math.inf
        self.accelerator = accelerator or make_accelerator(config.device)
        self._tokenizer, self._sampler = tokenizer, sampler
        self._share = share(config.batch, self.accelerator)
        if tokenizer.vocabulary_size > config.network.text.vocabulary:
            raise ConfigError(
                "network.text.vocabulary",
                expected=f"at least the tokenizer's {tokenizer.vocabulary_size}",
                got=config.network.text.vocabulary,
            )
        torch.manual_seed(config.seed)
        self._device = self.accelerator.device
        self.network = LivNetwork(config.network).to(self._device, memory_format=torch.channels_last)
        # the same network, behind what averages gradients where there are many processes
        self._towers, self._optimizer = self.accelerator.prepare(
            self.network, make_optimizer(self.network, config.optimizer)
        )
        self.encoder = TorchEncoder(self.network, tokenizer.encode)

    def state(self) -> dict[str, Any]:
        """All beside the weights that a later run needs to go on exactly from here."""
        return {"step": self.step, "best": self.best, "optimizer": self._optimizer.state_dict()}

    def load_state(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go on from weights and a :meth:`state`; DataError when they are of another network."""
        self.load_weights(weights)
        try:
            self._optimizer.load_state_dict(state["optimizer"])
            self.step, self.best = state["step"], state["best"]
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError("checkpoint", expected="one of this network", got=error) from error

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Only the network; DataError when the weights are of another one: which keys and shapes."""
        fill(self.network, weights, "checkpoint", remedy="take one of a run with the same network settings")

    def batches(self) -> Iterator[list[Batch]]:
        """The batches of each step still to come; the next are read while the network works on these."""
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, self.step)
            for step in range(self.step, self.config.steps):
                batches = coming.result()
                if step + 1 < self.config.steps:
                    coming = reader.submit(self._read, step + 1)
                yield batches

    def _read(self, step: int) -> list[Batch]:
        count = self.config.accumulate
        return [
            self._sampler.batch(number, self.config.batch, self._share)
            for number in range(step * count, (step + 1) * count)
        ]

    def advance(self, batches: Sequence[Batch]) -> dict[str, float]:
        """One optimizer step.

        Args:
            batches: as :meth:`batches` yields them.

        Returns:
            The loss, its terms, the norm of the gradient and the learning rate.

        Raises:
            NonFiniteLossError: before any weight is touched.
        """
        optimizer = self.config.optimizer
        rate = learning_rate(self.step, self.config.steps, optimizer)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        numbers = self.backward(batches)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._require_finite(float(norm), "norm of the gradient", batches)
        if optimizer.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.network.parameters(), optimizer.clip_norm, norm)
        self._optimizer.step()
        self.step += 1
        return {**numbers, "gradient_norm": float(norm), "learning_rate": rate}

    def backward(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Leave the gradient of the batches' mean loss in the network; returns the loss and its terms.

        Raises:
            NonFiniteLossError: a loss is infinite or NaN.
        """
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        found: dict[str, float] = {}
        for number, batch in enumerate(batches):
            is_last = number == len(batches) - 1  # gradients are exchanged once per step
            with nullcontext() if is_last else self.accelerator.no_sync(self._towers):
                terms = self._loss(batch, self.step * self.config.accumulate + number)
                numbers = _numbers(terms)
                self._require_finite(numbers["loss"], "loss", [batch])
                self.accelerator.backward(terms.total / len(batches))
            found = {name: found.get(name, 0.0) + value / len(batches) for name, value in numbers.items()}
        return found

    def _require_finite(self, value: float, what: str, batches: Sequence[Batch]) -> None:
        if not math.isfinite(value):
            episodes = sorted({int(number) for batch in batches for number in batch.episodes})
            raise NonFiniteLossError(
                f"{what} at step {self.step}, episodes {episodes[:8]}...",
                expected="a finite number",
                got=value,
                remedy="lower optimizer.learning_rate and --resume from the last checkpoint",
            )

    def _loss(self, batch: Batch, number: int) -> LivTerms:
        """The objective of the whole batch, of which this process has embedded its share."""
        config = self.config
        images = torch.from_numpy(batch.images).to(self._device, non_blocking=True)  # (5, b, S, S, 3)
        failures = torch.from_numpy(batch.failures).to(self._device, non_blocking=True)  # (F, S, S, 3)
        tokens = self._tokenizer.encode([*batch.texts, *batch.distractors])  # (b + M, L)
        with self._autocast():
            # the five frames of all videos as one batch: batch norm sees them together, as released
            pictures = images.flatten(0, 1)  # (5 b, S, S, 3)
            if len(failures):  # else nothing is copied
                pictures = torch.cat([pictures, failures])  # (5 b + F, S, S, 3)
            pictures, texts = self._towers(pictures, torch.from_numpy(tokens).to(self._device))
        frames, failed = pictures.split([len(pictures) - len(failures), len(failures)])  # (5 b, D), (F, D)
        texts, others = texts.split([len(batch.texts), len(batch.distractors)])  # (b, D), (M, D)
        videos = torch.cat([frames.unflatten(0, images.shape[:2]), texts[None]]).transpose(0, 1)  # (b, 6, D)
        *frames, texts = gather_rows(videos, self.accelerator).unbind(1)  # six of (B, D)
        # the same on every process
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        labels = torch.from_numpy(batch.labels).to(self._device)  # (B,)
        failure_labels = torch.from_numpy(batch.failure_labels).to(self._device)  # (F,)
        return liv_loss(
            torch.stack(frames),  # (5, B, D)
            texts,
            config.objective,
            permutations=draw_permutations(2 * config.objective.negatives, len(texts), generator),
            labels=labels,
            others=others if len(others) else None,
            failed=failed if len(failed) else None,
            attempted=labels[:, None] == failure_labels,
        )

    def _autocast(self) -> AbstractContextManager:
        """bfloat16 has the exponents of float32, so no loss has to be scaled."""
        return torch.autocast(self._device.type, torch.bfloat16) if self.config.amp else nullcontext()


def _numbers(terms: LivTerms) -> dict[str, float]:
    return {
        "loss": float(terms.total.detach()),
        "vip_vision": float(terms.vip_vision.detach()),
        "vip_language": float(terms.vip_language.detach()),
        "contrast": float(terms.contrast.detach()),
    }
