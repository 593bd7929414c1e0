# SPDX-License-Identifier: Apache-2.0
"""``liv episodes import``: bags of the robot, and recordings that somebody else made, into an episode store.

The table is read whole first, so that a missing text or column stops the run before anything is written; bags are
looked through for where their episodes begin and end. Then the recordings are taken one by one. One that cannot be
read is named and skipped; one that the store has is not read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from liv_model.errors import DataError, LivError
from liv_model.image import INTERPOLATIONS, Preprocessing
from liv_model.progress_bar import progress_bar
from training.contact_sheet import Entry, start_middle_end, write_contact_sheet
from training.episodes import INDEX, Episode, EpisodeStore, EpisodeWriter
from training.paraphrases import keep_paraphrases, read_paraphrases
from training.sources.bags import RATE_HZ, BagOptions, list_bags
from training.sources.bags_scan import find_bags
from training.sources.captions import list_captions
from training.sources.clip import Clip, check, read
from training.sources.epic import list_epic
from training.sources.manifest import TABLE, list_manifest
from training.sources.table import Recording

EXAMPLES = """examples:
  liv episodes import bags/today -o data/mine --dry-run --contact-sheet today.html
  liv episodes import bags/today -o data/mine --rate-hz 10 --paraphrases ways.yaml
  liv episodes import manifest realrobot -o data/realrobot
  liv episodes import epic EPIC_100_train.csv --root EPIC-KITCHENS --rate-hz 15 --size 224 -o data/epic
  liv episodes import captions captions.csv --root videos --rate-hz 10 -o data/mine --dry-run

Run the same command again to go on where it was stopped. docs/data.md tells the columns of each table, and how
episodes are cut from bags.
"""
PICTURES_HZ = {"manifest": 10.0, "epic": 60.0, "captions": 10.0}


@dataclass
class Summary:
    """What a run did.

    Attributes:
        rows: recordings looked at.
        added: those written to the store (with ``--dry-run``: that would be).
        skipped: those the store had.
        frames_added: frames of those added.
        bad: row, source and reason of each that could not be taken.
    """

    rows: int = 0
    added: int = 0
    skipped: int = 0
    frames_added: int = 0
    bad: list[dict] = field(default_factory=list)

    def refuse(self, recording: Recording, reason: object) -> str:
        """Count a recording that cannot be taken; returns what to say of it."""
        place = recording.place or f"row {recording.row} ({recording.source})"
        self.bad.append({"row": recording.row, "source": recording.source, "place": place, "reason": str(reason)})
        return f"skipped {place}: {reason}"


def fresh(
    recordings: Iterable[Recording], known: Iterable[tuple[str, str, str]], summary: Summary
) -> Iterator[Recording]:
    """The recordings that the store does not have; those it has, and those listed twice, are counted.

    Args:
        recordings: to look at.
        known: source, text and camera of every episode of the store.
        summary: where they are counted.
    """
    known, places = set(known), {}
    for recording in recordings:
        summary.rows += 1
        if recording.key in known:
            summary.skipped += 1
        elif recording.key in places:
            summary.refuse(recording, f"the same as {places[recording.key]}")
        else:
            places[recording.key] = recording.place or f"row {recording.row}"
            yield recording


def import_recordings(
    recordings: list[Recording],
    writer: EpisodeWriter,
    preprocessing: Preprocessing,
    rate_hz: float | None,
    progress: Progress,
    summary: Summary,
) -> None:
    """Read every recording that the store lacks and append it; what was done is counted in ``summary``.

    Raises:
        DataError: the store cannot be written.
    """
    bar = progress.add_task("episodes", total=len(recordings))
    for recording in fresh(recordings, _known(writer.path), summary):
        try:
            frames, time_s = read(recording.open(), preprocessing, rate_hz)
        except (LivError, OSError) as error:
            progress.console.print(escape(summary.refuse(recording, error)), soft_wrap=True, highlight=False)
        else:
            writer.append(
                Episode(
                    frames,
                    time_s,
                    text=recording.text,
                    task=recording.task,
                    outcome=recording.outcome,
                    camera=recording.camera,
                    source=recording.source,
                )
            )
            summary.added += 1
            summary.frames_added += len(frames)
        progress.update(bar, completed=summary.rows, description=escape(recording.source))
    progress.update(bar, completed=summary.rows, description="episodes")


def _known(store: Path) -> list[tuple[str, str, str]]:
    """Source, text and camera of every episode of a store; none where there is no store yet."""
    if not (store / INDEX).is_file():
        return []
    return [(record.source, record.text, record.camera) for record in EpisodeStore(store).records]


def look(
    recordings: list[Recording], store: Path, rate_hz: float | None, summary: Summary
) -> list[tuple[Recording, Clip, np.ndarray]]:
    """What a run would take: each recording, its frames, and the numbers of those. Opens no picture, writes nothing."""
    found = []
    for recording in fresh(recordings, _known(store), summary):
        try:
            clip = recording.open()
            numbers = check(clip, rate_hz)
        except (LivError, OSError) as error:
            summary.refuse(recording, error)
            continue
        summary.added += 1
        summary.frames_added += len(numbers)
        found.append((recording, clip, numbers))
    return found


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 1 when not one recording could be taken."""
    arguments = _parser().parse_args(argv)
    _check(arguments)
    recordings = _list(arguments)[: arguments.limit]
    if arguments.dry_run:
        return _dry_run(arguments, recordings)
    paraphrases = read_paraphrases(arguments.paraphrases) if arguments.paraphrases else {}
    summary, started = Summary(), time.monotonic()
    preprocessing = Preprocessing(arguments.size, arguments.interpolation)
    try:
        with (
            EpisodeWriter(arguments.output, preprocessing.size, preprocessing.size) as writer,
            episode_bar() as progress,
        ):
            import_recordings(recordings, writer, preprocessing, arguments.rate_hz, progress, summary)
    except KeyboardInterrupt:
        print(f"{summary.added} episodes added; the same command goes on from here", file=sys.stderr)
        raise
    if paraphrases:
        keep_paraphrases(arguments.output, paraphrases)
    if arguments.contact_sheet:
        entries = _stored(EpisodeStore(arguments.output), {recording.key for recording in recordings})
        write_contact_sheet(arguments.contact_sheet, f"Episodes of {arguments.output}", entries)
    wall_s = round(time.monotonic() - started, 1)
    if arguments.json:
        print(json.dumps({"store": str(arguments.output), **vars(summary), "wall_s": wall_s}, indent=2))
    else:
        print(f"{arguments.output}: {_counts(summary, 'added')}, in {wall_s:.0f} s")
    return _exit_code(summary)


