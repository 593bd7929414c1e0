# SPDX-License-Identifier: Apache-2.0
"""Copies of the checkout, and commands in environments that know nothing of the one the tests run in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]


def copy_checkout(destination: Path) -> Path:
    """Copy what git knows or would add: no environment, no build."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (source := ROOT / name).is_file():
            target = destination / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return destination


def environment_without_build() -> dict[str, str]:
    """This process's environment, less what ``install/`` and the checkout put on the paths."""

    def is_ours(entry: str) -> bool:
        return entry == str(ROOT) or entry.startswith(str(ROOT / "install"))

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COLCON_", "PYTEST_", "MAKE", "MFLAGS"))}
    for name, value in environment.items():
        if name.endswith("PATH"):
            environment[name] = os.pathsep.join(entry for entry in value.split(os.pathsep) if not is_ours(entry))
    return environment


def environment_of_a_login() -> dict[str, str]:
    """An environment as after a login: no ROS, no virtual environment."""
    path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(str(ROOT))]
    kept = ("HOME", "LANG", "USER", "CXX")
    settings = {
        k: v for k, v in os.environ.items() if k in kept or k.startswith(("PIP_", "SSL_")) or "proxy" in k.lower()
    }
    return settings | {"PATH": os.pathsep.join(path)}


def shell(command: str, cwd: Path, environment: Mapping[str, str], timeout_s: float = 500) -> str:
    """Run a bash command; returns what it printed, and fails with it unless it exits with 0.

    It has less time than the test (pyproject.toml), so that its own output is seen.
    """
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{command!r} exited with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def sandbox() -> SimpleNamespace:
    """The functions of this file."""
    return SimpleNamespace(
        copy_checkout=copy_checkout,
        environment_without_build=environment_without_build,
        environment_of_a_login=environment_of_a_login,
        shell=shell,
    )
