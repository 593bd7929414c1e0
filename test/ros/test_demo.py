# SPDX-License-Identifier: Apache-2.0
"""``liv demo`` as a user runs it, on a small recording."""

import json
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.ros


def demo(*words):
    return subprocess.run([sys.executable, "-m", "liv_model.cli", "demo", *words], capture_output=True, text=True)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    file = tmp_path_factory.mktemp("video") / "arm.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"mp4v"), 20.0, (64, 48))
    for i in range(40):
        picture = np.full((48, 64, 3), 20, np.uint8)
        cv2.circle(picture, (5 + i, 24), 6, (0, 200, 255), -1)
        writer.write(picture)
    writer.release()
    return file


def test_a_users_own_video(video, bundle, tmp_path):
    from liv_model.bags import open_bag, read_messages

    out = tmp_path / "out"
    result = demo(
        "--video", str(video), "--goal", "open the drawer", "--bundle", str(bundle.path), "-o", str(out), "--json"
    )
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["frames"] == 40
    assert (summary["goal"], summary["opposite"]) == ("open the drawer", "close the drawer")
    assert (summary["backend"], summary["precision"]) == ("openvino", "fp32")
    assert summary["model"] == bundle.identity
    assert -1 <= summary["voc"] <= 1
    assert -1 <= summary["voc_opposite"] <= 1
    latency = summary["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert summary["encode_ms"]["p50"] < latency["p50"]
    assert cv2.imread(str(out / "reward.png")) is not None
    with open_bag(out / "bag") as bag:
        counts = {connection.topic: connection.msgcount for connection in bag.connections}
    scored = 40 - summary["frames_dropped"]
    assert scored > 0
    assert counts["/camera/image/compressed"] == 40
    assert counts["/liv/camera/embedding"] == counts["/liv/camera/reward"] == scored
    assert counts["/liv/active_goal"] == 1
    metadata = yaml.safe_load((out / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert (metadata["storage_identifier"], metadata["message_count"]) == ("mcap", 41 + 2 * scored)
    rewards = [message for _, _, message in read_messages(out / "bag", ["/liv/camera/reward"])]
    assert [reward.is_first for reward in rewards] == [True] + [False] * (scored - 1)
    assert abs(sum(r.reward for r in rewards) - (rewards[-1].value - rewards[0].value)) < 1e-9
    assert "progress" in result.stderr  # plain lines, for there is no terminal
    again = demo("--video", str(out / "bag"), "--bundle", str(bundle.path), "-o", str(tmp_path / "again"), "--json")
    assert json.loads(again.stdout)["frames"] == 40  # its own bag is a recording like any other


def test_a_folder_that_is_not_a_demos_is_left_alone(video, bundle, tmp_path):
    workspace = tmp_path / "ws"
    for name in ("log", "src"):
        (workspace / name).mkdir(parents=True)
    (workspace / "src" / "mine.cpp").write_text("precious")
    words = ("--video", str(video), "--bundle", str(bundle.path))
    for folder in (workspace, workspace / "src", video.parent):
        result = demo(*words, "-o", str(folder))
        assert result.returncode == 2, result.stderr
    assert (workspace / "src" / "mine.cpp").read_text() == "precious"
    assert video.is_file()


def test_words_that_look_like_something_else(video, bundle, tmp_path):
    result = demo(
        "--video", str(video), "--bundle", str(bundle.path), "-o", str(tmp_path / "o"), "--goal", "[/x] $x_{ yes"
    )
    assert result.returncode == 0, result.stderr
    assert f"liv view {tmp_path}/o/bag" in result.stderr  # no page follows, for there is no terminal


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--goal", ""], "goal text: expected"),
        (["--goal", "very " * 99], "expected at most 8 tokens"),
        (["--video", "/none.mp4"], "no such file or folder"),
        (["--bundle", "/none"], "expected a bundle folder"),
        (["--output", "/usr"], "expected a new folder, or one of an earlier demo"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(video, bundle, tmp_path, words, message):
    result = demo("--video", str(video), "--bundle", str(bundle.path), "-o", str(tmp_path / "out"), *words)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert message in result.stderr.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())  # nothing half-written


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "a closed window"])
def test_it_ends_with_the_page(video, bundle, tmp_path, end):
    """Live: a goal that is set there is scored. The end is clean, and what was recorded there stays."""
    from liv_ros.demo import make_output

    httpx = pytest.importorskip("httpx")
    pytest.importorskip("fastapi")
    out, log = tmp_path / "out", tmp_path / "log.txt"
    words = ["demo", "--page", "--video", str(video), "--goal", "open the drawer", "--bundle", str(bundle.path)]
    with log.open("wb") as file:
        command = [sys.executable, "-m", "liv_model.cli", *words, "-o", str(out)]
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        said = wait_for(lambda: re.search(r"The page, live: (http://localhost:\d+/)", log.read_text()), process)
        client = httpx.Client(base_url=said[1], timeout=20)
        wait_for(lambda: (client.get("api/status").json()["goal"] or {}).get("text") == "open the drawer", process)
        assert client.post("api/goal", json={"text": "close the drawer"}).json()["accepted"]
        wait_for(lambda: client.get("api/episodes").json()[-1]["goal"] == "close the drawer", process)
        wait_for(lambda: client.get("api/status").json()["can"]["record"], process)
        recorded = client.post("api/record", json={"on": True}).json()["folder"]
        assert recorded.startswith(str(out / "recorded"))
    finally:
        process.send_signal(end)
        assert process.wait(40) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert not subprocess.run(["pgrep", "-f", str(out)], capture_output=True).stdout  # no node is left behind
    make_output(out, video)
    assert sorted(path.name for path in out.iterdir()) == ["log", "recorded"]


def wait_for(condition, process, within_s=90):
    deadline = time.monotonic() + within_s
    while not (result := condition()):
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return result