def _dry_run(arguments: argparse.Namespace, recordings: list[Recording]) -> int:
    summary = Summary()
    found = look(recordings, arguments.output, arguments.rate_hz, summary)
    if arguments.contact_sheet:
        entries = _unread(found, summary)
        write_contact_sheet(arguments.contact_sheet, f"Episodes for {arguments.output}", entries)
    rows = [
        {
            "source": recording.source,
            "place": recording.place or recording.source,
            "frames": len(numbers),
            "seconds": round(float(np.ptp(clip.time_s(numbers))), 2),
            "camera": recording.camera,
            "task": recording.task,
            "outcome": recording.outcome,
            "text": recording.text,
        }
        for recording, clip, numbers in found
    ]
    if arguments.json:
        print(json.dumps({"store": str(arguments.output), **vars(summary), "episodes": rows}, indent=2))
    else:
        _print_found(rows, summary)
    return _exit_code(summary)


def _stored(store: EpisodeStore, keys: set[tuple[str, str, str]]) -> Iterator[Entry]:
    """Those of a store's episodes that were asked for."""
    for episode in store:
        if (episode.source, episode.text, episode.camera) in keys:
            numbers = start_middle_end(len(episode))
            about = _about(episode.source, episode.camera, float(episode.time_s[-1]), len(episode))
            yield Entry(episode.text, episode.outcome, about, [episode.frames[i] for i in numbers])


def _unread(found: list[tuple[Recording, Clip, np.ndarray]], summary: Summary) -> Iterator[Entry]:
    for recording, clip, numbers in found:
        try:
            pictures = list(clip.frames([int(numbers[i]) for i in start_middle_end(len(numbers))]))
        except LivError as error:
            summary.refuse(recording, error)
            continue
        about = _about(recording.place, recording.camera, float(np.ptp(clip.time_s(numbers))), len(numbers))
        yield Entry(recording.text, recording.outcome, about, pictures)


def _about(place: str, camera: str, seconds: float, frames: int) -> str:
    return f"{seconds:.1f} s, {frames} frames{', ' + camera if camera else ''} · {place}"


def _exit_code(summary: Summary) -> int:
    return 0 if summary.added or summary.skipped else 1


