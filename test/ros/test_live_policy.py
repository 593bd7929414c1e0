# SPDX-License-Identifier: Apache-2.0
"""The live example as people run it: a cloned policy closes the loop, and the monitor says when it is done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ros, pytest.mark.simulation, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


def run(*words):
    command = [sys.executable, "-m", "examples.live_policy.run", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "LP_NUM_THREADS": "1"})


def test_the_policy_closes_the_drawer_and_the_monitor_says_so(tmp_path):
    output = tmp_path / "live"
    result = run("-o", str(output))
    assert result.returncode == 0, result.stderr
    summary = json.loads((output / "summary.json").read_text())
    assert summary["simulator_done_s"] < summary["monitor_succeeded_s"]
    assert summary["commands"] >= summary["pictures"] - 1  # every picture was answered
    assert "holding still" not in (output / "log" / "simulator_node.log").read_text()
    assert 0 < (output / "live.webp").stat().st_size < 3e6 and (output / "bag" / "metadata.yaml").is_file()


def test_the_opposite_goal_is_not_said_to_have_succeeded(tmp_path):
    result = run("--goal", "open the drawer", "--steps", "30", "-o", str(tmp_path / "live"))
    assert result.returncode == 1, result.stderr


def test_mistakes_are_one_line(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    result = run("-o", str(tmp_path / "mine"))
    assert result.returncode == 2 and "other files" in result.stderr and "Traceback" not in result.stderr
    result = run("--task", "drawer-shut", "-o", str(tmp_path / "live"))
    assert result.returncode == 2 and "drawer-shut" in result.stderr and "Traceback" not in result.stderr
