# SPDX-License-Identifier: Apache-2.0
"""What a training step costs beyond its mathematics: the whole step beside forward and backward alone, in turns.

The whole step is what ``liv train`` repeats: wait for the batch that a thread has read, encode the texts' tokens,
forward, objective, backward, the norm of the gradient, the optimizer and the log. The other side has its tensors
ready, and does nothing but forward, objective and backward, with the same network at the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from liv_model.objective import draw_permutations, liv_loss
from liv_model.tokenizer import Tokenizer
from training import run_folder
from training.checkpoint import TOKENIZER
from training.config import load
from training.episodes import Episode, EpisodeStore, EpisodeWriter
from training.run_log import RunLog
from training.sampler import Batch
from training.trainer import Trainer

CONFIG = Path(run_folder.__file__).parent / "configs" / "metaworld.yaml"
ROUNDS, WARM_UP = 15, 2
VIDEOS, LENGTH = 24, 40
WHOLE, ALONE = "training step", "forward + backward alone"
RATIO = "times forward + backward"


def measure(folder: Path, rounds: int = ROUNDS, settings: tuple[str, ...] = ()) -> dict[str, dict]:
    """Milliseconds of each side, and how many times the bare mathematics a step takes.

    Args:
        folder: an empty one, for data and run.
        rounds: steps of each side; the ratio is the median of that many pairs.
        settings: changes of the configuration, ``key=value``.
    """
    steps = f"steps={rounds + WARM_UP}"
    config = load(CONFIG, ["threads=1", "device=cpu", "validate_every=0", steps, *settings])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        store = make_data(folder / "data", config.network.image_size)
        trainer = run_folder.prepare(config, store, folder / "run", resume=False)
        spent = _in_turns(trainer, folder / "run")
    finally:
        torch.set_num_threads(threads)
    rows = {name: _row(times[WARM_UP:]) for name, times in spent.items()}
    ratios = np.divide(spent[WHOLE], spent[ALONE])[WARM_UP:]
    rows[WHOLE][RATIO] = round(float(np.median(ratios)), 3)
    rows["settings"] = {"of": CONFIG.name, "videos a step": config.batch, "pixels": config.network.image_size}
    return rows


def _in_turns(trainer: Trainer, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each round; the sides take turns in who begins."""
    tokenizer = Tokenizer.load(folder / TOKENIZER, trainer.config.network.text.context_length)
    spent: dict[str, list[float]] = {WHOLE: [], ALONE: []}
    with RunLog(folder) as log:
        alone = forward_backward(trainer, tokenizer, next(trainer.batches())[0])
        coming = trainer.batches()

        def whole() -> None:
            log.step(trainer.step, trainer.advance(next(coming)))

        for number in range(trainer.config.steps):
            sides = [(WHOLE, whole), (ALONE, alone)]
            for name, side in sides if number % 2 else sides[::-1]:
                begin = time.perf_counter()
                side()
                spent[name].append((time.perf_counter() - begin) * 1e3)
    return spent


def forward_backward(trainer: Trainer, tokenizer: Tokenizer, batch: Batch) -> Callable[[], None]:
    """The mathematics of a step on one batch, with nothing around it."""
    network, config = trainer.network, trainer.config
    images = torch.from_numpy(batch.images)  # (5, B, S, S, 3)
    tokens = torch.from_numpy(tokenizer.encode([*batch.texts, *batch.distractors]))  # (B + M, L)
    labels, size = torch.from_numpy(batch.labels), len(batch.texts)
    permutations = draw_permutations(2 * config.objective.negatives, size)

    def run() -> None:
        network.train()
        network.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.amp):
            frames = network.encode_image(images.flatten(0, 1)).unflatten(0, images.shape[:2])  # (5, B, D)
            texts = network.encode_text(tokens)  # (B + M, D)
        others = texts[size:] if batch.distractors else None  # (M, D)
        terms = liv_loss(
            frames, texts[:size], config.objective, permutations=permutations, labels=labels, others=others
        )
        terms.total.backward()

    return run


def _row(times: list[float]) -> dict:
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    return {"n": len(times), "ms": round(middle, 1), "quartiles": f"{low:.1f} to {high:.1f}"}


def make_data(folder: Path, side: int) -> EpisodeStore:
    """Videos of noise of a dozen instructions: what is in a picture costs nothing."""
    rng = np.random.default_rng(0)
    with EpisodeWriter(folder, side, side) as writer:
        for number in range(VIDEOS):
            frames = rng.integers(0, 256, (LENGTH, side, side, 3), dtype=np.uint8)
            words = f"do thing {number % 12}"
            writer.append(Episode(frames, np.arange(LENGTH) / 30, words, words.replace(" ", "-"), seed=number))
    return EpisodeStore(folder)
