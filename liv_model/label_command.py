# SPDX-License-Identifier: Apache-2.0
"""``liv label``: new rewards for bags that are there already."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from liv_model.encoder import BACKENDS, PRECISIONS
from liv_model.errors import ConfigError, LivError, MediaError
from liv_model.goal import Goal
from liv_model.image import read_image
from liv_model.label_bag import Labeller
from liv_model.label_job import BagJob, Labelled, Setup
from liv_model.label_many import label_all
from liv_model.label_reading import open_recording
from liv_model.label_sources import AUTO, EMBEDDINGS, IMAGES, Wish, choose
from liv_model.label_table import join, pyarrow
from liv_model.label_writing import require_place
from liv_model.progress_bar import progress_bar

_EXAMPLES = """examples:
  liv label run1 --goal "open the drawer" -o run1_open       from the embeddings in it, else from its pictures
  liv label run1 --goals-from-bag --bundle better -o run1_b  the goals as they were set, another model
  liv label bags/* --goal "open the drawer" -o labelled --workers 4 --parquet rewards.parquet
  liv label /nas/bags/* --goal "open the drawer" -o /nas/labelled --ray head:6379
The bags that are read are never changed. Exit code 1 when a bag could not be labelled, or pictures do not decode.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    jobs = plan(arguments.bags, arguments.output, arguments.parquet, overwrite=arguments.overwrite)
    setup = _setup(arguments)
    outcomes = _label(jobs, setup, arguments)
    if arguments.json:
        print(json.dumps(_summary(jobs, outcomes), indent=2))
    bad = [(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True) if isinstance(outcome, LivError)]
    if bad and len(jobs) == 1:
        raise bad[0][1]
    if bad:
        print(f"liv label: {len(bad)} of {len(jobs)} bags could not be labelled:", file=sys.stderr)
        for job, error in bad:
            print(f"  {job.bag}: {error}", file=sys.stderr)
    return int(bool(bad) or any(outcome.broken for outcome in outcomes if isinstance(outcome, Labelled)))


def plan(bags: Sequence[Path], output: Path | None, table: Path | None, *, overwrite: bool) -> list[BagJob]:
    """What to do with each bag; every mistake that can be seen before the work begins is a MediaError.

    Args:
        bags: to read.
        output: the new bag of one, the folder of the new bags of several, or None.
        table: Parquet file of all, or None.
        overwrite: whether what exists is replaced.
    """
    if output is None and table is None:
        raise ConfigError("output", expected="-o OUT, --parquet FILE, or both", got="neither")
    _require_different(bags)
    if table is not None:
        pyarrow()
        if table.exists() and not overwrite:
            raise MediaError(str(table), expected="nothing there", got="a file that exists", remedy="try --overwrite")
    outputs: Sequence[Path | None] = [None] * len(bags)
    if output is not None:
        outputs = [output] if len(bags) == 1 else [output / name for name in _names(bags)]
        for place in outputs:
            require_place(place, list(bags), overwrite=overwrite)
    parts = [None if table is None else _parts(table) / f"{index}.parquet" for index in range(len(bags))]
    places = zip(bags, outputs, parts, strict=True)
    return [BagJob(bag, place, part, overwrite) for bag, place, part in places]


def _require_different(bags: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for bag in bags:
        files = sorted({*bag.glob("*.mcap"), *bag.glob("*.db3")}) if bag.is_dir() else [bag]
        for file in (path.resolve() for path in files):
            if file in seen:
                raise MediaError(str(bag), expected="each bag once", got=f"the same recording as {seen[file]}")
            seen[file] = bag


def _names(bags: Sequence[Path]) -> list[str]:
    """A name for each bag's output: its own, numbered where several are called the same."""
    names: list[str] = []
    for bag in bags:
        own = bag.resolve().stem if bag.is_file() else bag.resolve().name
        name, number = own, 2
        while name in names:
            name, number = f"{own}_{number}", number + 1
        names.append(name)
    return names


def _setup(arguments: argparse.Namespace) -> Setup:
    goal, name = None, "goal"
    if arguments.goal is not None:
        goal = Goal(text=arguments.goal)
    elif arguments.goal_image is not None:
        goal, name = Goal(image=read_image(arguments.goal_image)), arguments.goal_image.stem
    pairs = [entry.partition("=") for entry in arguments.camera]
    if any(not camera or (sign and not topic) for camera, sign, topic in pairs):
        raise ConfigError("--camera", expected="NAME or NAME=TOPIC", got=" ".join(arguments.camera))
    cameras = tuple((camera, topic) for camera, _, topic in pairs)
    namespace = "/" + arguments.namespace.strip("/")
    setup = Setup(
        bundle=arguments.bundle,
        goal=goal,
        goal_name=name,
        wish=Wish(arguments.source, cameras, namespace),
        smoothing_s=arguments.smoothing,
        backend=arguments.backend,
        device=arguments.device,
        precision=arguments.precision,
        threads=max(1, (os.cpu_count() or 1) // arguments.workers) if arguments.workers > 1 else 0,
    )
    if goal is None:
        return setup
    return replace(setup, resolved=Labeller(setup).resolve(goal))  # once, not in every worker


def _label(jobs: list[BagJob], setup: Setup, arguments: argparse.Namespace) -> list[Labelled | LivError]:
    is_bar = sys.stderr.isatty()

    def ended(job: BagJob, outcome: Labelled | LivError) -> None:
        if not is_bar:
            tell(outcome)

    def tell(outcome: Labelled | LivError) -> None:
        if not arguments.json and isinstance(outcome, Labelled):
            print(_told(outcome), file=sys.stderr, flush=True)

    parts = None if arguments.parquet is None else _parts(arguments.parquet)
    if parts is not None:
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
    try:
        total = _frames(jobs, setup)
        with progress_bar("labelling", total, quiet=arguments.json, transient=True, unit="frames") as done:
            outcomes = _label_somewhere(jobs, setup, arguments, tell=done, ended=ended)
        for outcome in outcomes if is_bar else []:  # the bar is gone
            tell(outcome)
        if parts is not None:
            whole = [job.table for job, outcome in zip(jobs, outcomes, strict=True) if isinstance(outcome, Labelled)]
            if whole:
                join(whole, arguments.parquet)
    finally:
        if parts is not None:
            shutil.rmtree(parts, ignore_errors=True)
    return outcomes


def _label_somewhere(
    jobs: Sequence[BagJob], setup: Setup, arguments: argparse.Namespace, **hooks: Any
) -> list[Labelled | LivError]:
    if arguments.ray is None:
        return label_all(jobs, setup, arguments.workers, **hooks)
    from liv_model.label_ray import label_on_ray

    return label_on_ray(jobs, setup, arguments.ray, **hooks)


def _frames(jobs: Sequence[BagJob], setup: Setup) -> int | None:
    """How many frames there are to read; bags that cannot be read have none, and say so later."""
    model, total = Labeller(setup).bundle.identity, 0
    for job in jobs:
        try:
            with open_recording(job.bag) as recording:
                total += choose(recording, setup.wish, model).frames
        except LivError:
            continue
    return total or None


def _told(done: Labelled) -> str:
    rewards = ", ".join(f"{camera} {count}" for camera, count in sorted(done.rewards.items()))
    lines = [
        f"{done.bag}{f' -> {done.output}' if done.output else ''}: from {done.source} of {done.model}, "
        f"{done.frames / max(done.seconds, 1e-9):,.0f} frames/s; rewards: {rewards}"
    ]
    dropped = {**done.dropped, **({"do not decode": done.broken} if done.broken else {})}
    if dropped:
        lines.append("  without a reward: " + ", ".join(f"{count} {cause}" for cause, count in dropped.items()))
    return "\n".join([*lines, *(f"  {remark}" for remark in done.remarks)])


def _summary(jobs: Sequence[BagJob], outcomes: Sequence[Labelled | LivError]) -> dict:
    pairs = list(zip(jobs, outcomes, strict=True))
    return {
        "bags": [asdict(outcome) for _, outcome in pairs if isinstance(outcome, Labelled)],
        "bad": [{"bag": str(job.bag), "error": str(error)} for job, error in pairs if isinstance(error, LivError)],
    }


def _parts(table: Path) -> Path:
    return table.with_name(f".{table.name}.parts")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv label",
        description="Put rewards into bags: for another goal, or by another model.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="rosbag2 recordings (MCAP or sqlite3)")
    goals = parser.add_mutually_exclusive_group(required=True)
    goals.add_argument("--goal", metavar="TEXT", help="a goal in words, for the whole of every bag")
    goals.add_argument("--goal-image", metavar="PNG", type=Path, help="a goal as a picture")
    goals.add_argument("--goals-from-bag", action="store_true", help="the goals that were set during the recording")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="the new bag; of several bags, their folder")
    parser.add_argument("--parquet", type=Path, metavar="FILE", help="the rewards as a table (needs pyarrow)")
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    parser.add_argument("--bundle", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument(
        "--from",
        dest="source",
        default=AUTO,
        choices=(AUTO, EMBEDDINGS, IMAGES),
        help="what to score (default: the stored embeddings where there are some, else the pictures)",
    )
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME[=TOPIC]",
        help="a camera, with its pictures' topic (repeatable; default: all, named after their topics)",
    )
    parser.add_argument("--namespace", default="/liv", help="of the topics of liv_ros (default: /liv)")
    parser.add_argument("--smoothing", type=float, default=0.0, metavar="S", help="time constant as reward_node's")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=_count, default=1, metavar="N", help="processes (default: 1)")
    where.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster that sees the same folders: host:6379, auto, local"
    )
    parser.add_argument("--backend", default="auto", help=" | ".join(BACKENDS))
    parser.add_argument("--device", default="auto", help="the backend's name of a device (default: auto)")
    parser.add_argument("--precision", default="auto", help=" | ".join(PRECISIONS))
    parser.add_argument("--json", action="store_true", help="print what became of every bag as JSON and nothing else")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
