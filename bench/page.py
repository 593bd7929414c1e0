# SPDX-License-Identifier: Apache-2.0
"""``python3 -m bench.page bench/results/*.json``: docs/performance.md, made of results and of nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from bench import results
from bench.targets import targets
from liv_model.errors import MISTAKE, LivError
from liv_model.whole_file import replace_text

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
Row = dict[str, Any]
_HEAD = """# Performance

Made from `bench/results/*.json` by `python3 -m bench.page bench/results/*.json`; do not edit. `make bench` measures
this machine and makes this page again; `make bench QUICK=1` takes a minute or two and changes nothing here.

Sides that are compared take turns (A B C, B C A, ...) in one run, with the same weights and as many threads. A figure
is a median, with its 10th to 90th percentile in brackets; ratios are taken pair by pair, so that what disturbs a
machine for a while disturbs both sides of a pair. `n` counts what the figures are of."""

_GROUND = {
    "encoders": (
        "From uint8 pictures in memory to embeddings in memory, each side in a process of its own, on pictures that "
        "rotate. *times eager*: how many times as fast as torch eager. *cosine*: the least one to what torch eager "
        "made of the same pictures. Models named *random* are of the real architecture with random weights."
    ),
    "graph": (
        "From the picture's stamp to the receipt of its reward in another process. One camera process publishes to "
        "one side at a time. *naive node*: `bench/naive_node.py`, one rclpy callback that converts, transforms with "
        "PIL, runs torch eager and publishes. *scored*: rewards of pictures that were published; the others were "
        "dropped for newer ones. *CPU*: of all processes of a side, for each scored picture. *share*: ours divided by"
        " the naive node's, turn by turn."
    ),
    "offline": (
        "What `liv reward` does with a recording, without its start and its pictures: decoding alone, encoding alone,"
        " and both, frames per second. *share*: what both reach of the slower one alone. Scoring anew makes values, "
        "rewards and progress for other goals from embeddings that are in memory."
    ),
    "label": (
        "What `liv label` does with a bag, without its start. From embeddings: a bag that holds nothing else is read, "
        "scored and written; *of a core* is by the processor time that it took, *on the clock* by the time that went "
        "by. From pictures: reading and decoding alone, encoding alone, and labelling; *share*: what labelling reaches"
        " of the slower one alone. *memory*: the most that a process held, with a bag and with one ten times as long."
    ),
    "recording": (
        "`recorder_node` while another process publishes cameras and all that LIV says of each picture. *% of a core*: "
        "processor time of all its threads by the time that went by. *lost*: published, and not in the bag."
    ),
    "dashboard": (
        "The live graph with `monitor_node` and `dashboard_node`, while nobody looks at the page and while many do, in "
        "turns. The pages are websockets in one process on this same machine, where they would be on others; it gives "
        "way to everything else (nice 19). *share*: of the p99 where nobody looks, turn by turn."
    ),
    "start": "Seconds.",
    "gpu": (
        "*call*: from pictures in the memory of the CPU to embeddings there. *GPU*: between two CUDA events, with the"
        " pictures on the GPU. *roofline*: the least time that the counted FLOP and bytes take at the rates which a "
        "large matrix product and a large copy reached in the same run, as a share of the time on the GPU."
    ),
}
_TITLES = {
    "encoders": "Encoders",
    "graph": "The live graph",
    "offline": "Recordings",
    "label": "Relabelling bags",
    "recording": "Recording bags",
    "dashboard": "The page and its viewers",
    "start": "Imports and starts",
    "gpu": "Encoders on the GPU",
}


def page(files: list[dict[str, Any]]) -> str:
    """The page of some files of results."""
    parts = [_HEAD]
    for found in files:
        parts += [f"## {machine_name(found['machine'])}", _machine(found["machine"]), *_targets(found)]
        for name, section in found["sections"].items():
            parts += [f"### {_TITLES[name]}", _about(section), _GROUND[name], *_TABLES[name](section["rows"])]
            parts += [_skipped(section["skipped"])] if section["skipped"] else []
    return "\n\n".join(parts) + "\n"


def machine_name(machine: dict[str, Any]) -> str:
    """For people: its GPU, or its processor."""
    return machine.get("gpu") or f"{machine['cpu']}, {machine['cores']} cores"


def table(rows: Iterable[Row], columns: dict[str, Callable[[Row], str]]) -> str:
    """A table of Markdown; a column in which no row has anything is left out."""
    cells = [{name: cell(row) for name, cell in columns.items()} for row in rows]
    names = [name for name in columns if any(row[name] for row in cells)]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row[name] for name in names) + " |" for row in cells)])


def figure(spread: dict[str, float] | None) -> str:
    """Median and spread, or nothing."""
    return f"{spread['median']:g} ({spread['p10']:g} to {spread['p90']:g})" if spread else ""


def _machine(machine: dict[str, Any]) -> str:
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}."


def _about(section: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    remarks = " **Quick run.**" * section["quick"] + " **Interrupted.**" * section["interrupted"]
    return (
        f"{section['when']}, commit {section['commit'][:12]}{'+' * section['commit'].endswith('+changes')}, "
        f"{section['threads']} threads a side, load {section['load_before']} before and {section['load_after']} after; "
        f"{versions}.{remarks}"
    )


def _targets(found: dict[str, Any]) -> list[str]:
    rows = targets(found)
    columns = {
        "target": lambda row: row["target"],
        "reached": lambda row: row["reached"],
        "": lambda row: "met" if row["met"] else "**missed**",
    }
    return [table(rows, columns)] if rows else []


def _skipped(skipped: list[dict[str, str]]) -> str:
    return "\n".join(["Left out:", "", *(f"- {entry['what']}: {entry['why']}" for entry in skipped)])


def _by_model(rows: list[Row], columns: dict[str, Callable[[Row], str]]) -> list[str]:
    parts = []
    for model, group in groupby(rows, key=lambda row: row["model"]):
        parts += [f"**{model}**", table(group, columns)]
    return parts


def _text(key: str) -> Callable[[Row], str]:
    return lambda row: f"{row[key]:g}" if isinstance(row.get(key), float) else str(row.get(key, ""))


def _spread(key: str) -> Callable[[Row], str]:
    return lambda row: figure(row.get(key))


def _side(row: Row) -> str:
    return f"**{row['side']}**" if row.get("ours") or row["side"].startswith("ours") else row["side"]


def _camera(row: Row) -> str:
    kind = "JPEG" if row["transport"] == "compressed" else "raw"
    return f"{row['width']}x{row['height']} {kind}, {row['rate_hz']:g} Hz"


def _encoders(rows: list[Row]) -> list[str]:
    columns = {
        "batch": _text("batch"),
        "side": _side,
        "version": _text("version"),
        "n": lambda row: str(row["ms"]["n"]),
        "ms": _spread("ms"),
        "times eager": _spread("speedup"),
        "cosine": _text("cosine"),
        "gate": _text("gate"),
    }
    return _by_model(rows, columns)


def _graph(rows: list[Row]) -> list[str]:
    columns = {
        "camera": _camera,
        "side": _side,
        "scored": lambda row: f"{row['n']} of {row['published']}",
        "camera kept Hz": _text("camera_hz"),
        "p50 ms": _text("p50_ms"),
        "p95 ms": _text("p95_ms"),
        "p99 ms": _text("p99_ms"),
        "encode p50 ms": _text("encode_p50_ms"),
        "CPU ms": _text("cpu_ms"),
        "p99, share": _spread("p99_share"),
        "CPU, share": _spread("cpu_share"),
        "values differ by": _text("values_differ_by"),
    }
    return _by_model(rows, columns)


def _offline(rows: list[Row]) -> list[str]:
    columns = {
        "recording": _text("recording"),
        "frames": _text("frames"),
        "n": lambda row: str(row["share"]["n"]),
        "decoding, frames/s": _spread("decode_fps"),
        "encoding, frames/s": _spread("encode_fps"),
        "both, frames/s": _spread("both_fps"),
        "share": _spread("share"),
    }
    scoring = {
        "scoring anew": lambda row: f"{row['frames']} frames x {row['goals']} goals of {row['dim']} numbers",
        "n": lambda row: str(row["million_pairs_per_s"]["n"]),
        "million pairs/s": _spread("million_pairs_per_s"),
    }
    scored = [row for row in rows if "million_pairs_per_s" in row]
    parts = _by_model([row for row in rows if "share" in row], columns)
    return [*parts, table(scored, scoring)] if scored else parts


def _label(rows: list[Row]) -> list[str]:
    embeddings = {
        "from": lambda row: f"{row['frames']} embeddings of {row['dim']} numbers",
        "n": lambda row: str(row["million_frames_per_core_minute"]["n"]),
        "million frames/min of a core": _spread("million_frames_per_core_minute"),
        "on the clock": _spread("million_frames_per_minute"),
    }
    pictures = {
        "from": lambda row: f"{row['frames']} JPEG pictures, {row['size']}",
        "n": lambda row: str(row["share"]["n"]),
        "decoding, frames/s": _spread("decode_fps"),
        "encoding, frames/s": _spread("encode_fps"),
        "labelling, frames/s": _spread("label_fps"),
        "share": _spread("share"),
    }
    memory = {
        "memory": lambda row: f"up to {row['bag_mib']} MiB of embeddings",
        "MiB": lambda row: ", ".join(f"{mib:g} ({count} frames)" for count, mib in row["resident_mib"].items()),
    }
    kinds = {"embeddings": embeddings, "images": pictures, "memory": memory}
    found = {kind: [row for row in rows if row["from"] == kind] for kind in kinds}
    return [table(found[kind], columns) for kind, columns in kinds.items() if found[kind]]


def _recording(rows: list[Row]) -> list[str]:
    columns = {
        "cameras": _text("cameras"),
        "topics": _text("topics"),
        "n": lambda row: str(row["percent_of_core"]["n"]),
        "% of a core": _spread("percent_of_core"),
        "messages": _text("messages"),
        "lost": _text("lost"),
        "MB a minute": _text("mb_per_minute"),
    }
    return [table(rows, columns)]


def _dashboard(rows: list[Row]) -> list[str]:
    columns = {
        "camera": _camera,
        "who looks": _side,
        "turns": _text("turns"),
        "n": _text("n"),
        "messages to pages": _text("messages"),
        "p50 ms": _text("p50_ms"),
        "p99 ms": _text("p99_ms"),
        "p99, share": _spread("p99_share"),
    }
    return _by_model(rows, columns)


def _start(rows: list[Row]) -> list[str]:
    return [table(rows, {"": _text("what"), "n": lambda row: str(row["s"]["n"]), "s": _spread("s")})]


def _gpu(rows: list[Row]) -> list[str]:
    columns = {
        "batch": _text("batch"),
        "side": _side,
        "version": _text("version"),
        "n": lambda row: str(row["ms"]["n"]),
        "call, ms": _spread("ms"),
        "GPU, ms": _spread("gpu_ms"),
        "times eager": _spread("speedup"),
        "GFLOP": _text("gflop"),
        "roofline": _text("roofline"),
        "cosine": _text("cosine"),
        "gate": _text("gate"),
    }
    return _by_model(rows, columns)


_TABLES = {
    "encoders": _encoders,
    "graph": _graph,
    "offline": _offline,
    "label": _label,
    "recording": _recording,
    "dashboard": _dashboard,
    "start": _start,
    "gpu": _gpu,
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return write("bench.page", page, PAGE, argv)


def write(name: str, make: Callable[[list[dict[str, Any]]], str], default: Path, argv: list[str] | None) -> int:
    """The command line of a page that is made of files of results; returns the exit code.

    Args:
        name: of the module.
        make: the page of the content of the files.
        default: where it is written, if nothing else is said.
        argv: words of the command line.
    """
    parser = argparse.ArgumentParser(prog=f"python3 -m {name}", description="Make the page of files of results.")
    parser.add_argument("files", nargs="+", type=Path, help="files of results")
    place = f"docs/{default.name}"
    parser.add_argument("-o", "--output", type=Path, default=default, help=f"the page (default: {place})")
    arguments = parser.parse_args(argv)
    try:
        text = make([results.read(file) for file in sorted(arguments.files)])
    except LivError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return MISTAKE
    replace_text(arguments.output, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
