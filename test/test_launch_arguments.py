# SPDX-License-Identifier: Apache-2.0
"""docs/launch.md has the arguments of the launch files, read without launch, which has no wheels."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = {"SHARE": Path(), "DEFAULT_TOPIC": "/camera/image_raw", "str": str}


def arguments(name):
    """By argument: its default and what it is."""
    body = ast.parse((ROOT / "launch" / name).read_text()).body
    [found] = [node.value for node in body if isinstance(node, ast.Assign) and node.targets[0].id == "ARGUMENTS"]
    return eval(compile(ast.Expression(found), name, "eval"), PLACES)


def documented(name):
    section = (ROOT / "docs" / "launch.md").read_text().split(f"## {name}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\| (.*) \|$", section, re.MULTILINE)
    return {argument: (default, what.replace(r"\|", "|")) for argument, default, what in rows}


@pytest.mark.parametrize("name", ["reward.launch.py", "demo.launch.py"])
def test_the_document_has_the_arguments_as_they_are(name):
    assert documented(name) == arguments(name)
