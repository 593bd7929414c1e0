# SPDX-License-Identifier: Apache-2.0
"""The live example as people run it: a cloned policy closes the loop, and the monitor says when it is done."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from bag_world import Robot

from examples.live_policy import run as live
from examples.live_policy.report import report
from liv_model.cloned_policy import Policy
from liv_model.errors import ConfigError, MediaError
from liv_ros.node_process import NodeProcess

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "examples" / "live_policy" / "policy.npz"
SUCCEEDED = 4


def run(*words):
    command = [sys.executable, "-m", "examples.live_policy.run", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "LP_NUM_THREADS": "1"})


@pytest.mark.simulation
@pytest.mark.slow
def test_the_policy_closes_the_drawer_and_the_monitor_says_so(tmp_path):
    output = tmp_path / "live"
    result = run("-o", str(output))
    assert result.returncode == 0, result.stderr
    summary = json.loads((output / "summary.json").read_text())
    assert json.loads(result.stdout) == {"monitor_succeeded": True, **summary}
    assert 0 < summary["simulator_done_s"] < summary["monitor_succeeded_s"]
    assert summary["commands"] >= summary["pictures"] - 1  # every picture was answered
    assert "holding still" not in (output / "log" / "simulator_node.log").read_text()
    assert "[WARN]" not in (output / "log" / "policy_node.log").read_text()
    assert 0 < (output / "live.webp").stat().st_size < 3e6 and (output / "bag" / "metadata.yaml").is_file()


@pytest.mark.simulation
@pytest.mark.slow
def test_the_opposite_goal_is_not_said_to_have_succeeded(tmp_path):
    result = run("--goal", "open the drawer", "--steps", "30", "-o", str(tmp_path / "live"))
    assert result.returncode == 1, result.stderr
    assert not json.loads(result.stdout)["monitor_succeeded"]


# --- what is refused before anything starts --------------------------------------------------------------------------


@pytest.fixture
def refused(monkeypatch, tmp_path, capsys):
    """The line that a command is refused with; nothing was started and no folder made."""
    monkeypatch.setattr(live, "isolate", lambda: None)
    monkeypatch.setattr(live, "play", lambda *_: pytest.fail("started"))

    def refused(*words):
        output = tmp_path / "live"
        assert live.main(["-o", str(output), *words]) == 2 and not output.exists()
        [line] = capsys.readouterr().err.splitlines()
        return line

    return refused


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--steps", "-5"], "--steps: expected 1 or more, got -5"),
        (["--steps", "0"], "--steps: expected 1 or more, got 0"),
        (["--seed", "-1"], "--seed: expected 0 or more, got -1"),
        (["--task", "drawer-shut"], "drawer-shut"),
        (
            ["--task", "reach"],
            "--task reach: expected one that the policy knows: close the drawer | close the window |",
        ),
        (["--policy", "nowhere.npz"], "nowhere.npz: expected an .npz of liv imitate"),
        (["-o", str(POLICY / "below")], "a folder to write into, got Not a directory"),
        (["-o", str(ROOT / "examples")], "a new folder, or one of an earlier run, got other files"),
    ],
)
def test_mistakes_are_one_line(refused, words, told):
    assert told in refused(*words)


def test_a_policy_of_another_model_is_refused(refused, tmp_path):
    replace(Policy.load(POLICY), model="other@1").save(tmp_path / "other.npz")
    assert "expected one cloned on metaworld@" in refused("--policy", str(tmp_path / "other.npz"))


def test_the_simulator_refuses_numbers_that_mean_nothing(tmp_path):
    for name, value in (("steps", 0), ("seed", -1), ("patience_s", 0.0)):
        log = tmp_path / f"{name}.log"
        process = NodeProcess("simulator_node", {name: value}, log, namespace="/liv", package="examples.live_policy")
        assert process.wait(60) == 2 and f"parameter {name}: expected" in process.last_line


# --- the folder ------------------------------------------------------------------------------------------------------


def test_the_folder_of_a_run_that_failed_at_once_is_made_anew(tmp_path):
    output = live.make_output(tmp_path / "live")
    for name in ("log/encoder_node.log", "bag/bag_0.mcap", "summary.json", "live.webp"):
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).write_text("of before")
    live.make_output(output)
    assert sorted(path.name for path in output.iterdir()) == [live.MARKER, "log"]
    assert not any((output / "log").iterdir())
    live.make_output(output)


@pytest.mark.parametrize("is_of_a_run", [False, True])
def test_other_peoples_files_are_left_alone(tmp_path, is_of_a_run):
    if is_of_a_run:
        live.make_output(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(MediaError, match=r"got other files: thesis.txt; empty it, or name another with -o"):
        live.make_output(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        with pytest.raises(ConfigError, match=r"-o .*a folder to write into"):
            live.make_output(tmp_path / place)


# --- what came of it -------------------------------------------------------------------------------------------------


def recorded(path, *, done, said):
    """A bag of ten pictures, 50 ms apart: the numbers of those that the simulator and the monitor saw done."""
    stamps = []
    with Robot(path / "bag") as robot:
        robot.goal("close the drawer")
        for number in range(10):
            robot.show(np.zeros((32, 32, 3), np.uint8))
            stamps.append(robot.now_ns - 10**6)
            if number in said:
                robot.publish(
                    "/liv/camera/task_state",
                    "liv_ros/msg/TaskState",
                    header=robot.header(),
                    camera="camera",
                    goal_id=robot.goal_id,
                    state=SUCCEEDED,
                    progress=1.0,
                    rate=0.0,
                    message="",
                )
        for number in done:  # they came late
            robot.publish("/arm/done", "std_msgs/msg/Header", **vars(robot.header(stamps[number])))
    return (np.array(stamps) - stamps[0]) / 1e9


@pytest.mark.parametrize("done", [range(3, 10), [3, 5], [9, 3]])
def test_the_simulators_word_is_timed_by_its_stamp_whatever_was_lost_or_late(tmp_path, done):
    time_s = recorded(tmp_path, done=done, said=[8])
    summary = report(tmp_path, "close the drawer")
    assert summary["simulator_done_s"] == pytest.approx(time_s[3], abs=0.006)
    assert summary["monitor_succeeded_s"] == pytest.approx(time_s[8], abs=0.006)


def test_what_nobody_said_is_none(tmp_path):
    recorded(tmp_path, done=[], said=[])
    summary = report(tmp_path, "close the drawer")
    assert summary["simulator_done_s"] is None and summary["monitor_succeeded_s"] is None


@pytest.mark.parametrize(
    ("monitor", "done_s", "code", "told"),
    [
        (True, 1.5, 0, ""),
        (False, None, 1, ""),
        (True, None, 1, "monitor_node said succeeded, but the simulator did not see drawer-close done"),
        (False, 0.0, 1, "monitor_node did not say succeeded, but the simulator saw drawer-close done at 0.0 s"),
    ],
)
def test_all_is_well_where_monitor_and_simulator_agree_on_success(capsys, monitor, done_s, code, told):
    assert live.verdict("drawer-close", monitor, done_s) == code
    assert capsys.readouterr().err.strip() == (f"live_policy: {told}" if told else "")
