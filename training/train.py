# SPDX-License-Identifier: Apache-2.0
"""``liv train``: teaches a network on a store of episodes, in pieces if need be, on one process or many."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from liv_model.cli import INTERRUPTED
from liv_model.cli import main as liv
from training.checkpoint import BEST, CONFIG
from training.config import TrainConfig, load
from training.episodes import EpisodeStore
from training.evaluation import choose
from training.loop import run
from training.run_folder import prepare
from training.train_progress import show_progress
from training.validation import Validator

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "metaworld.yaml"
_EPILOG = """examples:
  liv train --data data/train --validation data/validation -o runs/metaworld
  liv train --data data/train -o runs/try --config training/configs/tutorial.yaml --set steps=50 --set batch=16
  liv train --data data/train --validation data/validation -o runs/metaworld --resume
  liv train --data data/mine -o runs/mine --init runs/liv     weights of another run, or of `liv import`
  accelerate launch --multi_gpu --num_processes 4 -m training.train --data ...     the same on four GPUs
"""


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
    own = arguments.out / CONFIG
    if arguments.init:
        first = arguments.init / CONFIG
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
    if trainer.accelerator.is_main_process:
        shown, progress = show_progress(config, trainer.step)
        with shown:
            done = run(trainer, arguments.out, validator=validator, progress=progress)
        stopped = f"stopped after step {trainer.step}, saved; add --resume to go on"
        print(f"done: {arguments.out / BEST}" if done else stopped)
    else:
        done = run(trainer, arguments.out)
    trainer.accelerator.end_training()
    return 0 if done else INTERRUPTED


if __name__ == "__main__":  # `accelerate launch -m training.train`: the same as `liv train`
    raise SystemExit(liv(["train", *sys.argv[1:]]))
