# SPDX-License-Identifier: Apache-2.0
"""``liv engine``: build engines ahead of time, see what there is, and remove it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from liv_model.bundle import Bundle
from liv_model.engines.build import build
from liv_model.engines.cache import EngineCache, remove
from liv_model.engines.choose import choose_backend
from liv_model.engines.engine import ENGINE_BACKENDS, GATE_FILE, PRECISIONS, Engine, EngineSpec
from liv_model.engines.gate import GateReport
from liv_model.errors import ConfigError
from liv_model.progress_bar import progress_report

_EXAMPLES = """examples:
  liv engine build                                       for what serves this machine best, the shipped bundle
  liv engine build models/metaworld --precision int8 --backend openvino
  liv engine build my_bundle --target sm86,sm89          TensorRT for RTX, for GPUs that are elsewhere
  liv engine list
  liv engine remove metaworld-openvino-int8-1c2d3e4f5a6b
"""
_USUAL = {"tensorrt": "fp16", "openvino": "fp32"}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parse(argv)
    return arguments.run(arguments)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="liv engine",
        description="A model compiled or quantised for one kind of device. encoder_node builds what it lacks at its "
        "first start; building ahead saves it the minutes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = parser.add_subparsers(required=True, metavar="build | list | remove")
    add = words.add_parser(
        "build",
        help="build an engine, unless it is there already",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add.add_argument("bundle", nargs="?", help="the folder (default: the shipped models/metaworld)")
    add.add_argument("--backend", choices=ENGINE_BACKENDS, help="default: what serves this machine best")
    add.add_argument("--precision", choices=PRECISIONS, help="default: fp16 with TensorRT, fp32 with OpenVINO")
    add.add_argument("--max-batch", type=int, default=4, metavar="N", help="most pictures per call (TensorRT; 4)")
    add.add_argument(
        "--target",
        metavar="SM,...",
        default="",
        help="compute capabilities to build for, such as sm86,sm89: no GPU is needed then (TensorRT for RTX)",
    )
    add.add_argument("--device", default="auto", help="the backend's own name of a device (default: auto)")
    add.add_argument("--json", action="store_true", help="print what was built as JSON")
    add.set_defaults(run=_build)
    show = words.add_parser("list", help="what engines there are, and what the gate found")
    show.add_argument("--json", action="store_true", help="print it as JSON")
    show.set_defaults(run=_list)
    drop = words.add_parser("remove", help="delete engines; what serves at present goes on with what it has loaded")
    drop.add_argument("names", nargs="*", metavar="NAME", help="as `liv engine list` has it; its beginning is enough")
    drop.add_argument("--all", action="store_true", help="all of them")
    drop.set_defaults(run=_remove)
    return parser.parse_args(argv)


def _build(arguments: argparse.Namespace) -> int:
    targets = tuple(target for target in arguments.target.replace(" ", "").lower().split(",") if target)
    backend = arguments.backend or ("tensorrt" if targets else choose_backend()[0])
    spec = EngineSpec(
        backend,
        arguments.precision or _USUAL[backend],
        max_batch=arguments.max_batch,
        targets=targets,
        device=arguments.device,
    )
    bundle = Bundle.load(arguments.bundle)
    with progress_report() as report:
        engine = build(bundle, spec, report=report)
    if arguments.json:
        print(json.dumps(_described(engine, bundle), indent=2))
    else:
        print(f"{engine.folder.name}: {bundle.identity} for {engine.device}, {engine.library}, {spec.precision}")
        print(f"kept in {engine.folder}; judged when it is first opened on its device")
    return 0


def _described(engine: Engine, bundle: Bundle) -> dict[str, Any]:
    return {
        "name": engine.folder.name,
        "model": bundle.identity,
        "library": engine.library,
        "device": engine.device,
        "precision": engine.spec.precision,
        "max_batch": engine.spec.max_batch,
        "folder": str(engine.folder),
        "vision": str(engine.vision),
        "text": str(engine.text),
    }


def _list(arguments: argparse.Namespace) -> int:
    entries = [{"name": folder.name, "folder": str(folder), **about} for folder, about in EngineCache().entries()]
    if arguments.json:
        print(json.dumps(entries, indent=2))
        return 0
    for entry in entries:
        print(_in_words(Path(entry["folder"]), entry))
    if not entries:
        print("no engines; `liv engine build` makes one")
    return 0


def _in_words(folder: Path, entry: dict[str, Any]) -> str:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    pictures = f"up to {entry['max_batch']} pictures per call, " if entry["max_batch"] else ""
    return (
        f"{folder.name}\n"
        f"  {entry['model']} for {entry['device']}, by {entry['library']}; {pictures}{size:.1f} MB in {folder.parent}\n"
        f"  built {entry['built_at'][:16].replace('T', ' ')} in {entry['took_s']} s; "
        f"{GateReport.load(folder / GATE_FILE) or 'not yet judged'}"
    )


def _remove(arguments: argparse.Namespace) -> int:
    if bool(arguments.names) == arguments.all:
        raise ConfigError("liv engine remove", expected="names or --all", got="both" if arguments.all else "neither")
    folders = [folder for folder, _ in EngineCache().entries()]
    chosen = folders if arguments.all else [_named(name, folders) for name in arguments.names]
    for folder in dict.fromkeys(chosen):
        remove(folder)
        print(f"removed {folder}")
    return 0


def _named(name: str, folders: list[Path]) -> Path:
    fitting = [folder for folder in folders if folder.name == name] or [
        folder for folder in folders if folder.name.startswith(name)
    ]
    if len(fitting) != 1:
        raise ConfigError(
            "liv engine remove",
            expected="the name of one engine",
            got=f"{name!r}, which fits {len(fitting)}",
            remedy="`liv engine list` shows them",
        )
    return fitting[0]


if __name__ == "__main__":
    raise SystemExit(main())
