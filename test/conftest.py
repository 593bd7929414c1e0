# SPDX-License-Identifier: Apache-2.0
"""Skips, with the reason, tests of what this machine does not have. The Makefile says which are asked for."""

from __future__ import annotations

import ctypes.util
import importlib.util
import logging
import os
import signal
from collections.abc import Callable
from functools import cache

import hypothesis
import pytest

from liv_model.nvidia import nvidia

hypothesis.settings.register_profile("busy", deadline=None)  # CI machines are shared: a slow example is no failure
hypothesis.settings.load_profile("busy")


def _lacks_module(*names: str) -> str | None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return f"no module {', '.join(missing)}" if missing else None


def _lacks_ros() -> str | None:
    return _lacks_module("rclpy") or (
        None if importlib.util.find_spec("liv_ros.msg") else "liv_ros is not built or not sourced (make build)"
    )


def _lacks_simulation() -> str | None:
    if os.environ.get("MUJOCO_GL", "osmesa") == "osmesa" and ctypes.util.find_library("OSMesa") is None:
        return "no OSMesa library (apt-get install libosmesa6, or MUJOCO_GL=egl)"
    return _lacks_module("metaworld")


def _lacks_gpu() -> str | None:
    return nvidia().problem or None


def _lacks_browser() -> str | None:
    from browser.chromium_here import chromium_path

    no_browser = "no Chromium (apt-get install chromium, or LIV_CHROMIUM=its path)"
    return _lacks_module("playwright", "fastapi", "uvicorn", "websockets") or (None if chromium_path() else no_browser)


def _lacks_checkpoint() -> str | None:
    missing = [name for name in ("LIV_CHECKPOINT", "LIV_FRAME") if not os.path.isfile(os.environ.get(name, ""))]
    return f"no file in the environment variable {' and '.join(missing)}" if missing else None


SLOW_WITHIN_S = 5400

LACKS: dict[str, Callable[[], str | None]] = {
    "ros": cache(_lacks_ros),
    "simulation": cache(_lacks_simulation),
    "gpu": cache(_lacks_gpu),
    "launch": cache(lambda: _lacks_module("launch_ros", "ros2cli")),
    "browser": cache(_lacks_browser),
    "open_clip": cache(lambda: _lacks_module("open_clip")),
    "checkpoint": cache(_lacks_checkpoint),
}


def pytest_configure() -> None:
    """Ctrl-C means what it means in a terminal: tests that were started in the background (``make test &`` in a script)
    ignored it, and so would the commands that they start and interrupt.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_WITHIN_S))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, lacks in LACKS.items():
        if item.get_closest_marker(marker) and (reason := lacks()):
            pytest.skip(reason)


@pytest.fixture(autouse=True)
def our_log_as_it_was():
    """Commands and nodes that a test runs in this process set up our log; the next test finds it as it was."""
    ours = logging.getLogger("liv_model")
    handlers, level, propagates = list(ours.handlers), ours.level, ours.propagate
    yield
    ours.handlers[:], ours.propagate = handlers, propagates
    ours.setLevel(level)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory):
    """A tiny bundle; see tiny_bundle.py."""
    pytest.importorskip("onnx")
    from tiny_bundle import make_bundle

    return make_bundle(tmp_path_factory.mktemp("bundles") / "test")


@pytest.fixture(scope="session", autouse=True)
def user_folders(tmp_path_factory: pytest.TempPathFactory):
    """Caches and state of the tests are theirs, not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
        yield
