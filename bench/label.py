# SPDX-License-Identifier: Apache-2.0
"""``liv label`` without its start: bags of embeddings, bags of pictures, and the memory that both take.

``python3 -m bench.label`` prints JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench.options import Options, usable_threads
from bench.pairs import in_turns, ratios, spread
from bench.results import Section, about, machine
from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE, message_types
from liv_model.bundle import Bundle
from liv_model.calibration import Calibration
from liv_model.folders import shipped
from liv_model.goal import Goal, ResolvedGoal
from liv_model.image import to_square
from liv_model.image_message import compressed_to_rgb
from liv_model.label_bag import Labeller
from liv_model.label_job import BagJob, Setup
from liv_model.label_messages import EMBEDDING, SeenEmbedding, embedding_cdr, header
from liv_model.label_reading import open_recording
from liv_model.media import open_media

EMBEDDINGS_A_FRAME = 100  # of Options.offline_frames: a bag of embeddings is longer than one of pictures
SIZES = ((640, 480), (1920, 1080))
TURN_FRAMES = {(640, 480): 400, (1920, 1080): 120}
GROWTH = 10
_PICTURES = 48
_STEP_NS = 33_333_333
_TOPIC = "/camera/image_raw/compressed"

_MEMORY = """
import sys
from pathlib import Path
from bench.label import labeller
from liv_model.label_job import BagJob
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
one = labeller(sys.argv[1], int(sys.argv[4]))
print(one.label(BagJob(Path(sys.argv[2]), Path(sys.argv[3]))).frames, resident())
"""


def measure(section: Section, bundle: Bundle, folder: Path, options: Options) -> None:
    """Rows of embeddings of two lengths, of pictures of two sizes, and of memory; bags are made in ``folder``."""
    count = EMBEDDINGS_A_FRAME * options.offline_frames
    for dim in dict.fromkeys((bundle.dim, 1024)):
        section.rows.append(_embeddings(bundle, folder, dim, count, options.offline_rounds))
    section.rows.append(_memory(bundle, folder, count))
    setup = Setup(str(bundle.path), Goal("open the drawer"), backend="openvino", threads=0)
    with_encoder = Labeller(setup)
    for size in SIZES:
        frames = min(TURN_FRAMES[size], options.offline_frames)
        section.rows.append(_pictures(with_encoder, folder, size, frames, options.offline_rounds))
    with_encoder.encoder.close()


def labeller(bundle: str, dim: int) -> Labeller:
    """One that has a goal of so many numbers already, so that no encoder is opened."""
    resolved = ResolvedGoal(_unit(1, dim)[0], Calibration(-0.5, 0.5), (), 1.0, "")
    return Labeller(Setup(bundle, Goal("open the drawer"), resolved=resolved))


def _embeddings(bundle: Bundle, folder: Path, dim: int, frames: int, rounds: int) -> dict[str, object]:
    bag = folder / f"embeddings{dim}"
    write_embeddings(bag, bundle.identity, frames, dim)
    one, job = labeller(str(bundle.path), dim), BagJob(bag, folder / "out", overwrite=True)
    per_core, wall = [], []
    for _ in range(rounds):
        begin_s, processor_s = time.perf_counter(), time.process_time()
        one.label(job)
        per_core.append(frames * 60e-6 / (time.process_time() - processor_s))
        wall.append(frames * 60e-6 / (time.perf_counter() - begin_s))
    rates = {"million_frames_per_core_minute": spread(per_core), "million_frames_per_minute": spread(wall)}
    return {"from": "embeddings", "dim": dim, "frames": frames, **rates}


def _memory(bundle: Bundle, folder: Path, frames: int) -> dict[str, object]:
    """Highest resident memory of a process that labels a bag, and of one that labels a bag ten times as long."""
    found = {}
    for count in (frames // GROWTH, frames):
        bag = folder / f"memory{count}"
        write_embeddings(bag, bundle.identity, count, 1024)
        words = [str(bundle.path), str(bag), str(folder / f"memory{count}_out"), "1024"]
        told = subprocess.run([sys.executable, "-c", _MEMORY, *words], check=True, capture_output=True, text=True)
        found[str(count)] = round(float(told.stdout.split()[1]), 1)
    size = sum(file.stat().st_size for file in (folder / f"memory{frames}").iterdir()) / 2**20
    return {"from": "memory", "dim": 1024, "bag_mib": round(size), "resident_mib": found}


def _pictures(one: Labeller, folder: Path, size: tuple[int, int], count: int, rounds: int) -> dict[str, object]:
    """Reading and decoding alone, encoding alone, and all of it, in turns."""
    bag = folder / f"pictures{size[0]}"
    write_pictures(bag, count, size)
    squares = list(itertools.islice(_squares(bag, one), _PICTURES))
    ways: dict[str, Callable[[], object]] = {
        "decode": lambda: [None for _ in _squares(bag, one)],
        "encode": lambda: [
            one.encoder.encode_images(s[None]) for s in itertools.islice(itertools.cycle(squares), count)
        ],
        "label": lambda: one.label(BagJob(bag, folder / "out", overwrite=True)),
    }
    fps: dict[str, list[float]] = {name: [] for name in ways}
    sides = {name: lambda way=way: count / _seconds(way) for name, way in ways.items()}
    for whole in in_turns(sides, rounds):
        for name, figure in whole.items():
            fps[name].append(figure)
    slower = [min(pair) for pair in zip(fps["decode"], fps["encode"], strict=True)]
    rates = {f"{name}_fps": spread(figures) for name, figures in fps.items()}
    return {
        "from": "images",
        "size": f"{size[0]}x{size[1]}",
        "frames": count,
        **rates,
        "share": ratios(fps["label"], slower),
    }


def _squares(bag: Path, one: Labeller):
    with open_recording(bag) as recording:
        for stored in recording.messages():
            yield to_square(compressed_to_rgb(recording.read(stored)), one.bundle.image)


def write_embeddings(path: Path, model: str, count: int, dim: int) -> None:
    """A bag of one camera's embeddings at 30 Hz."""
    rows = _unit(1000, dim)
    with BagWriter(path) as bag:
        for i in range(count):
            stamp = 10**18 + i * _STEP_NS
            seen = SeenEmbedding(stamp, "camera", "camera", model, "0" * 32, i, rows[i % len(rows)])
            bag.write("/liv/camera/embedding", EMBEDDING, stamp, embedding_cdr(seen))