def episode_bar() -> Progress:
    """One bar over episodes, on stderr."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _counts(summary: Summary, done: str) -> str:
    bad = f"{len(summary.bad)} left out" if summary.bad else "none left out"
    return f"{summary.added} episodes {done} ({summary.frames_added} frames), {summary.skipped} were there, {bad}"


def _print_found(found: list[dict], summary: Summary) -> None:
    for row in found:
        print(f"{row['place']}  {row['frames']} frames  {row['outcome']}  {row['text']}")
    for row in summary.bad:
        print(f"left out: {row['place']}: {row['reason']}", file=sys.stderr)
    print(_counts(summary, "would be added"))


def _list(arguments: argparse.Namespace) -> list[Recording]:
    """The recordings that are meant: words that begin with the kind of a table, or else bags."""
    kind, *rest = arguments.what
    if kind not in PICTURES_HZ:
        return _list_bags(arguments)
    if len(rest) != 1:
        raise DataError(f"liv episodes import {kind}", expected="one table", got=" ".join(rest) or "none")
    return _list_table(arguments, kind, Path(rest[0]).expanduser())


def _list_bags(arguments: argparse.Namespace) -> list[Recording]:
    if arguments.root or arguments.pictures_hz:
        raise DataError("--root, --pictures-hz", expected="with a table only", got="bags")
    paths = [Path(word).expanduser() for word in arguments.what]
    arguments.rate_hz = RATE_HZ if arguments.rate_hz is None else arguments.rate_hz
    options = BagOptions(
        name=arguments.name or BagOptions.name,
        cameras=tuple(arguments.camera),
        goal_topic=arguments.goal_topic,
        shortest_s=arguments.shortest_s,
        unjudged=arguments.unjudged,
    )
    with progress_bar("bags", len(find_bags(paths)), transient=True) as done:
        return list_bags(paths, options, done)


def _list_table(arguments: argparse.Namespace, kind: str, path: Path) -> list[Recording]:
    folder = path if path.is_dir() else path.parent
    root = arguments.root.expanduser() if arguments.root else folder
    name = arguments.name or root.resolve().name
    rate_hz = arguments.pictures_hz or PICTURES_HZ[kind]
    if kind == "manifest":
        if arguments.root:
            raise DataError(
                "--root", expected="no such option with manifest", got=root, remedy=f"{TABLE} lies in its folder"
            )
        return list_manifest(path, name, rate_hz)
    return {"epic": list_epic, "captions": list_captions}[kind](path, root, name, rate_hz)


def _check(arguments: argparse.Namespace) -> None:
    for option in ("rate_hz", "pictures_hz", "limit", "shortest_s"):
        value = getattr(arguments, option)
        if value is not None and not value > 0:
            raise DataError("--" + option.replace("_", "-"), expected="a number above 0", got=value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv episodes import",
        description="Bring the robot's bags, or recordings of other people's data sets, into an episode store.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    what = (
        "bags, and folders with bags; or the kind of a table and the table (CSV): manifest (the reference LIV layout, "
        "its folder), epic (EPIC-KITCHENS annotations), captions (videos)"
    )
    add("what", nargs="+", metavar="BAG", help=what)
    add("-o", "--output", type=Path, required=True, metavar="STORE", help="folder of the store; grows if it is there")
    add("--root", type=Path, metavar="DIR", help="where the frames or videos are (default: beside the table)")
    add("--name", help="first part of every episode's source; one for each data set (default: name of the root; bags)")
    add("--size", type=int, default=112, help="side of the stored frames, pixels (default: %(default)s)")
    add("--interpolation", choices=INTERPOLATIONS, default="area", help="as the model's bundle (default: area)")
    rate = f"frames a second to keep, counted from the last (default: all; of bags {RATE_HZ:g})"
    add("--rate-hz", type=float, metavar="HZ", help=rate)
    rates = ", ".join(f"{name} {hz:g}" for name, hz in PICTURES_HZ.items())
    add("--pictures-hz", type=float, metavar="HZ", help=f"rate at which folders of pictures were taken ({rates})")
    add_bag_options(parser)
    add("--limit", type=int, metavar="N", help="only the first N rows")
    add("--dry-run", action="store_true", help="list what would be taken, and write nothing")
    add("--contact-sheet", type=Path, metavar="HTML", help="a page with start, middle and end of each episode")
    add("--json", action="store_true", help="print the summary as JSON")
    return parser


def add_bag_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what to take from bags; `liv finetune` has them too."""
    add = parser.add_argument
    add("--camera", action="append", default=[], metavar="TOPIC", help="of images to take (default: those scored)")
    add("--goal-topic", metavar="TOPIC", help="where a bag has several of liv_ros/msg/ActiveGoal")
    add("--shortest-s", type=float, default=1.0, metavar="S", help="leave out what lasts less (default: 1)")
    add("--unjudged", choices=("success", "failure"), help="take episodes without a verdict, as this")
    add("--paraphrases", type=Path, metavar="YAML", help="other ways to say an instruction: lists by instruction")


if __name__ == "__main__":
    sys.exit(main())
