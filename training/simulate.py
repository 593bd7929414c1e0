# SPDX-License-Identifier: Apache-2.0
"""``liv episodes simulate``: record episodes of a simulated arm at Meta-World's tasks into an episode store.

For each task and outcome the seeds are taken in order from ``--seed`` on until enough of them have given an episode
of that outcome. Which seeds those are depends on nothing else, so a run that was stopped, or had more workers, ends
with the same episodes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import Future
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from liv_model.errors import DataError
from training.attempt import Attempt, Settings, attempt
from training.episodes import SIMULATED_OUTCOMES, EpisodeWriter
from training.quota import Quota, make_quotas, neediest
from training.scene import load_simulator
from training.tasks import select_tasks
from training.view import Jitter
from training.word_list import word_list
from training.worker_pool import worker_pool

EXAMPLES = """examples:
  liv episodes simulate --tasks drawer-open,drawer-close --episodes-per-task 30 -o data/train
  liv episodes simulate --seed 100000 --episodes-per-task 8 --outcomes success,random -o data/validation
  liv episodes simulate --camera corner3 --camera-jitter-m 0.04 --light-jitter 0.3 -o data/train

Run the same command again to go on where it was stopped. Rendering is in software (MUJOCO_GL=osmesa) unless
MUJOCO_GL is set: with a GPU, MUJOCO_GL=egl is faster.
"""


def record(
    quotas: list[Quota], writer: EpisodeWriter, settings: Settings, workers: int, progress: Progress
) -> dict[str, float]:
    """Fill the quotas: workers simulate and render, this process alone writes. Returns frames and render_s."""
    totals = {"frames": 0, "render_s": 0.0}
    bar = progress.add_task("episodes", total=sum(q.wanted for q in quotas), completed=sum(q.done for q in quotas))
    running: dict[Future[Attempt], tuple[Quota, int]] = {}
    with worker_pool(workers, "simulation") as pool:
        while True:
            while len(running) < 2 * workers and (quota := neediest(quotas)) is not None:
                seed = quota.take_seed()
                running[pool.submit(attempt, quota.task, quota.outcome, seed, settings)] = (quota, seed)
            if not running:
                return totals
            for future in pool.wait(running):
                quota, seed = running.pop(future)
                result = future.result()
                if result.episode is not None:
                    writer.append(result.episode)
                    totals["frames"] += len(result.episode)
                    totals["render_s"] += result.render_s
                    progress.advance(bar)
                quota.settle(seed, None if result.episode else result.reason)
                progress.update(bar, description=f"{quota.task} {quota.outcome}")


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
    tasks = [words.name for words in select_tasks(arguments.tasks)]
    load_simulator()
    settings = Settings(
        size=arguments.size,
        stride=arguments.stride,
        camera=arguments.camera,
        jitter=Jitter(arguments.camera_jitter_m, arguments.camera_jitter_deg, arguments.light_jitter),
        noise=arguments.noise,
        slowest=arguments.slowest,
    )
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
    for name, least in (
        ("episodes_per_task", 1),
        ("size", 16),
        ("stride", 1),
        ("workers", 1),
        ("seed", 0),
        ("noise", 0),
        ("camera_jitter_m", 0),
        ("camera_jitter_deg", 0),
        ("light_jitter", 0),
    ):
        if getattr(arguments, name) < least:
            option = "--" + name.replace("_", "-")
            raise DataError(option, expected=f"a number from {least} on", got=getattr(arguments, name))
    if not 0 < arguments.slowest <= 1:
        raise DataError("--slowest", expected="a share of full speed above 0, at most 1", got=arguments.slowest)
    unknown = [outcome for outcome in arguments.outcomes if outcome not in SIMULATED_OUTCOMES]
    if unknown or not arguments.outcomes or len(set(arguments.outcomes)) < len(arguments.outcomes):
        raise DataError(
            "--outcomes",
            expected=f"some of {','.join(SIMULATED_OUTCOMES)}, each once",
            got=",".join(arguments.outcomes),
        )


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
    add("--tasks", type=word_list, metavar="NAME,NAME", help="such as drawer-open,door-close (default: all 50)")
    add("--episodes-per-task", type=int, default=20, metavar="N", help="for each outcome (default: 20)")
    add(
        "--outcomes",
        type=word_list,
        default=["success"],
        metavar="NAME,NAME",
        help=f"of {','.join(SIMULATED_OUTCOMES)}",
    )
    add("--seed", type=int, default=0, help="the first seed; keep training and validation apart (default: 0)")
    add("--size", type=int, default=defaults.size, help="side of the frames, pixels (default: %(default)s)")
    add("--stride", type=int, default=defaults.stride, help="steps of 12.5 ms per frame (default: %(default)s)")
    add("--camera", default=defaults.camera, help="camera of the scene (default: %(default)s)")
    off = "how far off its place the camera of each episode may be, metres along each axis (default: 0)"
    add("--camera-jitter-m", type=float, default=0.0, metavar="M", help=off)
    turned = "and how far turned about each of its axes, degrees (default: 0)"
    add("--camera-jitter-deg", type=float, default=0.0, metavar="DEG", help=turned)
    lit = "by which share each lamp may be stronger or weaker, and by how many radians turned (default: 0)"
    add("--light-jitter", type=float, default=0.0, metavar="SHARE", help=lit)
    add("--noise", type=float, default=defaults.noise, help="on the actions, share of full speed (default: 0.2)")
    slowest = "the arm's speed is drawn from this share of full speed to 1, for tasks that bear it (default: 0.5)"
    add("--slowest", type=float, default=defaults.slowest, metavar="SHARE", help=slowest)
    add("--workers", type=int, default=1, metavar="N", help="processes that simulate and render (default: 1)")
    add("--json", action="store_true", help="print the summary as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
