# SPDX-License-Identifier: Apache-2.0
"""``liv episodes simulate``: record episodes of a simulated arm at Meta-World's tasks into an episode store.

For each task and outcome the seeds are taken in order from ``--seed`` on until enough of them have given an episode
of that outcome. Which seeds those are depends on nothing else, so a run that was stopped, or had more workers, ends
with the same episodes.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from liv_model.errors import DataError
from training.attempt import Attempt, Settings, attempt
from training.episodes import OUTCOMES, EpisodeWriter
from training.scene import load_simulator
from training.tasks import select_tasks

EXAMPLES = """examples:
  liv episodes simulate --tasks drawer-open,drawer-close --episodes-per-task 30 -o data/train
  liv episodes simulate --seed 100000 --episodes-per-task 8 --outcomes success,random -o data/validation

Run the same command again to go on where it was stopped. Rendering is in software (MUJOCO_GL=osmesa) unless
MUJOCO_GL is set: with a GPU, MUJOCO_GL=egl is faster.
"""


@dataclass
class Quota:
    """How many episodes of one task and outcome are wanted, and how far that has come.

    Attributes:
        wanted: number of episodes.
        next_seed: the first seed that nobody has looked at.
        present: seeds that the store has already.
        done: episodes in the store, those of earlier runs included.
        running: attempts under way.
        failed: seeds that did not give this outcome, with the reason.
    """

    task: str
    outcome: str
    wanted: int
    next_seed: int
    present: set[int] = field(default_factory=set)
    done: int = 0
    running: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Episodes still to be had."""
        return self.wanted - self.done

    @property
    def open(self) -> bool:
        """Whether another attempt is called for: not enough under way, and not hopeless."""
        return self.running < self.missing and len(self.failed) < self.wanted + 20

    def take_seed(self) -> int:
        """The next seed to attempt, counted as running."""
        while self.next_seed in self.present:
            self.next_seed += 1
        self.next_seed, self.running = self.next_seed + 1, self.running + 1
        return self.next_seed - 1

    def settle(self, seed: int, reason: str | None) -> None:
        """Count an attempt that came to an end; ``reason`` is None where it gave an episode."""
        self.running -= 1
        if reason is None:
            self.done += 1
        else:
            self.failed[seed] = reason


def make_quotas(
    tasks: list[str], outcomes: list[str], per_task: int, seed: int, camera: str, keys: set
) -> list[Quota]:
    """One quota for each task and outcome, with what the store (``keys``) already has from ``seed`` on."""
    quotas = []
    for outcome in outcomes:
        for task in tasks:
            present = {key[2] for key in keys if (key[0], key[1], key[3]) == (task, outcome, camera)}
            present = {number for number in present if number >= seed}
            quotas.append(Quota(task, outcome, per_task, seed, present, done=min(len(present), per_task)))
    return quotas


def record(
    quotas: list[Quota], writer: EpisodeWriter, settings: Settings, workers: int, progress: Progress
) -> dict[str, float]:
    """Fill the quotas: workers simulate and render, this process alone writes. Returns frames and render_s."""
    totals = {"frames": 0, "render_s": 0.0}
    bar = progress.add_task("episodes", total=sum(q.wanted for q in quotas), completed=sum(q.done for q in quotas))
    running: dict[Future[Attempt], tuple[Quota, int]] = {}
    with _pool(workers) as pool:
        while True:
            while len(running) < 2 * workers and (quota := _neediest(quotas)) is not None:
                seed = quota.take_seed()
                running[pool.submit(attempt, quota.task, quota.outcome, seed, settings)] = (quota, seed)
            if not running:
                return totals
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                quota, seed = running.pop(future)
                result = future.result()
                if result.episode is not None:
                    writer.append(result.episode)
                    totals["frames"] += len(result.episode)
                    totals["render_s"] += result.render_s
                    progress.advance(bar)
                quota.settle(seed, None if result.episode else result.reason)
                progress.update(bar, description=f"{quota.task} {quota.outcome}")


def _neediest(quotas: list[Quota]) -> Quota | None:
    """The open quota that has least, so that a run that is stopped leaves all tasks alike."""
    return min((q for q in quotas if q.open), key=lambda q: q.done + q.running, default=None)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Worker processes that are told to drop what is waiting when this process is interrupted."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin_worker)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise DataError(
            "simulation", expected="workers that live", got="one that was killed", remedy="try fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent sees to it
    load_simulator()


