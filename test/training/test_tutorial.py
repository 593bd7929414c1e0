# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/training.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("onnxscript")

from liv_model.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]
CPU_S = 3 * 60 * 2  # three minutes of two cores


def tutorial() -> str:
    section = (ROOT / "docs/training.md").read_text(encoding="utf-8").split("## Tutorial")[1]
    return re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1]


def run(commands: str, folder: Path) -> None:
    """In a checkout, as far as the commands can see, with the entry point that an installation has."""
    (folder / "training").symlink_to(ROOT / "training")
    (folder / "bin").mkdir()
    liv = folder / "bin/liv"
    liv.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m liv_model.cli "$@"\n')
    liv.chmod(0o755)
    environment = {**os.environ, "PATH": f"{liv.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def report(folder: Path) -> dict:
    return json.loads((folder / "reports/tutorial/report.json").read_text())


@pytest.mark.simulation
@pytest.mark.timeout(1800)
def test_the_tutorials_commands_work(tmp_path):
    """All of them, of fewer episodes and steps: what comes out has learned nothing."""
    commands = re.sub(r"--episodes-per-task \d+", "--episodes-per-task 1", tutorial())
    commands = commands.replace("-o runs/tutorial", "-o runs/tutorial --set steps=20 --set validate_every=10")
    assert commands.count("--episodes-per-task 1") == 3 and commands.count("steps=20") == 1
    run(commands, tmp_path)
    assert {i.task for i in Bundle.load(tmp_path / "models/tutorial").instructions} == {"door-open", "door-close"}
    assert report(tmp_path)["episodes"] == 6


@pytest.mark.slow
@pytest.mark.simulation
def test_the_tutorial_gives_a_model_in_three_minutes(tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(tutorial(), tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU_S
    found = report(tmp_path)
    assert found["overall"]["language_voc"]["mean"] > 0.7
    assert found["overall"]["top1"]["mean"] > 0.7
    thresholds = Bundle.load(tmp_path / "models/tutorial").manifest["provenance"]["task_state"]
    assert thresholds["fitted_on"] == "validation" and thresholds["failures"] == 8
