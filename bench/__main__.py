# SPDX-License-Identifier: Apache-2.0
"""The command line of ``make bench``: measure, keep what was measured as JSON, and print it as a page.

``make bench`` then makes docs/performance.md of all files of bench/results (``python3 -m bench.page``).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import bundles, encoders, imports, page, results
from bench.bundles import Architecture
from bench.options import Options, usable_threads
from bench.results import Section
from bench.sides import SideSpec
from liv_model.bundle import Bundle
from liv_model.errors import MISTAKE, ConfigError, LivError
from liv_model.progress_bar import progress_bar

INTERRUPTED = 130
_EXAMPLES = """examples:
  make bench                                        this machine, all of it, with the model that ships
  make bench ARGS="--bundles ~/liv_bench"           RN50 and ViT-B-32 too (about 2 GB, made there the first time)
  make bench QUICK=1                                a minute or two, into build/bench, the committed results untouched
  make bench ARGS="--only graph,offline --threads 2"
A part that was measured replaces the same part in the file of results; the others stay. Ctrl-C keeps what is measured.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        options, chosen = _options(arguments), _chosen(arguments.only, arguments.gpu)
        Bundle.load(options.bundle)  # a mistake is said before an hour is spent
        return _run(options, chosen, arguments)
    except LivError as error:
        print(f"make bench: {error}", file=sys.stderr)
        return MISTAKE


def _run(options: Options, chosen: dict[str, Part], arguments: argparse.Namespace) -> int:
    machine = results.machine(_gpu() if arguments.gpu else "")
    folder = arguments.out or (Path("build/bench") if arguments.quick else results.FOLDER)
    file = folder / results.file_name(machine)
    if file.exists():
        results.read(file)  # another's file is refused before an hour is spent
    code, whole = 0, {}
    for name, part in chosen.items():
        section, about = Section(), results.about(quick=arguments.quick)
        try:
            part(section, options)
        except LivError as error:
            section.skip(name, error)
        except KeyboardInterrupt:
            code, about["interrupted"] = INTERRUPTED, True
        about |= {"load_after": results.load(), "threads": options.threads}
        if section.rows or section.skipped:
            whole = results.write(file, machine, {name: {**about, "rows": section.rows, "skipped": section.skipped}})
        if code:
            break
    if whole:
        print(json.dumps(whole, indent=1) if arguments.json else page.page([whole]))
        print(f"make bench: {'interrupted; what was measured' if code else 'results'} in {file}", file=sys.stderr)
    return code


def _encoders(section: Section, options: Options) -> None:
    def measure(bundle: Bundle) -> None:
        kinds = ["OpenVINO", "torch eager", *(["torch.compile"] if options.compiled else []), "ONNX Runtime"]
        specs = [SideSpec(kind, str(bundle.path), "fp32", options.threads) for kind in kinds]
        specs[1:1] = [SideSpec("OpenVINO", str(bundle.path), coarser, options.threads) for coarser in ("bf16", "int8")]
        encoders.measure(section, bundle, specs, options)

    _each_bundle(section, options, measure, bundles.ARCHITECTURES)


def _graph(section: Section, options: Options) -> None:
    _isolate()
    from bench import graph

    def measure(bundle: Bundle) -> None:
        precisions = ["fp32", "int8"] if bundle.name == bundles.RN50.name else ["fp32"]
        graph.measure(section, bundle, precisions, options)

    _each_bundle(section, options, measure, (bundles.RN50,))


def _offline(section: Section, options: Options) -> None:
    from bench import offline

    with tempfile.TemporaryDirectory(prefix="liv_bench_") as name:
        folder = Path(name)
        _each_bundle(section, options, lambda b: offline.measure(section, b, folder, options), (bundles.RN50,))
    offline.measure_scoring(section, [Bundle.load(options.bundle).dim, 1024], options.offline_rounds)


def _label(section: Section, options: Options) -> None:
    from bench import label

    with tempfile.TemporaryDirectory(prefix="liv_bench_") as name:
        label.measure(section, Bundle.load(options.bundle), Path(name), options)


def _recording(section: Section, options: Options) -> None:
    _isolate()
    from bench import recording

    recording.measure(section, options)


def _dashboard(section: Section, options: Options) -> None:
    _isolate()
    from bench import dashboard

    dashboard.measure(section, Bundle.load(options.bundle), options)


def _start(section: Section, options: Options) -> None:
    _isolate()
    from bench import node_start

    with progress_bar("start", 2, transient=True) as done:
        imports.measure(section, options.starts)
        done(1)
        node_start.measure(section, Bundle.load(options.bundle), options.starts)


def _isolate() -> None:
    """Before anything imports rclpy's messages and nodes, which read the environment that this sets."""
    try:
        from liv_ros.demo import isolate
    except ModuleNotFoundError as error:
        raise ConfigError("ROS", expected="rclpy and the built liv_ros", got=error, remedy="make build") from error
    isolate()


def _gpu_part(section: Section, options: Options) -> None:
    from bench import gpu

    _each_bundle(section, options, lambda b: gpu.measure(section, b, options), bundles.ARCHITECTURES)


Part = Callable[[Section, Options], None]
PARTS: dict[str, Part] = {
    "encoders": _encoders,
    "graph": _graph,
    "offline": _offline,
    "label": _label,
    "recording": _recording,
    "dashboard": _dashboard,
    "start": _start,
}
GPU_PARTS: dict[str, Part] = {"gpu": _gpu_part}


def _each_bundle(
    section: Section, options: Options, measure: Callable[[Bundle], None], random: Iterable[Architecture]
) -> None:
    """Measure the shipped (or the user's) bundle, then some with random weights; one that cannot be is skipped."""
    found = {"the bundle": lambda: Bundle.load(options.bundle)}
    found |= {a.name: lambda a=a: bundles.find_or_make(a, options.bundles) for a in random}
    for name, find in found.items():
        try:
            measure(find())
        except LivError as error:
            section.skip(name, error)


def _chosen(only: str | None, gpu: bool) -> dict[str, Part]:
    if gpu:
        return GPU_PARTS
    names = only.split(",") if only else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        raise ConfigError("--only", expected=",".join(PARTS), got=",".join(unknown))
    return {name: PARTS[name] for name in PARTS if name in names}


def _gpu() -> str:
    from bench import gpu

    return gpu.name()


def _options(arguments: argparse.Namespace) -> Options:
    chosen = {
        "bundle": arguments.bundle,
        "bundles": arguments.bundles,
        "threads": arguments.threads or usable_threads(),
    }
    return Options.quick(**chosen) if arguments.quick else Options(**chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure encoders, the live graph, offline scoring and starts on this machine, beside others.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument("--bundles", type=Path, metavar="FOLDER", help="where RN50 and ViT-B-32 are kept, or made")
    parser.add_argument("--only", metavar="PARTS", help=f"of {','.join(PARTS)} (default: all)")
    parser.add_argument("--gpu", action="store_true", help="the encoders on the NVIDIA GPU instead")
    parser.add_argument("--quick", action="store_true", help="a minute or two (QUICK=1)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of every side (default: all processors)")
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="of MACHINE.json (default: bench/results)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the page")
    return parser


if __name__ == "__main__":
    sys.exit(main())
