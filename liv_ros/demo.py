# SPDX-License-Identifier: Apache-2.0
"""``liv demo``: a recording scored live by a real ROS graph, in processes of its own over DDS, and what came of it."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from liv_model.bundle import Bundle
from liv_model.encoder import BACKENDS, PRECISIONS
from liv_model.errors import MediaError
from liv_model.folders import shipped
from liv_model.media import open_media
from liv_model.tokenizer import Tokenizer
from liv_ros.fast_dds import use_profile

RECORDING = "examples/door_open"
GOAL = "open the door"
OUTPUTS = {"bag", "log", "reward.png", "summary.json"}
KEPT = "recorded"  # bags that a person recorded on the demo's page

_EXAMPLES = """examples:
  liv demo
  liv demo --goal "close the drawer" --video my.mp4
  liv demo --video bag/ --topic /camera/image_raw --output scored
  liv demo --no-page

In a terminal the page over a live graph follows, until Ctrl-C. `liv view demo_out/bag` shows the recording again.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(argv)
    isolate()
    for number in (signal.SIGHUP, signal.SIGTERM):  # a window that is closed ends the nodes too, as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    from liv_ros.demo_graph import play  # rclpy reads the environment that isolate() has set
    from liv_ros.demo_report import report

    media = open_media(arguments.video or shipped(RECORDING), topic=arguments.topic)
    bundle = Bundle.load(arguments.bundle)
    # an empty or overlong goal is said here, before anything starts
    Tokenizer.load(bundle.file("tokenizer.json"), bundle.context_length).encode([arguments.goal])
    output = make_output(Path(arguments.output), media.path)
    engine = {"backend": arguments.backend, "precision": arguments.precision}
    run = play(media, arguments.goal, bundle, output, **engine)
    summary = report(output, media, run, arguments.goal, bundle)
    if arguments.json:
        print(json.dumps(summary, indent=2), flush=True)
    else:
        print(json.dumps(summary, indent=2), f"\nLook at {output}/reward.png", file=sys.stderr)
    if _wants_page(arguments):
        from liv_ros.demo_page import serve

        serve(media, arguments.goal, bundle, output, browser=arguments.browser, **engine)
    elif not arguments.json:
        print(f"See it in the browser: liv view {output}/bag", file=sys.stderr)
    return 0


def _wants_page(arguments: argparse.Namespace) -> bool:
    """As it was said; else in a terminal, where the page's packages are installed."""
    if arguments.page is not None:
        return arguments.page
    in_terminal = sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
    return in_terminal and not arguments.json and importlib.util.find_spec("fastapi") is not None


def isolate() -> None:
    """Keep the graph to this machine and apart from any other, with room for images in shared memory."""
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.pop("ROS_LOCALHOST_ONLY", None)
    use_profile()


def make_output(folder: Path, recording: Path) -> Path:
    """Make the output folder anew.

    Raises:
        MediaError: it holds anything but an earlier demo's output, or holds the recording; nothing is removed then.
    """
    if recording.resolve().is_relative_to(folder.resolve()):
        raise MediaError(str(folder), expected="a folder that does not hold the recording", got=recording)
    try:
        found = {path.name: path for path in folder.iterdir() if path.name != KEPT} if folder.exists() else {}
        if found and not (found.keys() <= OUTPUTS and (folder / "log" / "encoder_node.log").is_file()):
            foreign = ", ".join(sorted(found.keys() - OUTPUTS)[:3]) or "files that are not a demo's"
            raise MediaError(str(folder), expected="a new folder, or one of an earlier demo", got=foreign)
        for path in found.values():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (folder / "log").mkdir(parents=True)
    except OSError as error:
        raise MediaError(str(folder), expected="a folder to write into", got=error.strerror) from error
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv demo",
        description="Score a recording live through ROS 2 nodes; bag, curve and summary in the output folder.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--goal", default=GOAL, help=f"the goal in words (default: {GOAL!r})")
    parser.add_argument("--video", help="video, folder of frames or bag (default: the shipped recording)")
    parser.add_argument("--topic", help="camera topic, for a bag with several")
    parser.add_argument("--bundle", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument("--backend", default="auto", choices=BACKENDS, help="what runs the model (default: auto)")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="of its engine (default: auto)")
    parser.add_argument("-o", "--output", default="demo_out", help="folder to write into (default: demo_out)")
    parser.add_argument("--json", action="store_true", help="print the summary on standard output")
    parser.add_argument(
        "--page", action=argparse.BooleanOptionalAction, default=None, help="serve the page afterwards, until Ctrl-C"
    )
    parser.add_argument("--browser", action="store_true", help="open it in a browser")
    return parser


if __name__ == "__main__":
    sys.exit(main())
