# SPDX-License-Identifier: Apache-2.0
"""``liv train``: teaches a network on a store of episodes, in pieces if need be.

A step is a function of the weights, the optimizer's state, the settings and the step's number: batches and
negatives are drawn from (seed, step). So a run that was cut goes on exactly where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from liv_model.backends.torch import TorchEncoder
from liv_model.errors import ConfigError, DataError, LivError
from liv_model.network import LivNetwork
from liv_model.objective import LivTerms, draw_permutations, liv_loss
from liv_model.tokenizer import Tokenizer
from training import checkpoint, clip_tokenizer, tokenizer_fit
from training.commit import current_commit
from training.config import OptimizerConfig, TrainConfig, dump, load
from training.episodes import EpisodeStore
from training.evaluate import Embedded, Evaluation, Report, choose, embed, instructions
from training.sampler import Batch, Sampler

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "metaworld.yaml"
_EPILOG = """examples:
  liv train --data data/train --validation data/validation -o runs/metaworld
  liv train --data data/train -o runs/try --config training/configs/tutorial.yaml --set steps=50 --set batch=16
  liv train --data data/train --validation data/validation -o runs/metaworld --resume
  liv train --data data/mine -o runs/mine --init runs/liv     weights of another run, or of `liv import`
"""
Progress = Callable[[int, dict[str, float]], None]


class NonFiniteLossError(LivError):
    """The loss became infinite or NaN; the last good checkpoint is kept."""


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Learning rate of step ``step`` (from 0) of ``steps``: linear rise, then constant or a cosine to 1 %."""
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.schedule == "constant":
        return config.learning_rate * rise
    done = max(0.0, (step - config.warmup_steps) / max(1, steps - config.warmup_steps))
    return config.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def make_optimizer(network: torch.nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Adam as released, or AdamW with decay on matrices and kernels only."""
    common = {"lr": config.learning_rate, "betas": config.betas, "eps": config.eps}
    if config.name == "adam":
        return torch.optim.Adam(network.parameters(), weight_decay=config.weight_decay, **common)
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, **common)


class Trainer:
    """One network, its optimizer, and the step that moves them.

    Attributes:
        network: the towers.
        step: how many steps are done.
        best: the best validation score so far.
    """

    def __init__(self, config: TrainConfig, tokenizer: Tokenizer, sampler: Sampler):
        self.config, self.step, self.best = config, 0, -math.inf
        self._tokenizer, self._sampler = tokenizer, sampler
        if tokenizer.vocabulary_size > config.network.text.vocabulary:
            raise ConfigError(
                "network.text.vocabulary",
                expected=f"at least the tokenizer's {tokenizer.vocabulary_size}",
                got=config.network.text.vocabulary,
            )
        torch.manual_seed(config.seed)
        self._device = torch.device(_device(config.device))
        self.network = LivNetwork(config.network).to(self._device, memory_format=torch.channels_last)
        self._optimizer = make_optimizer(self.network, config.optimizer)
        self.encoder = TorchEncoder(self.network, tokenizer.encode)

    def state(self) -> dict[str, Any]:
        """All that a later run needs to go on exactly from here."""
        return {
            "step": self.step,
            "best": self.best,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`; DataError when the checkpoint is of another network."""
        try:
            self.network.load_state_dict(state["network"])
            self._optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError("checkpoint", expected="one of this network", got=error) from error
        self.step, self.best = state["step"], state["best"]

    def load_weights(self, state: dict[str, Any]) -> None:
        """Only the network of a checkpoint; DataError when it is of another network."""
        try:
            self.network.load_state_dict(state["network"])
        except (RuntimeError, KeyError) as error:
            raise DataError("checkpoint to begin with", expected="one of this network", got=error) from error

    def batches(self) -> Iterator[Batch]:
        """The batches still to come; the next one is read while the network works on this one."""
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._sampler.batch, self.step, self.config.batch)
            for step in range(self.step, self.config.steps):
                batch = coming.result()
                if step + 1 < self.config.steps:
                    coming = reader.submit(self._sampler.batch, step + 1, self.config.batch)
                yield batch

    def advance(self, batch: Batch) -> dict[str, float]:
        """One optimizer step.

        Returns:
            The loss, its terms and the learning rate.

        Raises:
            NonFiniteLossError: before any weight is touched.
        """
        self.network.train()
        rate = learning_rate(self.step, self.config.steps, self.config.optimizer)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        terms = self._loss(batch)
        numbers = _numbers(terms)
        if not math.isfinite(numbers["loss"]):
            raise NonFiniteLossError(
                f"loss at step {self.step}, episodes {sorted(set(batch.episodes.tolist()))[:8]}...",
                expected="a finite number",
                got=numbers["loss"],
                remedy="lower optimizer.learning_rate and --resume from the last checkpoint",
            )
        self._optimizer.zero_grad(set_to_none=True)
        terms.total.backward()
        if self.config.optimizer.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimizer.clip_norm)
        self._optimizer.step()
        self.step += 1
        return {**numbers, "learning_rate": rate}

    def _loss(self, batch: Batch) -> LivTerms:
        config = self.config
        images = torch.from_numpy(batch.images).to(self._device)  # (5, B, S, S, 3)
        tokens = self._tokenizer.encode([*batch.texts, *batch.distractors])  # (B + M, L)
        with self._autocast():
            # the five frames of all videos as one batch: batch norm sees them together, as released
            frames = self.network.encode_image(images.flatten(0, 1))  # (5B, D)
            texts = self.network.encode_text(torch.from_numpy(tokens).to(self._device))  # (B + M, D)
        texts, others = texts.split([len(batch.texts), len(batch.distractors)])  # (B, D), (M, D)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        return liv_loss(
            frames.unflatten(0, images.shape[:2]),  # (5, B, D)
            texts,
            config.objective,
            permutations=draw_permutations(2 * config.objective.negatives, len(texts), generator),
            labels=torch.from_numpy(batch.labels).to(self._device),
            others=others if len(others) else None,
        )

    def _autocast(self) -> AbstractContextManager:
        return torch.autocast(self._device.type, torch.bfloat16) if self.config.amp else nullcontext()


