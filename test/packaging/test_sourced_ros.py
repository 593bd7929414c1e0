# SPDX-License-Identifier: Apache-2.0
"""Where a ROS 2 installation is sourced, make builds and runs on it: its rclpy, its colcon, its numpy.

The installation here is made of the wheels, laid into a prefix of their own as a distribution would lay them, with the
numpy of Ubuntu 24.04.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.ros, pytest.mark.slow]

SYSTEM_NUMPY = "1.26.4" if sys.version_info < (3, 13) else "2.2.6"
BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"

SETUP = """\
export AMENT_PREFIX_PATH={prefix}${{AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}}
export CMAKE_PREFIX_PATH={prefix}${{CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}}
export PYTHONPATH={site}${{PYTHONPATH:+:$PYTHONPATH}}
export LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}
export PATH={prefix}/bin:$PATH
"""


@pytest.fixture(scope="module")
def ros(tmp_path_factory: pytest.TempPathFactory, sandbox: SimpleNamespace) -> Path:
    """The ``setup.bash`` of an installation."""
    prefix = tmp_path_factory.mktemp("opt") / "ros"
    requirements = ROOT / "requirements"
    sandbox.shell(
        f"{sys.executable} -m pip --python {BASE_PYTHON} install --ignore-installed --prefix {prefix}"
        f" numpy=={SYSTEM_NUMPY} -r {requirements / 'ros.txt'} -r {requirements / 'build.txt'}",
        prefix.parent,
        sandbox.environment_of_a_login(),
    )
    site = next(prefix.glob("lib/python3.*/site-packages"))
    libraries = ":".join(map(str, (prefix / "lib", *site.glob("ros_*.libs"))))
    setup = prefix / "setup.bash"
    setup.write_text(SETUP.format(prefix=prefix, site=site, libraries=libraries))
    return setup


@dataclass(frozen=True)
class Checkout:
    path: Path
    setup: Path
    sandbox: SimpleNamespace

    def run(self, command: str) -> str:
        """A command in the checkout, with the installation sourced."""
        environment = self.sandbox.environment_of_a_login() | {"PYTHON": str(BASE_PYTHON)}
        return self.sandbox.shell(f"source {self.setup} && {command}", self.path, environment, timeout_s=900)


@pytest.fixture(scope="module")
def checkout(ros: Path, tmp_path_factory: pytest.TempPathFactory, sandbox: SimpleNamespace) -> Checkout:
    path = sandbox.copy_checkout(tmp_path_factory.mktemp("checkout") / "liv_ros")
    built = Checkout(path, ros, sandbox)
    built.run("make build")
    return built


def test_ros_wheels_are_not_installed(checkout: Checkout) -> None:
    assert not (checkout.path / ".venv").exists()
    site = next((checkout.path / ".venv-ros").glob("lib/python3.*/site-packages"))
    names = {path.name for path in site.iterdir()}
    assert "openvino" in names
    assert not names & {"rclpy", "colcon_core", "numpy", "rosidl_parser"}


def test_the_numpy_of_the_installation_stays(checkout: Checkout) -> None:
    code = "import numpy, cv2; print(numpy.__version__)"
    assert checkout.run(f"scripts/run python3 -c '{code}'").strip() == SYSTEM_NUMPY


def test_messages_of_the_build_and_rclpy_of_the_installation(checkout: Checkout) -> None:
    code = "import rclpy; from liv_ros.msg import Reward; print(rclpy.__file__)"
    assert checkout.run(f"scripts/run python3 -c '{code}'").startswith(str(checkout.setup.parent))


def test_a_second_build_does_nothing(checkout: Checkout) -> None:
    assert checkout.run("make build") == ""


@pytest.mark.skipif(not (ROOT / "models" / "metaworld" / "liv.yaml").exists(), reason="no bundle in models/ yet")
def test_demo(checkout: Checkout) -> None:
    checkout.run("make demo")
    summary = json.loads((checkout.path / "demo_out" / "summary.json").read_text())
    assert summary["frames"] > 0
