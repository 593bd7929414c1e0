# SPDX-License-Identifier: Apache-2.0
"""The file of results: ``bench/results/<machine>.json``, one section for each part of the benchmark.

A section says when, from which commit, with which versions and under which load it was measured, since parts may be
measured on different days; the others in the file stay as they are.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import cpu_name
from liv_model.errors import ConfigError
from liv_model.whole_file import replace_json
from training.commit import current_commit

FORMAT = 1
FOLDER = Path(__file__).parent / "results"
_PACKAGES = (
    "numpy",
    "openvino",
    "nncf",
    "tensorrt",
    "tensorrt-rtx-cu13",
    "torch",
    "onnxruntime",
    "opencv-python-headless",
    "pillow",
    "ros-jazzy-rclpy",
)


@dataclass
class Section:
    """What one part has measured so far.

    Attributes:
        rows: plain dictionaries.
        skipped: what was left out, and why.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def skip(self, what: str, why: object) -> None:
        """Leave something out."""
        self.skipped.append({"what": what, "why": " ".join(str(why).split())})


def machine(gpu: str = "") -> dict[str, Any]:
    """What stays the same on a machine."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        **({"gpu": gpu} if gpu else {}),
    }


def file_name(machine: dict[str, Any]) -> str:
    """Such as ``amd-epyc-2-cores.json``; of the GPU where there is one."""
    words = machine.get("gpu") or f"{machine['cpu']} {machine['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") + ".json"


def about(*, quick: bool) -> dict[str, Any]:
    """What a section was measured with; to be taken before it begins."""
    return {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        "commit": current_commit(),
        "quick": quick,
        "interrupted": False,
        "load_before": load(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def load() -> float:
    """Processes that wanted a processor over the last minute."""
    return round(os.getloadavg()[0], 1)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def read(file: Path) -> dict[str, Any]:
    """A file of results; ConfigError if it is none."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(str(file), expected="a file of results", got=error, remedy="make bench") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise ConfigError(str(file), expected=f"results of format {FORMAT}", got="another file", remedy="make bench")
    return results


def write(file: Path, machine: dict[str, Any], sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Put sections into a file, whole or not at all, beside those that are there; returns all of it."""
    kept = read(file)["sections"] if file.exists() else {}
    results = {"format": FORMAT, "machine": machine, "sections": {**kept, **sections}}
    replace_json(file, results)
    return results