def write_pictures(path: Path, count: int, size: tuple[int, int]) -> None:
    """A bag of one camera's JPEG pictures: the shipped recording, drawn to a size."""
    types = message_types().types
    frames = itertools.islice(open_media(shipped("examples/door_open")).frames(), _PICTURES)
    pictures = [cv2.imencode(".jpg", cv2.resize(f.rgb, size)[..., ::-1])[1].reshape(-1) for f in frames]
    with BagWriter(path) as bag:
        for i, data in zip(range(count), itertools.cycle(pictures)):
            stamp = 10**18 + i * _STEP_NS
            message = types[COMPRESSED_IMAGE](header=header(stamp, "camera"), format="jpeg", data=data)
            bag.write(_TOPIC, COMPRESSED_IMAGE, stamp, bytes(message_types().serialize_cdr(message, COMPRESSED_IMAGE)))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m bench.label", description="Measure liv label on this machine.")
    parser.add_argument("--bundle", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument("--rounds", type=int, default=7, help="of each measurement (default: 7)")
    arguments = parser.parse_args(argv)
    section, bundle = Section(), Bundle.load(arguments.bundle)
    found = about(quick=False)
    options = replace(Options(bundle=arguments.bundle, threads=usable_threads()), offline_rounds=arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="liv_bench_") as name:
        measure(section, bundle, Path(name), options)
    print(json.dumps({"machine": machine(), **found, "threads": options.threads, "rows": section.rows}, indent=1))
    return 0


def _unit(count: int, dim: int) -> np.ndarray:
    rows = np.random.default_rng(0).normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
