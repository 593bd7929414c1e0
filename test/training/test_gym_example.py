# SPDX-License-Identifier: Apache-2.0
"""The example of LIV as a reward in Gymnasium: an environment that the shipped model can read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gymnasium")

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.simulation


def run(*words):
    command = [sys.executable, "examples/gym_reward.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def rise(*words):
    told = run(*words)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1].startswith("done after")
    return float(re.search(r"the value rose by (\S+)", told.stdout).group(1))


def test_the_value_of_what_the_arm_does_rises_and_that_of_the_opposite_does_not():
    assert rise() > 0.4 > 0.2 > rise("--goal", "open the drawer")


def test_a_task_that_is_none_is_a_line():
    told = run("--task", "drawer")
    assert told.returncode == 2 and "drawer-close" in told.stderr and "Traceback" not in told.stderr
