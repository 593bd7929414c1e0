# SPDX-License-Identifier: Apache-2.0
"""An ordinary colcon workspace builds the package, plain and with links, and what it installs works."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(shutil.which("colcon") is None, reason="no colcon"),
]

EXECUTABLES = {"liv", "demo"} | {path.stem for path in (ROOT / "liv_ros").glob("*_node.py")}
INTERFACES = {(path.parent.name, path.stem) for folder in ("msg", "srv") for path in (ROOT / folder).iterdir()}


@dataclass(frozen=True)
class Workspace:
    path: Path
    links: bool
    sandbox: SimpleNamespace

    @property
    def prefix(self) -> Path:
        return self.path / "install" / "liv_ros"

    def run(self, command: str) -> str:
        """A command with the workspace sourced, from a folder where nothing can be imported by chance."""
        setup = self.path / "install" / "setup.bash"
        command = f"source {setup} && {command}"
        return self.sandbox.shell(command, Path("/"), self.sandbox.environment_without_build())

    def python(self, code: str) -> str:
        return self.run(f"python3 -c '{code}'")


@pytest.fixture(scope="module", params=["plain", pytest.param("links", marks=pytest.mark.slow)])
def workspace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sandbox: SimpleNamespace
) -> Workspace:
    # `make test` itself runs on a build with links: the one of this checkout.
    built = Workspace(tmp_path_factory.mktemp("workspace"), request.param == "links", sandbox)
    sandbox.copy_checkout(built.path / "src" / "liv_ros")
    options = "--symlink-install" if built.links else ""
    python = f"--cmake-args -DPython3_EXECUTABLE={sys.executable} -DBUILD_TESTING=OFF"
    sandbox.shell(f"colcon build {options} {python}", built.path, sandbox.environment_without_build())
    return built


def test_messages_and_services_can_be_imported(workspace: Workspace) -> None:
    for kind, name in sorted(INTERFACES):
        assert (workspace.prefix / "share" / "liv_ros" / kind / f"{name}.{kind}").is_file()
    imports = "; ".join(f"from liv_ros.{kind} import {name}" for kind, name in sorted(INTERFACES))
    code = f"{imports}; from rclpy.serialization import serialize_message as s; print(len(s(Reward())))"
    assert int(workspace.python(code)) > 0


def test_python_is_the_installed_one(workspace: Workspace) -> None:
    modules = "liv_model.cli, liv_ros, liv_ros.msg"
    code = f"import json, {modules}; print(json.dumps([module.__file__ for module in ({modules})]))"
    for file in json.loads(workspace.python(code)):
        assert Path(file).is_relative_to(workspace.prefix)
        if "msg" not in Path(file).parts:
            assert Path(file).is_symlink() == workspace.links


def test_the_page_is_installed_whole(workspace: Workspace) -> None:
    static = ROOT / "liv_web" / "static"
    suffixes = {".html", ".css", ".js", ".svg", ".woff2"}
    expected = {f.relative_to(static).as_posix() for f in static.rglob("*") if f.suffix in suffixes}
    code = "import json; from liv_web.static_files import StaticFiles; print(json.dumps(StaticFiles().names))"
    assert expected <= set(json.loads(workspace.python(code)))


def test_executables_use_the_python_of_the_environment(workspace: Workspace) -> None:
    folder = workspace.prefix / "lib" / "liv_ros"
    assert {path.name for path in folder.iterdir()} == EXECUTABLES
    for path in (*folder.iterdir(), workspace.prefix / "bin" / "liv"):
        assert path.read_text().startswith("#!/usr/bin/env python3\n")
        assert os.stat(path).st_mode & stat.S_IXUSR, f"{path} cannot be executed"


def test_every_executable_finds_its_module(workspace: Workspace) -> None:
    nodes = sorted(EXECUTABLES - {"liv"})
    workspace.python("; ".join(f"from liv_ros.{node} import main" for node in nodes))


def test_liv_is_on_the_path(workspace: Workspace) -> None:
    assert "liv reward" in workspace.run("liv --help")


def test_share_has_launch_config_and_models(workspace: Workspace) -> None:
    sources = workspace.path / "src" / "liv_ros"
    share = workspace.prefix / "share" / "liv_ros"
    for folder in ("launch", "config", "models"):
        for source in (path for path in (sources / folder).rglob("*") if path.is_file()):
            assert (share / source.relative_to(sources)).is_file()
    assert not list(share.rglob("__pycache__"))


def test_training_is_not_put_on_robots(workspace: Workspace) -> None:
    assert not list(workspace.prefix.glob("lib/python*/site-packages/training"))
