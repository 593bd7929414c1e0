# SPDX-License-Identifier: Apache-2.0
"""The command line of ``make gpu-check``. Exit code 0: all passed; 1: something failed; 2: it could not run."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.gpu_check.environment import describe, require_tensorrt, unsupported
from bench.gpu_check.page import page
from liv_model.bundle import Bundle
from liv_model.engines.engine import PRECISIONS
from liv_model.errors import MISTAKE, LivError
from liv_model.nvidia import nvidia

_EXAMPLES = """examples:
  make gpu-check
  make gpu-check ARGS="--bundle my_bundle --precisions fp16 --calls 100000"
  python3 -m bench.gpu_check --out report    (without ROS, in any environment with the packages)
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(argv)
    try:
        return _check(arguments)
    except LivError as error:
        print(f"make gpu-check: {error}", file=sys.stderr)
        return MISTAKE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make gpu-check",
        description="Build, judge, compare, soak and measure TensorRT engines on this machine's NVIDIA GPU.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="of the engines to build (default: all)")
    parser.add_argument("--calls", type=int, default=10_000, help="of the soak (default: 10000)")
    parser.add_argument("--max-batch", type=int, default=4, help="of the engines (default: 4)")
    parser.add_argument("--device", default="auto", help="auto, or such as cuda:1")
    parser.add_argument("--fill-memory", action="store_true", help="also take all of the GPU's memory for a moment")
    parser.add_argument("--no-bench", action="store_true", help="leave out the benchmark at the end")
    parser.add_argument(
        "--only-look", action="store_true", help="end with 0 if there is a GPU, before anything is done"
    )
    parser.add_argument("--out", default="gpu_check", help="folder of the report (default: gpu_check)")
    return parser


def _check(arguments: argparse.Namespace) -> int:
    found = nvidia()
    if arguments.only_look and found.gpus:
        return 0
    trt = require_tensorrt(found)
    bundle = Bundle.load(arguments.bundle)
    report: dict[str, Any] = {
        "verdict": "",
        "model": bundle.identity,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(["python3 -m bench.gpu_check", *sys.argv[1:]]),
        "environment": describe(trt, found),
        "notes": [],
    }
    code = _measure(arguments, bundle, trt, report)
    _write(report, Path(arguments.out))
    print(f"{report['verdict']}\nreport: {arguments.out}/report.md, {arguments.out}/report.json", flush=True)
    return code


def _measure(arguments: argparse.Namespace, bundle: Bundle, trt: Any, report: dict[str, Any]) -> int:
    from bench.gpu_check.check import Plan, check_all, passed
    from bench.gpu_check.trial import try_rtx
    from liv_model.cuda import Cuda

    cuda = Cuda(arguments.device)
    if problem := unsupported(trt, cuda.device.target):
        report["trial of TensorRT for RTX"] = try_rtx(trt, cuda)
        report["verdict"] = problem
        return MISTAKE
    precisions = tuple(name.strip() for name in arguments.precisions.split(","))
    plan = Plan(bundle, precisions, arguments.calls, arguments.max_batch, arguments.device, arguments.fill_memory)
    with tempfile.TemporaryDirectory(prefix="gpu_check-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # engines are built here and now, whatever the user's cache holds
        report.update(check_all(plan, cuda, lambda text: print(text, flush=True)))
        report["notes"] += [f"no reference {name}: {why}" for name, why in report.pop("lacking").items()]
        if not arguments.no_bench:
            report["benchmark"] = _benchmark(arguments)
    report["verdict"] = "everything passed" if passed(report) else "something FAILED"
    return 0 if passed(report) else 1


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    """The benchmark's own command, in a process of its own: its outcome is part of the report, not of the verdict."""
    words = ["-m", "bench", "--gpu", "--out", str(Path(arguments.out) / "bench")]
    words += ["--bundle", arguments.bundle] if arguments.bundle else []
    result = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    last = (result.stdout + result.stderr).strip().splitlines()[-1:]
    return {"command": " ".join(["python3", *words]), "exit code": result.returncode, "last line": " ".join(last)}


def _write(report: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(page(report), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
