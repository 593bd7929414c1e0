# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import training
from liv_model.errors import DataError
from training.episodes import Episode, EpisodeStore, EpisodeWriter, task_name

H, W = 6, 8


def make(seed: int, frames: int = 5, outcome: str = "success") -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        frames=rng.integers(0, 256, (frames, H, W, 3), dtype=np.uint8),
        time_s=np.arange(frames) / 30,
        text="open the drawer",
        task="drawer-open",
        outcome=outcome,
        seed=seed,
        camera="front",
        source="noise",
    )


def write(path, *episodes: Episode) -> None:
    with EpisodeWriter(path, H, W) as writer:
        for episode in episodes:
            writer.append(episode)


@pytest.fixture
def three(tmp_path):
    """A store of three episodes of different lengths, and the episodes."""
    episodes = [make(0, 5), make(1, 3, "random"), make(2, 7)]
    write(tmp_path / "store", *episodes)
    return tmp_path / "store", episodes


def same(a: Episode, b: Episode) -> bool:
    plain = [replace(e, frames=np.zeros((1, 1, 1, 3), np.uint8), time_s=np.zeros(1)) for e in (a, b)]
    arrays = np.array_equal(a.frames, b.frames) and np.array_equal(a.time_s, b.time_s)
    return arrays and all(getattr(plain[0], n) == getattr(plain[1], n) for n in ("text", "task", "outcome", "seed"))


def test_what_is_written_is_read(three):
    path, episodes = three
    store = EpisodeStore(path)
    assert len(store) == 3 and store.frame_count == 15 and (store.height, store.width) == (H, W)
    assert all(same(a, b) for a, b in zip(store, episodes, strict=True))
    assert store[0].time_s.dtype == np.float64
    store.verify()


def test_any_frame_is_read_without_the_others(three):
    path, episodes = three
    store = EpisodeStore(path)
    record = store.records[2]
    assert np.array_equal(store.frames[record.start + 4], episodes[2].frames[4])
    assert same(store[-1], episodes[2])


def test_frames_are_a_read_only_memory_map(three):
    frames = EpisodeStore(three[0])[1].frames
    assert isinstance(frames, np.memmap) and not frames.flags.writeable


def test_pages_can_be_let_go_of(three):
    path, episodes = three
    store = EpisodeStore(path)
    view = store[2].frames
    assert np.array_equal(view, episodes[2].frames)
    store.release()
    assert np.array_equal(view, episodes[2].frames) and np.array_equal(store[0].frames, episodes[0].frames)


def test_episodes_are_selected_by_task_and_outcome(three):
    store = EpisodeStore(three[0])
    assert store.select(outcome="success") == [0, 2]
    assert store.select(task="drawer-open", outcome="random") == [1]
    assert store.select(task="door-open") == []


def test_a_store_grows(three):
    path, episodes = three
    before = EpisodeStore(path)
    write(path, make(3))
    assert len(before) == 3 and same(before[2], episodes[2])
    after = EpisodeStore(path)
    assert len(after) == 4 and same(after[3], make(3))


def test_an_empty_store_can_be_read(tmp_path):
    write(tmp_path)
    store = EpisodeStore(tmp_path)
    assert len(store) == 0 and store.frames.shape == (0, H, W, 3)
    store.release()


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_torn_index_line_is_left_out_and_cut_off(three, cut):
    path, episodes = three
    index = path / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-cut])
    assert len(EpisodeStore(path)) == 2
    write(path, make(3))
    store = EpisodeStore(path)
    store.verify()
    assert [record.seed for record in store.records] == [0, 1, 3]
    assert same(store[1], episodes[1]) and same(store[2], make(3))
    assert (path / "frames.bin").stat().st_size == store.frame_count * H * W * 3


def test_frames_without_an_index_line_are_cut_off(three):
    path, _ = three
    with (path / "frames.bin").open("ab") as file:
        file.write(b"half an episode")
    assert len(EpisodeStore(path)) == 3
    write(path, make(3))
    EpisodeStore(path).verify()


def test_a_torn_header_is_written_anew(tmp_path):
    (tmp_path / "index.jsonl").write_bytes(b'{"format": 1, "hei')
    write(tmp_path, make(0))
    assert len(EpisodeStore(tmp_path)) == 1


