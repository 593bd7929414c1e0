# SPDX-License-Identifier: Apache-2.0
"""Two processes on one CPU, as a launcher starts them; imported by the processes that tests spawn."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

COUNT = 2


def run(what: Callable[..., None], *arguments: Any) -> None:
    """Call ``what(*arguments)`` on two processes that know of each other; the first error is raised."""
    import torch.multiprocessing

    try:
        _spawn(what, arguments)
    except torch.multiprocessing.ProcessRaisedException as error:
        if "EADDRINUSE" not in str(error):
            raise
        _spawn(what, arguments)  # somebody else took the port since it was found free


def _spawn(what: Callable[..., None], arguments: tuple) -> None:
    import torch.multiprocessing

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_one, (port, what, arguments), nprocs=COUNT)


def _one(rank: int, port: int, what: Callable[..., None], arguments: tuple) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(COUNT),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    what(*arguments)


def gradient(store: Path, folder: Path, config: Path, settings: list[str], out: Path) -> None:
    """Save the loss's terms and the gradient of a new run's first step, on the main process."""
    import torch

    from training.config import load
    from training.episodes import EpisodeStore
    from training.run_folder import prepare

    torch.set_num_threads(1)
    trainer = prepare(load(config, settings), EpisodeStore(store), folder, resume=False)
    numbers = trainer.backward(next(trainer.batches()))
    found = {name: p.grad for name, p in trainer.network.named_parameters()}
    if trainer.accelerator.is_main_process:
        torch.save({"numbers": numbers, "gradient": found, "processes": trainer.accelerator.num_processes}, out)
    trainer.accelerator.end_training()


def train(words: list[str]) -> None:
    """``liv train``."""
    from training.train import main

    assert main(words) == 0