def _device(name: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _numbers(terms: LivTerms) -> dict[str, float]:
    return {
        "loss": float(terms.total.detach()),
        "vip_vision": float(terms.vip_vision.detach()),
        "vip_language": float(terms.vip_language.detach()),
        "contrast": float(terms.contrast.detach()),
    }


class Validator:
    """Looks at a few held-out successful episodes of each task."""

    def __init__(self, store: EpisodeStore, config: TrainConfig, tasks: tuple[str, ...]):
        self._store = store
        self._numbers = choose(store, tasks, config.validate_episodes, ("success",))
        if not self._numbers:
            raise DataError(
                f"validation store {store.path}",
                expected=f"successful episodes of {', '.join(tasks)}",
                got="none",
                remedy="simulate some of other seeds, or leave out --validation",
            )

    def report(self, encoder: TorchEncoder) -> Report:
        """The metrics of the network as it is now."""
        episodes: list[Embedded] = embed(encoder, self._store, self._numbers)
        return Evaluation(encoder, episodes, instructions(self._store, self._numbers)).report()


def score(report: Report) -> float:
    """What the best checkpoint is best in: the mean of language VOC, image VOC and top-1."""
    names = [n for n in ("language_voc", "image_voc", "top1") if n in report.overall]
    return float(np.mean([report.overall[n].mean for n in names]))


class StopRequest:
    """Turns the first Ctrl-C or SIGTERM into ``wanted`` (so that a step is never cut); the second interrupts."""

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> StopRequest:
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True


def run(
    trainer: Trainer,
    folder: Path,
    *,
    validator: Validator | None = None,
    progress: Progress = lambda step, numbers: None,
) -> bool:
    """Train to the last step, saving on the way; at the end or when stopped, ``last.pt`` is up to date.

    Args:
        trainer: at any step.
        folder: the run folder.
        validator: what to look at every ``validate_every`` steps; without one, the last is the best.
        progress: called after each step with its number and the latest numbers.

    Returns:
        Whether all steps are done (False: stopped by Ctrl-C or SIGTERM).
    """
    config, saved = trainer.config, time.monotonic()
    shown: dict[str, float] = {}
    with StopRequest() as stop, (folder / checkpoint.METRICS).open("a", buffering=1) as log:
        for batch in trainer.batches():
            began = time.monotonic()
            numbers = trainer.advance(batch)
            numbers["seconds"] = time.monotonic() - began
            log.write(json.dumps({"step": trainer.step, **_round(numbers)}) + "\n")
            shown.update(numbers)
            is_last = trainer.step == config.steps
            if validator and config.validate_every and (is_last or trainer.step % config.validate_every == 0):
                shown.update(_validate(trainer, validator, folder, log))
            progress(trainer.step, shown)
            if is_last or stop.wanted or time.monotonic() - saved > 60 * config.checkpoint_minutes:
                checkpoint.save(folder / checkpoint.LAST, trainer.state())
                saved = time.monotonic()
            if stop.wanted:
                break
    if trainer.step == config.steps and not (folder / checkpoint.BEST).exists():
        checkpoint.save(folder / checkpoint.BEST, trainer.state())
    return trainer.step == config.steps


def _validate(trainer: Trainer, validator: Validator, folder: Path, log: Any) -> dict[str, float]:
    report = validator.report(trainer.encoder)
    means = {name: e.mean for name, e in report.overall.items()}
    now = score(report)
    log.write(json.dumps({"step": trainer.step, "validation": _round(means), "score": round(now, 4)}) + "\n")
    if now > trainer.best:
        trainer.best = now
        checkpoint.save(folder / checkpoint.BEST, trainer.state())
    return means


def _round(numbers: dict[str, float]) -> dict[str, float]:
    return {k: float(f"{v:.5g}") for k, v in numbers.items()}


def prepare(
    config: TrainConfig, store: EpisodeStore, folder: Path, *, resume: bool, init: Path | None = None
) -> Trainer:
    """A trainer for a run folder: a new one, or one that goes on from its last checkpoint.

    Args:
        config: all settings.
        store: what to learn from.
        folder: the run folder.
        resume: whether to go on.
        init: a run folder of the same network whose weights and tokenizer a new run begins with.

    Raises:
        ConfigError: the folder has a run already and ``resume`` is false, or one of other settings.
        DataError: nothing to resume, or the store's frames are of another size.
    """
    if (store.height, store.width) != (config.network.image_size,) * 2:
        raise DataError(
            f"episode store {store.path}",
            expected=f"frames of {config.network.image_size}x{config.network.image_size}",
            got=f"{store.width}x{store.height}",
            remedy="set network.image_size, or simulate frames of that size",
        )
    sampler = Sampler(store, config.tasks, config.sampler, config.augmentation, config.seed)
    if resume:
        _require_same(config, folder)
    else:
        _begin(config, store, sampler, folder, init)
    tokenizer = Tokenizer.load(folder / checkpoint.TOKENIZER, config.network.text.context_length)
    tokenizer.encode(sampler.texts)  # a text that is too long stops the run now, not at some later step
    trainer = Trainer(config, tokenizer, sampler)
    if resume:
        trainer.load_state(checkpoint.load(folder / checkpoint.LAST))
        checkpoint.keep_metrics_until(folder / checkpoint.METRICS, trainer.step)
    else:
        if init is not None:
            trainer.load_weights(checkpoint.load(init / checkpoint.BEST))
        checkpoint.save(folder / checkpoint.LAST, trainer.state())  # a run killed at once can be resumed too
    return trainer


def _begin(config: TrainConfig, store: EpisodeStore, sampler: Sampler, folder: Path, init: Path | None) -> None:
    if (folder / checkpoint.CONFIG).exists():
        raise ConfigError(
            f"run folder {folder}",
            expected="an empty or new folder",
            got="a run",
            remedy="add --resume, or name another folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    inherited: dict[str, Any] = {}
    if init is not None:
        shutil.copyfile(init / checkpoint.TOKENIZER, folder / checkpoint.TOKENIZER)
        before = json.loads((init / checkpoint.RUN).read_text())
        inherited = {k: before[k] for k in ("image", "imported") if k in before}
    elif config.network.text.kind == "open_clip":
        clip_tokenizer.write(folder / checkpoint.TOKENIZER)
    else:
        tokenizer_fit.write(folder / checkpoint.TOKENIZER, config.network.text.vocabulary)
    about = {
        "commit": current_commit(),
        "tasks": list(sampler.tasks),
        "episodes": len(sampler.episodes),
        "episodes_in_store": len(store),
        **inherited,
    }
    (folder / checkpoint.RUN).write_text(json.dumps(about, indent=2) + "\n")
    (folder / checkpoint.CONFIG).write_text(dump(config))


def _require_same(config: TrainConfig, folder: Path) -> None:
    path = folder / checkpoint.CONFIG
    if not path.is_file():
        raise DataError(f"run folder {folder}", expected="a run to resume", got="none", remedy="leave out --resume")
    if path.read_text() != dump(config):
        raise ConfigError(
            str(path),
            expected="the settings the run began with",
            got="others",
            remedy=f"give --config {path} and no --set",
        )


def _show_progress(config: TrainConfig, start: int) -> tuple[AbstractContextManager, Progress]:
    """A bar with loss terms and the latest validation; lines now and then where there is no terminal."""
    from rich import progress as bars

    text = bars.TextColumn("{task.fields[numbers]}")
    bar = bars.Progress(
        bars.TextColumn("step"),
        bars.BarColumn(30),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
        text,
    )
    task = bar.add_task("train", total=config.steps, completed=start, numbers="")
    names = ("loss", "vip_vision", "vip_language", "contrast", "language_voc", "image_voc", "top1")

    def update(step: int, numbers: dict[str, float]) -> None:
        line = " ".join(f"{name} {numbers[name]:.2f}" for name in names if name in numbers)
        bar.update(task, completed=step, numbers=line)
        if not bar.console.is_terminal and (step % 50 == 0 or step == config.steps):
            print(f"step {step}/{config.steps} {line} ({numbers['seconds']:.2f} s a step)", flush=True)

    return (bar if bar.console.is_terminal else nullcontext()), update


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="liv train",
        description="Train a LIV network on a store of episodes. Ctrl-C saves; --resume goes on.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="episode store to learn from")
    parser.add_argument("--validation", type=Path, help="episode store of other seeds, to choose the best step by")
    parser.add_argument("-o", "--out", type=Path, required=True, help="run folder")
    parser.add_argument("--config", type=Path, help="YAML settings (default: metaworld.yaml, or the run's own)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from the folder's last checkpoint")
    start.add_argument(
        "--init", type=Path, metavar="RUN", help="begin with the weights, network and tokenizer of this run or import"
    )
    return parser.parse_args(argv)


def _config(arguments: argparse.Namespace) -> TrainConfig:
    """The settings asked for; the network is always that of the run to begin with, if there is one."""
    own = arguments.out / checkpoint.CONFIG
    if arguments.init:
        first = arguments.init / checkpoint.CONFIG
        return replace(load(arguments.config or first, arguments.set), network=load(first).network)
    return load(arguments.config or (own if arguments.resume and own.exists() else DEFAULT_CONFIG), arguments.set)


def main(argv: list[str] | None = None) -> int:
    """Run ``liv train``."""
    arguments = _parse(argv)
    config = _config(arguments)
    if config.threads:
        torch.set_num_threads(config.threads)
    store = EpisodeStore(arguments.data)
    trainer = prepare(config, store, arguments.out, resume=arguments.resume, init=arguments.init)
    tasks = tuple(sorted({store.records[i].task for i in choose(store, config.tasks, 1, ("success",))}))
    held_out = EpisodeStore(arguments.validation) if arguments.validation else None
    validator = Validator(held_out, config, tasks) if held_out is not None else None
    shown, progress = _show_progress(config, trainer.step)
    with shown:
        done = run(trainer, arguments.out, validator=validator, progress=progress)
    if not done:
        print(f"stopped after step {trainer.step}, saved; add --resume to go on")
        return 130
    print(f"done: {arguments.out / checkpoint.BEST}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
