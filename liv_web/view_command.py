# SPDX-License-Identifier: Apache-2.0
"""``liv view``: the page over a recorded bag, without ROS."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from liv_model.bundle import Bundle
from liv_model.encoder import BACKENDS, PRECISIONS, open_encoder
from liv_model.errors import ConfigError, LivError
from liv_model.goal import Goal
from liv_model.label_reading import Recording, open_recording
from liv_model.label_sources import EMBEDDINGS, Wish, camera_name
from liv_model.loaded_model import LoadedModel, warm
from liv_model.progress_bar import progress_bar
from liv_web.access import TOKEN_VARIABLE
from liv_web.recorded import RecordedSource
from liv_web.recorded_embeddings import CameraEmbeddings, choose_source, encoded_embeddings, stored_embeddings
from liv_web.recorded_notes import read_notes
from liv_web.recorded_pictures import RecordedPictures, find_pictures

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_EXAMPLES = """examples:
  liv view demo_out/bag
  liv view ~/liv_bags/liv_20261122_201500 --goal "open the drawer"
  liv view bag --bundle models/mine --port 8000 --no-browser

A bag without embeddings of this model has its pictures encoded first, once. Ctrl-C ends it.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(argv)
    pairs = [entry.partition("=") for entry in arguments.camera]
    wish = Wish(
        cameras=tuple((camera, topic) for camera, _, topic in pairs), namespace="/" + arguments.namespace.strip("/")
    )
    goal = Goal(arguments.goal) if arguments.goal is not None else None
    with open_source(
        arguments.bag,
        wish=wish,
        bundle=arguments.bundle,
        backend=arguments.backend,
        precision=arguments.precision,
        goal=goal,
    ) as source:
        show(source, arguments.host, arguments.port, arguments.token, browser=not arguments.no_browser)
    return 0


@contextmanager
def open_source(
    bag: Path,
    *,
    wish: Wish | None = None,
    bundle: str | None = None,
    backend: str = "auto",
    precision: str = "auto",
    goal: Goal | None = None,
) -> Iterator[RecordedSource]:
    """Open a bag as a source; pictures are encoded first, with a bar, where it holds no embeddings of the model.

    Args:
        bag: to view.
        wish: which cameras, and the namespace of our topics.
        bundle: folder of the model; None = the one that ships.
        backend, precision: see :func:`liv_model.encoder.open_encoder`.
        goal: to begin with; None = the last one of the recording.

    Raises:
        LivError: the bag or the bundle cannot be read, or there is nothing in it to score.
    """
    loaded = Bundle.load(bundle)
    with open_recording(bag) as recording:
        encoder = open_encoder(loaded, backend, precision=precision)
        model = warm(loaded, encoder, 1)
        try:
            source = _source(recording, wish or Wish(), model, goal)
        except BaseException:
            model.close()
            raise
    try:
        yield source
    finally:
        source.close()


def show(source: RecordedSource, host: str, port: int, token: str, *, browser: bool) -> None:
    """Serve a source until Ctrl-C."""
    server = _server()(source, host, port, token)
    server.start()
    try:
        print(f"{source.status().title}: {server.address}", flush=True)
        print("Ctrl-C ends it.", file=sys.stderr, flush=True)
        if browser:
            webbrowser.open(server.address)
        threading.Event().wait()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        server.stop()


def _server():
    try:
        from liv_web.server import WebServer
    except ModuleNotFoundError as error:
        remedy = "pip install fastapi uvicorn websockets"
        raise LivError(f"module {error.name!r}", expected="installed", got="missing", remedy=remedy) from error
    return WebServer


def _source(recording: Recording, wish: Wish, model: LoadedModel, goal: Goal | None) -> RecordedSource:
    found = choose_source(recording, wish, model.identity)
    if found.kind == EMBEDDINGS:
        cameras = stored_embeddings(recording, found, model.identity)
    else:
        with progress_bar("encoding pictures", found.frames, unit="pictures") as done:
            cameras = encoded_embeddings(recording, found, model.bundle, lambda: model.encoder, done)
    topics = [topic for topic in recording.of_type(*IMAGE_TYPES) if recording.topics[topic].count]
    ours = [topic for topic in topics if not topic.startswith(f"{wish.namespace}/")]
    pictures = find_pictures(recording, ours)
    cameras = [_with_topic(camera, pictures) for camera in cameras]
    title = recording.path.resolve().name
    return RecordedSource(title, model, cameras, pictures, read_notes(recording, wish.namespace), goal)


def _with_topic(seen: CameraEmbeddings, pictures: dict[str, RecordedPictures]) -> CameraEmbeddings:
    """With the topic of the pictures that were embedded: the one with most of their stamps, else of its name."""
    if seen.topic or not pictures:
        return seen
    stamps = set(seen.stamps_ns.tolist())
    common = {topic: len(stamps.intersection(found.stamps_ns.tolist())) for topic, found in pictures.items()}
    best = max(common, key=lambda topic: common[topic])
    if common[best]:
        return replace(seen, topic=best)
    named = [topic for topic in pictures if camera_name(topic) == seen.camera]
    return replace(seen, topic=named[0]) if named else seen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv view",
        description="Show a recorded bag in the browser, and type other goals: their curves come at once.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("bag", type=Path, help="rosbag2 recording (MCAP or sqlite3)")
    add("--bundle", help="model bundle (default: the shipped models/metaworld)")
    add("--goal", metavar="TEXT", help="goal to begin with (default: the last one of the recording)")
    add("--camera", action="append", default=[], metavar="NAME[=TOPIC]", help="a camera (repeatable; default: all)")
    add("--namespace", default="/liv", help="of the topics of liv_ros (default: /liv)")
    add("--backend", default="auto", choices=BACKENDS, help="what runs the model (default: auto)")
    add("--precision", default="auto", choices=PRECISIONS, help="of its engine (default: auto)")
    add("--host", default="127.0.0.1", help="address to listen on; on any but this machine's own a token is asked for")
    add("--port", type=_port, default=8642, help="to listen on; 0 = any that is free (default: 8642)")
    token = f"that is asked for (default: {TOKEN_VARIABLE}, else one is made where it is needed)"
    add("--token", default=os.environ.get(TOKEN_VARIABLE, ""), help=token)
    add("--no-browser", action="store_true", help="print the address alone")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ConfigError("--port", expected="0 to 65535", got=port)
    return port


if __name__ == "__main__":
    sys.exit(main())
