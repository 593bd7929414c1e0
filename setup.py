# SPDX-License-Identifier: Apache-2.0
"""The same Python without ROS: ``pip install -e .`` on a workstation. Everything else about it is in pyproject.toml.

A colcon build does not read this file (package.xml says ament_cmake).
"""

import re
from pathlib import Path

from setuptools import setup

package_xml = Path(__file__).with_name("package.xml").read_text(encoding="utf-8")
setup(version=re.search(r"<version>(.+?)</version>", package_xml).group(1))
