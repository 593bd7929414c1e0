# SPDX-License-Identifier: Apache-2.0
"""`ros2 launch liv_ros reward.launch.py` as on a robot; needs launch_ros and ros2cli, which have no wheels."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import cv2
import numpy as np
import pytest

pytestmark = [pytest.mark.ros, pytest.mark.launch, pytest.mark.slow]
ROS2 = [sys.executable, "-c", "import sys; from ros2cli.cli import main; sys.exit(main())"]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(200):
        cv2.imwrite(str(folder / f"{i}.jpg"), np.full((48, 64, 3), i, np.uint8))
    return folder


def ros2(*words, timeout_s=30):
    return subprocess.run([*ROS2, *words], capture_output=True, text=True, timeout=timeout_s).stdout


def wait_for(log, text, within_s=40):
    deadline = time.monotonic() + within_s
    while text not in log.read_text():
        assert time.monotonic() < deadline, f"no {text!r} in:\n{log.read_text()}"
        time.sleep(0.1)


def test_launch_scores_takes_goals_and_respawns_with_the_last_one(environment, bundle, frames, tmp_path):
    log = tmp_path / "launch.log"
    arguments = [f"bundle:={bundle.path}", "camera:=/cam", "goal:=open the drawer", f"video:={frames}"]
    with log.open("wb") as out:
        launch = subprocess.Popen([*ROS2, "launch", "liv_ros", "reward.launch.py", *arguments], stdout=out, stderr=out)
    try:
        wait_for(log, "'open the drawer', familiarity 1.00")
        assert "is_first" in ros2("topic", "echo", "--once", "/liv/camera/reward", "liv_ros/msg/Reward")
        ros2("topic", "pub", "--once", "/liv/goal/text", "std_msgs/msg/String", "{data: close the drawer}")
        wait_for(log, "'close the drawer', familiarity 1.00")
        pid = re.search(r"\[encoder_node-1\]: process started with pid \[(\d+)\]", log.read_text())[1]
        os.kill(int(pid), signal.SIGKILL)
        wait_for(log, "process has died")
        deadline = time.monotonic() + 40
        while log.read_text().count("'close the drawer', familiarity") < 2:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    finally:
        launch.send_signal(signal.SIGINT)
        assert launch.wait(20) == 0
    assert log.read_text().count("'open the drawer', familiarity") == 1


def test_many_cameras_a_monitor_and_a_bag(environment, bundle, frames, tmp_path):
    log = tmp_path / "launch.log"
    arguments = [f"bundle:={bundle.path}", "cameras:=front=/cam,wrist=/wrist", "goal:=open the drawer"]
    arguments += [f"video:={frames}", "loop:=true", f"record:={tmp_path / 'bag'}", "respawn:=false"]
    with log.open("wb") as out:
        launch = subprocess.Popen([*ROS2, "launch", "liv_ros", "reward.launch.py", *arguments], stdout=out, stderr=out)
    try:
        wait_for(log, "cameras: /cam, /wrist")
        assert "camera: front" in ros2("topic", "echo", "--once", "/liv/front/reward", "liv_ros/msg/Reward")
        assert "camera: front" in ros2("topic", "echo", "--once", "/liv/front/task_state", "liv_ros/msg/TaskState")
    finally:
        launch.send_signal(signal.SIGINT)
        assert launch.wait(20) == 0
    recorded = (tmp_path / "bag" / "metadata.yaml").read_text()
    for topic in ("/cam", "/liv/active_goal", "/liv/front/embedding", "/liv/front/reward", "/liv/front/task_state"):
        assert f"name: {topic}\n" in recorded


def test_the_demo_plays_again_and_again(environment, tmp_path):
    log = tmp_path / "launch.log"
    with log.open("wb") as out:
        launch = subprocess.Popen([*ROS2, "launch", "liv_ros", "demo.launch.py"], stdout=out, stderr=out)
    try:
        wait_for(log, "'open the door', familiarity")
        assert "format: jpeg" in ros2(
            "topic", "echo", "--once", "/liv/camera/overlay", "sensor_msgs/msg/CompressedImage", "--no-arr"
        )
    finally:
        launch.send_signal(signal.SIGINT)
        assert launch.wait(20) == 0


def test_the_page_sets_goals_and_records(environment, bundle, frames, tmp_path):
    pytest.importorskip("fastapi")
    log = tmp_path / "launch.log"
    arguments = [f"bundle:={bundle.path}", "camera:=/cam", "goal:=open the drawer", f"video:={frames}", "loop:=true"]
    arguments += ["dashboard:=true", "dashboard_port:=0", f"record_folder:={tmp_path / 'bags'}"]
    with log.open("wb") as out:
        launch = subprocess.Popen([*ROS2, "launch", "liv_ros", "reward.launch.py", *arguments], stdout=out, stderr=out)
    try:
        wait_for(log, "the page: ")
        page = re.search(r"the page: (http://\S+)", log.read_text())[1]
        wait_for(log, "'open the drawer', familiarity 1.00")
        assert ask(page, "api/goal", {"text": "close the drawer"})["accepted"]
        assert ask(page, "api/status")["goal"]["text"] == "close the drawer"
        assert ask(page, "api/record", {"on": True})["on"]
        assert "is_first" in ros2("topic", "echo", "--once", "/liv/camera/reward", "liv_ros/msg/Reward")
        assert not ask(page, "api/record", {"on": False})["on"]
    finally:
        launch.send_signal(signal.SIGINT)
        assert launch.wait(20) == 0
    [bag] = (tmp_path / "bags").iterdir()
    assert "name: /liv/camera/reward\n" in (bag / "metadata.yaml").read_text()


def ask(page, path, content=None):
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(page + path, data=data, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_mistake_ends_the_launch(environment, tmp_path):
    log = tmp_path / "launch.log"
    command = [*ROS2, "launch", "liv_ros", "reward.launch.py", "bundle:=/none"]
    with log.open("wb") as out:
        subprocess.run(command, stdout=out, stderr=out, timeout=60)
    assert "expected a bundle folder, got no such folder" in log.read_text()


def test_every_node_runs_by_ros2_run(environment):
    for name in (
        "encoder_node",
        "reward_node",
        "monitor_node",
        "overlay_node",
        "video_node",
        "recorder_node",
        "dashboard_node",
    ):
        assert f"liv_ros {name}" in ros2("pkg", "executables", "liv_ros")