def summarise(quotas: list[Quota], store: Path, before: int, totals: dict[str, float], wall_s: float) -> dict:
    """What a run did, ready for JSON."""
    done = sum(quota.done for quota in quotas)
    frames = int(totals["frames"])
    return {
        "store": str(store),
        "episodes": done,
        "skipped": before,
        "added": done - before,
        "frames_added": frames,
        "missing": {f"{q.task} {q.outcome}": q.missing for q in quotas if q.missing > 0},
        "failed_seeds": {f"{q.task} {q.outcome}": q.failed for q in quotas if q.failed},
        "render_ms_per_frame": round(1000 * totals["render_s"] / frames, 1) if frames else None,
        "wall_s": round(wall_s, 1),
    }


def _print(summary: dict) -> None:
    print(
        f"{summary['store']}: {summary['added']} episodes added ({summary['frames_added']} frames), "
        f"{summary['skipped']} were there, in {summary['wall_s']:.0f} s"
    )
    for name, seeds in summary["failed_seeds"].items():
        print(f"  {name}: seeds {', '.join(map(str, seeds))} gave no such episode, others were taken")
    for name, count in summary["missing"].items():
        print(f"  {name}: {count} episodes missing", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 1 when episodes are missing at the end."""
    arguments = _parser().parse_args(argv)
    _check(arguments)
    load_simulator()
    settings = Settings(
        size=arguments.size,
        stride=arguments.stride,
        camera=arguments.camera,
        noise=arguments.noise,
    )
    tasks = [words.name for words in select_tasks(arguments.tasks)]
    started = time.monotonic()
    with (
        EpisodeWriter(arguments.output, settings.size, settings.size) as writer,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as progress,
    ):
        quotas = make_quotas(
            tasks, arguments.outcomes, arguments.episodes_per_task, arguments.seed, settings.camera, writer.keys
        )
        before = sum(quota.done for quota in quotas)
        totals = record(quotas, writer, settings, arguments.workers, progress)
    summary = summarise(quotas, arguments.output, before, totals, time.monotonic() - started)
    print(json.dumps(summary, indent=2)) if arguments.json else _print(summary)
    return 1 if summary["missing"] else 0


def _check(arguments: argparse.Namespace) -> None:
    for name, least in (("episodes_per_task", 1), ("size", 16), ("stride", 1), ("workers", 1), ("seed", 0)):
        if getattr(arguments, name) < least:
            option = "--" + name.replace("_", "-")
            raise DataError(option, expected=f"a number from {least} on", got=getattr(arguments, name))
    unknown = [outcome for outcome in arguments.outcomes if outcome not in OUTCOMES]
    if unknown or len(set(arguments.outcomes)) < len(arguments.outcomes):
        raise DataError(
            "--outcomes", expected=f"some of {','.join(OUTCOMES)}, each once", got=",".join(arguments.outcomes)
        )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="liv episodes simulate",
        description="Record episodes of a simulated arm at Meta-World's tasks into an episode store.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="STORE", help="folder of the store; grows if it is there")
    add("--tasks", type=_words, metavar="NAME,NAME", help="such as drawer-open,door-close (default: all 50)")
    add("--episodes-per-task", type=int, default=20, metavar="N", help="for each outcome (default: 20)")
    add("--outcomes", type=_words, default=["success"], metavar="NAME,NAME", help=f"of {','.join(OUTCOMES)}")
    add("--seed", type=int, default=0, help="the first seed; keep training and validation apart (default: 0)")
    add("--size", type=int, default=defaults.size, help="side of the frames, pixels (default: %(default)s)")
    add("--stride", type=int, default=defaults.stride, help="steps of 12.5 ms per frame (default: %(default)s)")
    add("--camera", default=defaults.camera, help="camera of the scene (default: %(default)s)")
    add("--noise", type=float, default=defaults.noise, help="on the actions, share of full speed (default: 0.2)")
    add("--workers", type=int, default=1, metavar="N", help="processes that simulate and render (default: 1)")
    add("--json", action="store_true", help="print the summary as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
