# SPDX-License-Identifier: Apache-2.0
"""How far a run has come, on the terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from training.config import TrainConfig
from training.loop import Progress


def show_progress(config: TrainConfig, start: int) -> tuple[AbstractContextManager, Progress]:
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
