# SPDX-License-Identifier: Apache-2.0
"""``liv episodes import``: recordings that somebody else made, into an episode store.

The table is read whole first, so that a missing text or column stops the run before anything is written. Then the
recordings are taken one by one. One that cannot be read is named and skipped; one that the store has is not read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from liv_model.errors import DataError, LivError
from liv_model.image import INTERPOLATIONS, Preprocessing
from training.episodes import INDEX, Episode, EpisodeStore, EpisodeWriter
from training.sources.captions import list_captions
from training.sources.clip import check, read
from training.sources.epic import list_epic
from training.sources.manifest import TABLE, list_manifest
from training.sources.table import Recording

EXAMPLES = """examples:
  liv episodes import manifest realrobot -o data/realrobot
  liv episodes import epic EPIC_100_train.csv --root EPIC-KITCHENS --rate-hz 15 --size 224 -o data/epic
  liv episodes import captions captions.csv --root videos --rate-hz 10 -o data/mine --dry-run

Run the same command again to go on where it was stopped. docs/data.md tells the columns of each table.
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
        self.bad.append({"row": recording.row, "source": recording.source, "reason": str(reason)})
        return f"skipped row {recording.row} ({recording.source}): {reason}"


def fresh(recordings: Iterable[Recording], known: Iterable[tuple[str, str]], summary: Summary) -> Iterator[Recording]:
    """The recordings that the store does not have; those it has, and those listed twice, are counted.

    Args:
        recordings: to look at.
        known: source and text of every episode of the store.
        summary: where they are counted.
    """
    known, rows = set(known), {}
    for recording in recordings:
        summary.rows += 1
        key = (recording.source, recording.text)
        if key in known:
            summary.skipped += 1
        elif key in rows:
            summary.refuse(recording, f"the same as row {rows[key]}")
        else:
            rows[key] = recording.row
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
                    source=recording.source,
                )
            )
            summary.added += 1
            summary.frames_added += len(frames)
        progress.update(bar, completed=summary.rows, description=escape(recording.source))
    progress.update(bar, completed=summary.rows, description="episodes")


def _known(store: Path) -> list[tuple[str, str]]:
    """Source and text of every episode of a store; none where there is no store yet."""
    if not (store / INDEX).is_file():
        return []
    return [(record.source, record.text) for record in EpisodeStore(store).records]


def look(recordings: list[Recording], store: Path, rate_hz: float | None, summary: Summary) -> list[dict]:
    """What a run would take: source, frames, outcome and text of each. Opens no picture, writes nothing."""
    found = []
    for recording in fresh(recordings, _known(store), summary):
        try:
            frames = len(check(recording.open(), rate_hz))
        except (LivError, OSError) as error:
            summary.refuse(recording, error)
            continue
        summary.added += 1
        summary.frames_added += frames
        found.append(
            {
                "source": recording.source,
                "frames": frames,
                "task": recording.task,
                "outcome": recording.outcome,
                "text": recording.text,
            }
        )
    return found


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 1 when not one recording of the table could be taken."""
    arguments = _parser().parse_args(argv)
    _check(arguments)
    recordings = _list(arguments)[: arguments.limit]
    summary, started = Summary(), time.monotonic()
    if arguments.dry_run:
        found = look(recordings, arguments.output, arguments.rate_hz, summary)
        if arguments.json:
            print(json.dumps({"store": str(arguments.output), **vars(summary), "episodes": found}, indent=2))
        else:
            _print_found(found, summary)
        return _exit_code(summary)
    preprocessing = Preprocessing(arguments.size, arguments.interpolation)
    try:
        with EpisodeWriter(arguments.output, preprocessing.size, preprocessing.size) as writer, _bar() as progress:
            import_recordings(recordings, writer, preprocessing, arguments.rate_hz, progress, summary)
    except KeyboardInterrupt:
        print(f"{summary.added} episodes added; the same command goes on from here", file=sys.stderr)
        raise
    wall_s = round(time.monotonic() - started, 1)
    if arguments.json:
        print(json.dumps({"store": str(arguments.output), **vars(summary), "wall_s": wall_s}, indent=2))
    else:
        print(f"{arguments.output}: {_counts(summary, 'added')}, in {wall_s:.0f} s")
    return _exit_code(summary)


def _exit_code(summary: Summary) -> int:
    return 0 if summary.added or summary.skipped else 1


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _counts(summary: Summary, done: str) -> str:
    bad = f"{len(summary.bad)} bad, skipped" if summary.bad else "none bad"
    return f"{summary.added} episodes {done} ({summary.frames_added} frames), {summary.skipped} were there, {bad}"


def _print_found(found: list[dict], summary: Summary) -> None:
    for row in found:
        print(f"{row['source']}  {row['frames']} frames  {row['outcome']}  {row['text']}")
    for row in summary.bad:
        print(f"bad: row {row['row']} ({row['source']}): {row['reason']}", file=sys.stderr)
    print(_counts(summary, "would be added"))


def _list(arguments: argparse.Namespace) -> list[Recording]:
    path = arguments.path.expanduser()
    folder = path if path.is_dir() else path.parent
    root = arguments.root.expanduser() if arguments.root else folder
    name = arguments.name or root.resolve().name
    rate_hz = arguments.pictures_hz or PICTURES_HZ[arguments.format]
    if arguments.format == "manifest":
        if arguments.root:
            raise DataError(
                "--root", expected="no such option with manifest", got=root, remedy=f"{TABLE} lies in its folder"
            )
        return list_manifest(path, name, rate_hz)
    return {"epic": list_epic, "captions": list_captions}[arguments.format](path, root, name, rate_hz)


def _check(arguments: argparse.Namespace) -> None:
    for option in ("rate_hz", "pictures_hz", "limit"):
        value = getattr(arguments, option)
        if value is not None and not value > 0:
            raise DataError("--" + option.replace("_", "-"), expected="a number above 0", got=value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv episodes import",
        description="Bring recordings of other people's data sets into an episode store.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    formats = "manifest: the reference LIV layout; epic: EPIC-KITCHENS annotations; captions: a table of videos"
    add("format", choices=tuple(PICTURES_HZ), help=formats)
    add("path", type=Path, help="the table (CSV); for manifest, its folder")
    add("-o", "--output", type=Path, required=True, metavar="STORE", help="folder of the store; grows if it is there")
    add("--root", type=Path, metavar="DIR", help="where the frames or videos are (default: beside the table)")
    add("--name", help="first part of every episode's source; one for each data set (default: name of the root)")
    add("--size", type=int, default=112, help="side of the stored frames, pixels (default: %(default)s)")
    add("--interpolation", choices=INTERPOLATIONS, default="area", help="as the model's bundle (default: area)")
    add("--rate-hz", type=float, metavar="HZ", help="frames a second to keep, counted from the last (default: all)")
    rates = ", ".join(f"{name} {hz:g}" for name, hz in PICTURES_HZ.items())
    add("--pictures-hz", type=float, metavar="HZ", help=f"rate at which folders of pictures were taken ({rates})")
    add("--limit", type=int, metavar="N", help="only the first N rows")
    add("--dry-run", action="store_true", help="list what would be taken, and write nothing")
    add("--json", action="store_true", help="print the summary as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
