# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from child_process import child
from numbered_frames import numbers, write_pictures, write_video

import training
from liv_model import cli
from liv_model.errors import DataError
from training.augment import AugmentConfig
from training.episodes import EpisodeStore
from training.import_episodes import main as import_episodes
from training.sampler import Sampler, SamplerConfig
from training.show_episodes import main as show

ROOT = Path(training.__file__).parents[1]
SMALL = ["--size", "16", "--json"]


def write_csv(path, *rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(capsys, *words):
    """Exit code and summary of an import; a store in the current folder is meant by ``-o``."""
    code = import_episodes([str(word) for word in words] + SMALL)
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def robot(tmp_path):
    """The reference layout: four videos of an older machine, two of them bad."""
    root = tmp_path / "robot"
    for number, count in enumerate((5, 6, 2, 4)):
        write_pictures(root / f"video{number}", range(count), ".png" if number else ".jpg")
    row = {"": 0, "directory": "/home/somebody/robot/video0/", "num_frames": 5, "text": "put the apple in the pot"}
    write_csv(
        root / "manifest.csv",
        row,
        {**row, "directory": "video1", "num_frames": "", "text": "  Close  the drawer "},
        {**row, "directory": "video2", "num_frames": 2},
        {**row, "directory": "video3", "num_frames": 7},
        {**row, "directory": "video9"},
    )
    return root


def test_the_reference_layout(robot, tmp_path, capsys):
    store = tmp_path / "store"
    code, summary = run(capsys, "manifest", robot, "-o", store)
    assert code == 0 and (summary["added"], summary["skipped"], summary["frames_added"]) == (2, 0, 11)
    assert [(bad["row"], bad["source"]) for bad in summary["bad"]] == [
        (4, "robot/video2"),
        (5, "robot/video3"),
        (6, "robot/video9"),
    ]
    assert "expected at least 3, got 2" in summary["bad"][0]["reason"]
    assert "missing 4, 5, 6" in summary["bad"][1]["reason"]
    assert "no such folder" in summary["bad"][2]["reason"]
    first, second = EpisodeStore(store)
    assert (first.text, first.source, first.outcome) == ("put the apple in the pot", "robot/video0", "success")
    assert first.task == "put-the-apple-in-the-pot"
    assert (second.text, second.task, second.source) == ("Close the drawer", "drawer-close", "robot/video1")
    assert numbers(first.frames) == list(range(5)) and numbers(second.frames) == list(range(6))
    assert first.time_s == pytest.approx(np.arange(5) / 10)


def test_the_same_command_again_goes_on(robot, tmp_path, capsys):
    store = tmp_path / "store"
    assert run(capsys, "manifest", robot, "-o", store, "--limit", 1)[1]["added"] == 1
    frames = (store / "frames.bin").read_bytes()
    code, summary = run(capsys, "manifest", robot, "-o", store)
    assert code == 0 and (summary["added"], summary["skipped"], len(summary["bad"])) == (1, 1, 3)
    assert (store / "frames.bin").read_bytes().startswith(frames)
    assert [record.source for record in EpisodeStore(store).records] == ["robot/video0", "robot/video1"]
    assert run(capsys, "manifest", robot, "-o", store, "--name", "other")[1]["added"] == 2


def test_imported_episodes_are_learned_from(robot, tmp_path, capsys):
    run(capsys, "manifest", robot, "-o", tmp_path / "store")
    sampler = Sampler(EpisodeStore(tmp_path / "store"), (), SamplerConfig(), AugmentConfig(), 0)
    batch = sampler.batch(0, 4)
    assert batch.images.shape == (5, 4, 16, 16, 3)
    assert set(batch.texts) <= {"put the apple in the pot", "Close the drawer"}


EPIC = {"narration_id": "P01_01_0", "participant_id": "P01", "video_id": "P01_01"}


def test_epic_annotations_over_pictures(tmp_path, capsys):
    write_pictures(tmp_path / "P01/rgb_frames/P01_01", range(1, 31), name="frame_{:010d}")
    row = {**EPIC, "start_frame": 8, "stop_frame": 12, "narration": "open door"}
    table = write_csv(
        tmp_path / "EPIC_100_train.csv",
        row,
        {**row, "start_frame": 27, "stop_frame": 29, "narration": "turn on light"},
        {**row, "start_frame": 27, "stop_frame": 30},
        {**row, "start_frame": 12, "stop_frame": 8},
        {**row, "start_frame": "soon"},
        {**row, "stop_frame": ""},
        {**row, "video_id": "P01_02"},
        row,
    )
    code, summary = run(capsys, "epic", table, "-o", tmp_path / "store", "--name", "epic")
    assert code == 0 and summary["added"] == 2
    first, second = EpisodeStore(tmp_path / "store")
    assert (first.source, first.text) == ("epic/P01_01 8-12", "open door")
    assert numbers(first.frames) == [9, 10, 11, 12, 13]  # file i + 1 is frame i
    assert numbers(second.frames) == [28, 29, 30]
    assert first.time_s == pytest.approx(np.arange(5) / 60)
    reasons = {bad["row"]: bad["reason"] for bad in summary["bad"]}
    assert "missing 31" in reasons[4]
    assert "stop_frame: expected one after start_frame 12, got 8" in reasons[5]
    assert "start_frame: expected a number of 0 or more, got 'soon'" in reasons[6]
    assert "stop_frame: expected a whole number, got an empty cell" in reasons[7]
    assert "video P01_02: expected frames in" in reasons[8]
    assert reasons[9] == "the same as row 2"


@pytest.mark.parametrize("place", ["P01/videos/P01_01.MP4", "P01_01.avi"])
def test_epic_annotations_over_videos(tmp_path, capsys, place):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    write_video(tmp_path / place, 30)
    row = {**EPIC, "start_frame": 8, "stop_frame": 12, "narration": "open door"}
    table = write_csv(tmp_path / "a.csv", row, {**row, "stop_frame": 31})
    _, summary = run(capsys, "epic", table, "-o", tmp_path / "store", "--rate-hz", 10)
    assert "expected frames up to 31, got 30 frames" in summary["bad"][0]["reason"]
    (episode,) = EpisodeStore(tmp_path / "store")
    assert numbers(episode.frames) == [8, 10, 12] and episode.time_s == pytest.approx([0, 0.1, 0.2])


def test_videos_with_captions(tmp_path, capsys):
    videos = tmp_path / "videos"
    videos.mkdir()
    write_video(videos / "a.mp4", 40)
    write_pictures(videos / "pictures", range(12))
    (videos / "broken.mp4").write_bytes(b"nothing")
    row = {"path": "a.mp4", "text": "open the drawer", "start_s": "", "stop_s": "", "success": "", "task": ""}
    table = write_csv(
        tmp_path / "captions.csv",
        row,
        {**row, "start_s": 0.5, "stop_s": 1.0, "success": "false"},
        {**row, "start_s": 1.8, "task": "drawer-open", "success": "1"},
        {**row, "path": "pictures", "start_s": 0.2, "stop_s": 0.6},
        {**row, "path": "broken.mp4"},
        {**row, "path": "none.mp4"},
        {**row, "start_s": 2, "stop_s": 1},
        {**row, "start_s": 1, "stop_s": 9},
        {**row, "path": ""},
    )
    code, summary = run(capsys, "captions", table, "--root", videos, "-o", tmp_path / "store")
    whole, part, rest, folder = EpisodeStore(tmp_path / "store")
    assert code == 0 and numbers(whole.frames) == list(range(40))
    assert numbers(part.frames) == list(range(10, 21)) and part.outcome == "failure"
    assert part.source == "videos/a.mp4 0.5-1.0 s"
    assert numbers(rest.frames) == [36, 37, 38, 39] and (rest.task, rest.outcome) == ("drawer-open", "success")
    assert numbers(folder.frames) == [2, 3, 4, 5, 6]
    assert [bad["row"] for bad in summary["bad"]] == [6, 7, 8, 9, 10]


def test_a_dry_run_lists_and_writes_nothing(robot, tmp_path, capsys):
    store = tmp_path / "store"
    code, summary = run(capsys, "manifest", robot, "-o", store, "--dry-run")
    assert code == 0 and not store.exists() and (summary["added"], len(summary["bad"])) == (2, 3)
    assert [(e["source"], e["frames"]) for e in summary["episodes"]] == [("robot/video0", 5), ("robot/video1", 6)]
    assert import_episodes(["manifest", str(robot), "-o", str(store), "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "robot/video0  5 frames  success  put the apple in the pot" in printed.out
    assert "2 episodes would be added (11 frames), 0 were there, 3 left out" in printed.out
    assert "left out: row 4 (robot/video2): frames: expected at least 3, got 2" in printed.err


def test_missing_texts_stop_the_run_before_anything_is_written(robot, tmp_path, capsys):
    row = {"directory": "video0", "num_frames": 5, "text": "put the apple in the pot"}
    write_csv(robot / "manifest.csv", row, {**row, "text": " "}, row, {**row, "text": "?!"})
    words = ["episodes", "import", "manifest", str(robot), "-o", str(tmp_path / "store")]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "expected words in column 'text' of every row, got none in 2 of 4: line 3, 5" in error
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("directory,num_frames\nvideo0,5\n", "got directory, num_frames: no text"),
        ("directory,num_frames,text\n", "expected at least one row, got an empty data set"),
        ("", "got none: no directory, num_frames, text"),
        (b"\xff\xfe\x00", "expected a table"),
        ("directory,num_frames,text,outcome\nvideo0,5,open it,perhaps\n", "outcome in row 2: expected success, "),
        (None, "got No such file or directory"),
    ],
)
def test_a_table_that_is_none_stops_the_run(tmp_path, table, message):
    path = tmp_path / "manifest.csv"
    if table is not None:
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(DataError, match=message):
        import_episodes(["manifest", str(path), "-o", str(tmp_path / "store")])
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate-hz", "0"], "--rate-hz: expected a number above 0"),
        (["--limit", "-1"], "--limit: expected"),
        (["--root", "elsewhere"], "--root: expected no such option with manifest"),
    ],
)
def test_wrong_options_are_refused(robot, tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        import_episodes(["manifest", str(robot), "-o", str(tmp_path / "store"), *options])


def test_nothing_taken_is_exit_code_1(robot, tmp_path, capsys):
    write_csv(robot / "manifest.csv", {"directory": "video9", "num_frames": 5, "text": "open it"})
    assert run(capsys, "manifest", robot, "-o", tmp_path / "store")[0] == 1
    with pytest.raises(DataError, match="successful episodes of every task, got none of any"):
        Sampler(EpisodeStore(tmp_path / "store"), (), SamplerConfig(), AugmentConfig(), 0)


def test_a_store_of_another_size_is_refused(robot, tmp_path, capsys):
    run(capsys, "manifest", robot, "-o", tmp_path / "store")
    with pytest.raises(DataError, match="frames of 16x16, as those it has, got 24x24"):
        import_episodes(["manifest", str(robot), "-o", str(tmp_path / "store"), "--size", "24"])


def test_ctrl_c_leaves_a_store_that_the_same_command_goes_on_with(tmp_path, capsys):
    root = tmp_path / "many"
    write_pictures(root / "video", range(150))
    rows = [{"directory": "video", "num_frames": 150, "text": f"move it {n} times"} for n in range(300)]
    write_csv(root / "manifest.csv", *rows)
    words = ["episodes", "import", "manifest", str(root), "-o", str(tmp_path / "store"), "--size", "16"]
    index = tmp_path / "store" / "index.jsonl"
    command = [sys.executable, "-m", "liv_model.cli", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with child(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment) as process:
        deadline = time.monotonic() + 60
        while not (index.exists() and index.read_bytes().count(b"\n") > 3) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on from here" in error and "Traceback" not in error
    store = EpisodeStore(tmp_path / "store")
    store.verify()
    before = len(store)
    assert 3 <= before < 300
    _, summary = run(capsys, *words[2:6], "--limit", before + 2)
    assert (summary["skipped"], summary["added"]) == (before, 2)


def test_show_tells_what_a_store_holds(robot, tmp_path, capsys):
    store = tmp_path / "store"
    run(capsys, "manifest", robot, "-o", store)
    assert show([str(store), "--json", "--verify"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["episodes"], about["frames"], about["width"], about["bytes"]) == (2, 11, 16, 11 * 16 * 16 * 3)
    assert about["length"] == {"least": 5, "median": 6, "greatest": 6} and about["sources"] == {"robot": 2}
    assert about["tasks"]["drawer-close"] == {
        "texts": ["Close the drawer"],
        "frames": 6,
        "outcomes": {"success": 1},
    }
    assert show([str(store), "--verify"]) == 0
    printed = capsys.readouterr().out
    assert "2 episodes, 11 frames of 16x16" in printed and "every checksum is right" in printed


def test_show_finds_altered_frames(robot, tmp_path, capsys):
    store = tmp_path / "store"
    run(capsys, "manifest", robot, "-o", store)
    data = bytearray((store / "frames.bin").read_bytes())
    data[5 * 16 * 16 * 3 + 7] ^= 1
    (store / "frames.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"episode 1 \(drawer-close, success, robot/video1\) of .*: expected frames"):
        show([str(store), "--verify"])


def test_an_empty_store_can_be_shown(robot, tmp_path, capsys):
    write_csv(robot / "manifest.csv", {"directory": "video9", "num_frames": 5, "text": "open it"})
    run(capsys, "manifest", robot, "-o", tmp_path / "store")
    assert show([str(tmp_path / "store")]) == 0
    assert "0 episodes, 0 frames" in capsys.readouterr().out