WRITE_UNTIL_KILLED = """
import sys, numpy as np
from training.episodes import Episode, EpisodeWriter
with EpisodeWriter(sys.argv[1], 6, 8) as writer:
    for seed in range(1_000_000):
        frames = np.full((5, 6, 8, 3), seed % 256, np.uint8)
        writer.append(Episode(frames, np.arange(5.0), "open the drawer", "drawer-open", "success", seed, "front", "x"))
        print(seed, flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_episodes(tmp_path):
    root = Path(training.__file__).parents[1]
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline() for _ in range(6)]
        process.kill()
    assert told[-1].strip() == "5"
    count = len(EpisodeStore(tmp_path))
    assert count >= 6
    write(tmp_path, make(1_000_000))
    store = EpisodeStore(tmp_path)
    store.verify()
    assert len(store) == count + 1


def test_a_changed_byte_is_found(three):
    path, _ = three
    data = bytearray((path / "frames.bin").read_bytes())
    data[5 * H * W * 3 + 4] ^= 1
    (path / "frames.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"episode 1 \(drawer-open, random, seed 1\).*CRC-32"):
        EpisodeStore(path).verify()


def test_missing_frames_are_found_at_once(three):
    path, _ = three
    data = (path / "frames.bin").read_bytes()
    (path / "frames.bin").write_bytes(data[:-1])
    with pytest.raises(DataError, match=f"expected at least {len(data)} bytes for 3 episodes, got {len(data) - 1}"):
        EpisodeStore(path)
    with pytest.raises(DataError, match="at least"):
        EpisodeWriter(path, H, W)


def test_no_store_is_told_with_the_remedy(tmp_path):
    with pytest.raises(DataError, match="no such folder; make one with `liv episodes simulate`"):
        EpisodeStore(tmp_path / "none")
    with pytest.raises(DataError, match=r"no index\.jsonl in it"):
        EpisodeStore(tmp_path)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("", "got something else"),
        ("hello\n", "got something else"),
        ('{"format": 2, "height": 6, "width": 8}\n', "expected format 1, got format 2"),
        ('{"format": 1, "height": 6, "width": 8}\n{"text": 1}\n', "line 2: expected an episode"),
        ('{"format": 1, "height": 6, "width": 8}\n[]\n', "line 2: expected an episode"),
    ],
)
def test_an_altered_index_is_named(tmp_path, index, message):
    (tmp_path / "index.jsonl").write_text(index)
    (tmp_path / "frames.bin").touch()
    with pytest.raises(DataError, match=message):
        EpisodeStore(tmp_path)


def test_a_missing_index_line_is_found(three):
    path, _ = three
    header, _, *rest = (path / "index.jsonl").read_text().splitlines(keepends=True)
    (path / "index.jsonl").write_text(header + "".join(rest))
    with pytest.raises(DataError, match=r"line 2: expected frames from 0 on"):
        EpisodeStore(path)


def test_a_file_that_is_no_index_is_left_alone(tmp_path):
    (tmp_path / "index.jsonl").write_text("somebody's\nown file")
    with pytest.raises(DataError, match="expected the index of an episode store"):
        EpisodeWriter(tmp_path, H, W)
    assert (tmp_path / "index.jsonl").read_text() == "somebody's\nown file"


def test_one_size_per_store(three):
    path, _ = three
    with pytest.raises(DataError, match="frames of 8x6, as those it has, got 9x6"):
        EpisodeWriter(path, H, W + 1)
    with EpisodeWriter(path, H, W) as writer, pytest.raises(DataError, match="frames of an episode"):
        writer.append(replace(make(9), frames=np.zeros((5, 7, 8, 3), np.uint8)))


def test_one_writer_at_a_time(three):
    path, _ = three
    with EpisodeWriter(path, H, W), pytest.raises(DataError, match="expected one writer"):
        EpisodeWriter(path, H, W)
    EpisodeWriter(path, H, W).close()


def test_an_episode_is_stored_once(three):
    with EpisodeWriter(three[0], H, W) as writer:
        assert ("drawer-open", "success", 2, "front", "noise") in writer.keys
        with pytest.raises(DataError, match="it twice"):
            writer.append(make(2))
        writer.append(make(2, outcome="truncated"))
        writer.append(replace(make(2), source="another recording"))


def test_a_full_disk_leaves_whole_episodes(three, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with EpisodeWriter(three[0], H, W) as writer, monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(DataError, match="got No space left on device; the episodes before this one are whole"):
            writer.append(make(3))
    write(three[0], make(4))
    store = EpisodeStore(three[0])
    store.verify()
    assert [record.seed for record in store.records] == [0, 1, 2, 4]


def test_a_recording_needs_no_more_than_frames_and_a_text():
    episode = Episode(make(0).frames, make(0).time_s, "Open the drawer!", task_name("Open the drawer!"))
    assert (episode.task, episode.outcome, episode.seed, episode.camera) == ("open-the-drawer", "success", 0, "")
    assert task_name("引き出しを 開ける") == "引き出しを-開ける"


def test_a_store_cannot_be_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="expected a folder that can be written"):
        EpisodeWriter(tmp_path / "file", H, W)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.zeros((5, H, W, 3))}, "frames of an episode: expected uint8"),
        ({"frames": np.zeros((0, H, W, 3), np.uint8)}, "frames of an episode: expected uint8"),
        ({"time_s": np.zeros(5)}, "strictly increasing"),
        ({"time_s": np.arange(4)}, "expected 5 strictly increasing seconds"),
        ({"outcome": "perhaps"}, "outcome of an episode"),
    ],
)
def test_an_episode_checks_itself(change, message):
    with pytest.raises(DataError, match=message):
        replace(make(0), **change)
