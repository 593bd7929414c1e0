# SPDX-License-Identifier: Apache-2.0
"""``liv reward``: score a recording for one or more goals, without ROS."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from liv_model.bundle import Bundle
from liv_model.curve_picture import draw_curves
from liv_model.encoder import BACKENDS, PRECISIONS, Encoder, open_encoder
from liv_model.errors import MediaError, first_few
from liv_model.goal import Goal, GoalResolver, ResolvedGoal
from liv_model.image import read_image
from liv_model.media import Media, open_media
from liv_model.metrics import voc
from liv_model.progress_bar import progress_bar, progress_report
from liv_model.score import Curve, EncodedRecording, encode_frames, score, write_csv
from liv_model.timings import percentiles

MOST_NAMED = 10  # broken frames
_EXAMPLES = """examples:
  liv reward arm.mp4 --goal "open the drawer" --goal "close the drawer"
  liv reward frames/ --rate 10 --goal-image done.png -o scored
  liv reward bag/ --topic /camera/image/compressed --goal "open the door" --json
Exit code 1 when frames were left out because they do not decode; the summary names them.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(argv)
    media = open_media(arguments.video, topic=arguments.topic, rate_hz=arguments.rate)
    goals = _goals(arguments)
    bundle = Bundle.load(arguments.bundle)
    with progress_report(quiet=arguments.json) as report:
        encoder = open_encoder(
            bundle, arguments.backend, arguments.device, precision=arguments.precision, report=report
        )
    resolver = GoalResolver(bundle, encoder)
    resolved = {name: resolver.resolve(goal) for name, goal in goals.items()}
    broken: list[str] = []  # frames, in words
    recording = _encode(media, encoder, bundle, broken.append, quiet=arguments.json)
    scales = {name: (goal.embedding, goal.calibration) for name, goal in resolved.items()}
    curves = score(scales, recording.time_ns, recording.embeddings)
    summary = _summary(media, encoder, recording, curves, resolved)
    summary["frames_broken"], summary["broken"] = len(broken), broken[:MOST_NAMED]
    folder = Path(arguments.output)
    _write(folder, media, recording, curves, summary)
    if arguments.json:
        json.dump(summary, sys.stdout, indent=2)
        print()
    else:
        _show(summary, folder)
    if broken:
        count = f"{len(broken)} of {len(broken) + len(recording.time_ns)} frames do not decode and were left out"
        print(f"liv reward: {count}: {first_few(broken, MOST_NAMED)}", file=sys.stderr)
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv reward",
        description="Score a video, a folder of frames or a bag: how far has the robot come with the task?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", help="video file, folder of PNG/JPEG frames, or rosbag2 recording")
    parser.add_argument("--goal", action="append", default=[], metavar="TEXT", help="a goal in words (repeatable)")
    parser.add_argument(
        "--goal-image", action="append", default=[], metavar="PNG", help="a goal as a picture (repeatable)"
    )
    parser.add_argument("--bundle", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument("--backend", default="auto", help=" | ".join(BACKENDS))
    parser.add_argument("--device", default="auto", help="the backend's name of a device (default: auto)")
    parser.add_argument("--precision", default="auto", help=" | ".join(PRECISIONS))
    parser.add_argument("--topic", help="camera topic, for a bag with several")
    parser.add_argument(
        "--rate", type=float, default=10.0, metavar="HZ", help="rate of a folder of frames (default: 10)"
    )
    parser.add_argument("-o", "--output", default="reward_out", help="folder to write into (default: reward_out)")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON and nothing else")
    return parser


def _goals(arguments: argparse.Namespace) -> dict[str, Goal]:
    goals = {text: Goal(text=text) for text in arguments.goal}
    goals.update({str(file): Goal(image=read_image(file)) for file in arguments.goal_image})
    return goals or {"": Goal()}  # which says that a goal is missing


def _encode(
    media: Media, encoder: Encoder, bundle: Bundle, broken: Callable[[str], None], *, quiet: bool
) -> EncodedRecording:
    with progress_bar("encoding", media.frame_count or None, quiet=quiet, transient=True) as done:
        return encode_frames(media.frames(broken), encoder, bundle.image, done)


def _summary(
    media: Media, encoder: Encoder, recording: EncodedRecording, curves: list[Curve], resolved: dict[str, ResolvedGoal]
) -> dict:
    return {
        "video": str(media.path),
        "frames": len(recording.time_ns),
        "frames_out_of_order": len(recording.time_ns) - len(curves[0].frame),
        "duration_s": round(float(curves[0].time_s[-1]), 3),
        "encode_ms": percentiles(recording.encode_ms, 50, 99),
        "backend": encoder.backend,
        "precision": encoder.precision,
        "model": encoder.model,
        "goals": [_goal_summary(curve, resolved[curve.goal]) for curve in curves],
    }


def _goal_summary(curve: Curve, goal: ResolvedGoal) -> dict:
    def number(value: float) -> float | None:  # NaN is not JSON
        return None if math.isnan(value) else round(float(value), 6)

    return {
        "goal": curve.goal,
        "voc": number(voc(curve.value)),
        "value_first": number(curve.value[0]),
        "value_last": number(curve.value[-1]),
        "progress_last": number(curve.progress[-1]),
        "familiarity": number(goal.familiarity),
        "message": goal.message,
    }


def _write(folder: Path, media: Media, recording: EncodedRecording, curves: list[Curve], summary: dict) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(curves, folder / "reward.csv")
        draw_curves(curves, recording.thumbnails, folder / "reward.png", title=media.path.name)
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise MediaError(str(folder), expected="a folder to write into", got=error.strerror) from error


def _show(summary: dict, folder: Path) -> None:
    console = Console()
    table = Table("goal", "first value", "last value", "progress", "VOC", "familiarity")
    for goal in summary["goals"]:
        keys = ("value_first", "value_last", "progress_last", "voc", "familiarity")
        table.add_row(Text(goal["goal"]), *("-" if goal[key] is None else f"{goal[key]:.2f}" for key in keys))
    console.print(table)
    for message in (goal["message"] for goal in summary["goals"] if goal["message"]):
        console.print(message, style="yellow", markup=False)
    console.print(f"{summary['frames']} frames; curves, table and summary in {folder}/", markup=False)
