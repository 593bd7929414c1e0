# SPDX-License-Identifier: Apache-2.0
"""Steps, validations and saves, from wherever a trainer is to the last step."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from training import checkpoint
from training.processes import any_process
from training.run_log import RunLog
from training.stop_request import StopRequest
from training.trainer import Trainer
from training.validation import Validator, score

Progress = Callable[[int, dict[str, float]], None]


def run(
    trainer: Trainer,
    folder: Path,
    *,
    validator: Validator | None = None,
    progress: Progress = lambda step, numbers: None,
) -> bool:
    """Train to the last step, saving on the way; at the end or when stopped, the last checkpoint is up to date.

    Of many processes only the main one validates, writes and shows progress.

    Args:
        trainer: at any step.
        folder: the run folder.
        validator: what to look at every ``validate_every`` steps; without one, the last is the best.
        progress: called after each step with its number and the latest numbers.

    Returns:
        Whether all steps are done (False: stopped by Ctrl-C or SIGTERM).
    """
    is_main = trainer.accelerator.is_main_process
    with StopRequest() as stop, _Keeper(trainer, folder, validator, progress) if is_main else nullcontext() as keeper:
        began = time.monotonic()
        for batches in trainer.batches():
            numbers = trainer.advance(batches)
            stopping = any_process(stop.wanted, trainer.accelerator)
            if keeper is not None:
                keeper.after_step({**numbers, "seconds": time.monotonic() - began}, stopping=stopping)
            if stopping:
                break
            began = time.monotonic()
    done = trainer.step == trainer.config.steps
    if is_main and done and not (folder / checkpoint.BEST).exists():
        checkpoint.save_weights(folder / checkpoint.BEST, trainer.network.state_dict(), trainer.step)
    return done


class _Keeper:
    """What the main process does between steps: the log, validations and checkpoints."""

    def __init__(self, trainer: Trainer, folder: Path, validator: Validator | None, progress: Progress):
        self._trainer, self._folder = trainer, folder
        self._validator, self._progress = validator, progress
        self._log = RunLog(folder, trainer.step)
        self._shown: dict[str, float] = {}
        self._saved_s = time.monotonic()

    def __enter__(self) -> _Keeper:
        return self

    def __exit__(self, *error: object) -> None:
        self._log.__exit__(*error)

    def after_step(self, numbers: dict[str, float], *, stopping: bool) -> None:
        """Keep what the step gave."""
        trainer, config = self._trainer, self._trainer.config
        self._log.step(trainer.step, numbers)
        self._shown.update(numbers)
        is_last = trainer.step == config.steps
        if self._validator and config.validate_every and (is_last or trainer.step % config.validate_every == 0):
            self._shown.update(self._validate(self._validator))
        self._progress(trainer.step, self._shown)
        if is_last or stopping or time.monotonic() - self._saved_s > 60 * config.checkpoint_minutes:
            checkpoint.save(self._folder, trainer.network.state_dict(), trainer.state())
            self._saved_s = time.monotonic()

    def _validate(self, validator: Validator) -> dict[str, float]:
        trainer = self._trainer
        report = validator.report(trainer.encoder)
        means = {name: estimate.mean for name, estimate in report.overall.items()}
        now = score(report)
        self._log.validation(trainer.step, means, now)
        if now > trainer.best:
            trainer.best = now
            checkpoint.save_weights(self._folder / checkpoint.BEST, trainer.network.state_dict(), trainer.step)
        return means
