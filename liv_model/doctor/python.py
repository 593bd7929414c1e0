# SPDX-License-Identifier: Apache-2.0
"""Python and the packages that the runtime is made of."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator

from liv_model.doctor.finding import FAIL, OK, WARN, Finding

OLDEST_PYTHON = (3, 10)
# module -> the packages on PyPI that may hold it
NEEDED = {
    "numpy": ("numpy",),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv"),
    "yaml": ("PyYAML",),
    "tokenizers": ("tokenizers",),
}
# and what does not work without it, while rewards are served all the same
USEFUL = {
    "rosbags": (("rosbags",), "reading bags"),
    "mcap": (("mcap",), "recorder_node and the demo"),
    "rich": (("rich",), "tables and bars on the terminal: `liv reward`, `liv demo`"),
    "PIL": (("pillow",), "bundles of CLIP, the released LIV and other bicubic ones"),
    "matplotlib": (("matplotlib",), "pictures of curves: `liv reward`, `liv demo`"),
    "fastapi": (("fastapi",), "the page: dashboard_node, `liv view`"),
    "uvicorn": (("uvicorn",), "the page"),
    "websockets": (("websockets",), "the page"),
}


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Whether Python is new enough."""
    got = f"{'.'.join(map(str, version))}, {sys.executable}"
    if version >= OLDEST_PYTHON:
        return Finding("Python", OK, got)
    return Finding("Python", FAIL, got, "use Python 3.10 or newer, that of your ROS: docs/install.md")


def check_needed_packages() -> Finding:
    """The packages without which no model runs, each really imported."""
    return _packages("packages", NEEDED, FAIL, lambda lacking: f"pip install {' '.join(lacking)}: docs/install.md")


def check_useful_packages() -> Finding:
    """The packages that some commands need."""

    def remedy(lacking: dict[str, str]) -> str:
        lost = "; ".join(f"{package} for {USEFUL[module][1]}" for package, module in lacking.items())
        return f"pip install {' '.join(lacking)} ({lost})"

    return _packages("more packages", {module: names for module, (names, _) in USEFUL.items()}, WARN, remedy)


def check_environment(environ: dict[str, str] | None = None) -> Iterator[Finding]:
    """An activated environment that is not the one that runs: the executables start with ``/usr/bin/env python3``."""
    active = (os.environ if environ is None else environ).get("VIRTUAL_ENV")
    if active and os.path.realpath(sys.prefix) != os.path.realpath(active):
        got = f"{active} is activated, {sys.prefix} runs"
        yield Finding("environment", WARN, got, "start `liv` with the environment's python3, or deactivate it")


def version_of(module: str, packages: tuple[str, ...]) -> str:
    """Version of the first of these packages that is installed; of the module itself where none of them is."""
    for package in packages:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return str(getattr(importlib.import_module(module), "__version__", "of unknown version"))


def _packages(name, wanted, status, remedy) -> Finding:
    got, lacking = [], {}
    for module, packages in wanted.items():
        try:
            importlib.import_module(module)
            got.append(f"{module} {version_of(module, packages)}")
        except Exception as error:  # ImportError, or whatever a broken package throws
            why = "missing" if isinstance(error, ModuleNotFoundError) else f"broken ({error})"
            got.append(f"{module} {why}")
            lacking[packages[0]] = module
    return Finding(name, status if lacking else OK, ", ".join(got), remedy(lacking) if lacking else "")
