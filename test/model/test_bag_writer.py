# SPDX-License-Identifier: Apache-2.0
"""What was recorded stays, whatever ends the recording."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from child_process import child

from liv_model import bag_writer
from liv_model.bag_writer import BagWriter
from liv_model.bags import message_types, open_bag, read_messages
from liv_model.cli import main as liv
from liv_model.errors import DiskFullError, MediaError

ROOT = Path(__file__).parents[2]
STRING = "std_msgs/msg/String"


def cdr(text):
    return bytes(message_types().serialize_cdr(message_types().types[STRING](data=text), STRING))


def texts(path, topic="/a"):
    return [message.data for _, _, message in read_messages(path, [topic])]


def fill(bag, count, begin=0, size=1):
    for i in range(begin, begin + count):
        bag.write("/a", STRING, 10**9 + i, cdr(str(i) * size))


def test_a_killed_recording_keeps_all_but_the_last_second(tmp_path):
    """A real kill -9: messages are told to us once they are older than the flush."""
    code = (
        "import sys, time\n"
        "from liv_model.bag_writer import FLUSH_EVERY_S, BagWriter\n"
        "sys.path[:0] = ['test/model', 'test']\n"
        "from test_bag_writer import STRING, cdr\n"
        f"bag = BagWriter({str(tmp_path / 'bag')!r})\n"
        "i = 0\n"
        "while True:\n"
        "    bag.write('/a', STRING, i, cdr(str(i)))\n"
        "    print(i, time.monotonic(), flush=True)\n"
        "    i += 1\n"
        "    time.sleep(0.01)\n"
    )
    written = {}
    with child([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stdout:  # after the kill, what it had printed before
            if not line.endswith("\n"):
                break
            number, at_s = line.split()
            written[int(number)] = float(at_s)
            if float(at_s) - written[0] > 2.5:
                process.kill()
    left = texts(tmp_path / "bag")
    assert left == [str(i) for i in range(len(left))]
    last = min(len(left), len(written)) - 1  # the very last one may be left and not have been told
    assert max(written.values()) - written[last] <= bag_writer.FLUSH_EVERY_S + 0.5


def test_recover_makes_a_whole_bag_that_others_read(tmp_path, capsys):
    with BagWriter(tmp_path / "bag", split_bytes=2000) as bag:
        bag.add_topic("/never", "liv_ros/msg/Reward", latched=True)
        for i in range(5):
            fill(bag, 100, begin=100 * i, size=5)
            bag.flush()
    files = sorted((tmp_path / "bag").glob("*.mcap"))
    assert len(files) > 2
    last = tmp_path / "bag" / f"bag_{len(files) - 1}.mcap"
    last.write_bytes(last.read_bytes()[:-1])
    (tmp_path / "bag" / "metadata.yaml").unlink()
    assert liv(["bag", "recover", str(tmp_path / "bag"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["messages"]["/a"] >= 400
    whole = tmp_path / "bag_recovered"
    assert texts(whole) == [str(i) * 5 for i in range(told["messages"]["/a"])]
    with open_bag(whole) as reader:
        never = next(c for c in reader.connections if c.topic == "/never")
    [qos] = never.ext.offered_qos_profiles
    assert (never.msgcount, qos.durability.name) == (0, "TRANSIENT_LOCAL")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.6, 0.8, 0.95, 0.999])
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(tmp_path, share, caplog):
    with BagWriter(tmp_path / "bag") as bag:
        for i in range(5):
            fill(bag, 50, begin=50 * i)
            bag.flush()
    [file] = (tmp_path / "bag").glob("*.mcap")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    (tmp_path / "bag" / "metadata.yaml").unlink()
    try:
        left = texts(tmp_path / "bag")
    except MediaError as error:
        assert share < 0.3
        assert "expected a rosbag2 recording" in str(error)
        return
    assert left == [str(i) for i in range(len(left))]
    assert len(left) % 50 == 0
    assert len(left) or share < 0.3
    assert "was cut short: read as far as it goes; `liv bag recover`" in caplog.text


def test_a_type_that_cannot_be_read_does_not_keep_the_others_out(tmp_path, caplog):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/odd", "odd_msgs/msg/Odd", definition=b"string data\n  garbage!! ???")
        bag.write("/odd", "odd_msgs/msg/Odd", 10**9, b"\x00\x01\x00\x00")
        fill(bag, 5)
    file = tmp_path / "bag" / "bag_0.mcap"
    file.write_bytes(file.read_bytes()[:-40])  # its end is what makes it whole
    (tmp_path / "bag" / "metadata.yaml").unlink()
    assert texts(tmp_path / "bag") == [str(i) for i in range(5)]
    assert "a bag defines odd_msgs/msg/Odd in words that cannot be read: Could not parse" in caplog.text


def test_files_are_split_and_read_as_one(tmp_path):
    with BagWriter(tmp_path / "bag", split_bytes=1) as bag:
        for i in range(3):
            fill(bag, 10, begin=10 * i)
            bag.flush()
        bag.add_topic("/b", STRING)
        bag.write("/b", STRING, 2 * 10**9, cdr("b"))
    assert len(list((tmp_path / "bag").glob("*.mcap"))) == 4
    assert texts(tmp_path / "bag") == [str(i) for i in range(30)]
    about = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert [file["message_count"] for file in about["files"]] == [10, 10, 10, 1]
    assert about["message_count"] == 31


def test_a_bag_is_finished_while_there_is_room_to(tmp_path, monkeypatch):
    bag = BagWriter(tmp_path / "bag", keep_free_bytes=10**9)
    fill(bag, 20)
    monkeypatch.setattr(bag_writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 10**8))
    with pytest.raises(
        DiskFullError, match="expected 1000 MB of free disk to be left, got 500 MB; the bag is finished"
    ):
        bag.flush()
    assert bag.is_closed
    assert texts(tmp_path / "bag") == [str(i) for i in range(20)]
    assert (tmp_path / "bag" / "metadata.yaml").exists()
    with pytest.raises(DiskFullError):
        BagWriter(tmp_path / "another", keep_free_bytes=10**9)


def test_a_disk_that_is_full_all_of_a_sudden(tmp_path, monkeypatch):
    bag = BagWriter(tmp_path / "bag")
    fill(bag, 20)
    bag.flush()
    fill(bag, 20, begin=20)
    stream = bag._state.files[-1]._stream

    class Full:
        def write(self, data):
            stream.write(bytes(data)[: len(data) // 2])
            stream.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __getattr__(self, name):
            return getattr(stream, name)

    bag._state.files[-1]._writer._Writer__stream = Full()
    with pytest.raises(DiskFullError, match=r"No space left on device; what came before is safe: `liv bag recover`"):
        bag.flush()
    bag.close()
    assert texts(tmp_path / "bag") == [str(i) for i in range(20)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", place], capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_real_disk_that_fills_up(small_disk, tmp_path, capsys):
    noise = np.random.default_rng(0)
    bag, count = BagWriter(small_disk / "bag"), 0
    with pytest.raises(DiskFullError, match="No space left on device"):
        for count in range(1000):
            bag.write("/a", STRING, count * 10**7, cdr(f"{count} {noise.bytes(20_000).hex()}"))
            if count % 10 == 9:
                bag.flush()  # as recorder_node does every half a second
    bag.close()
    kept = [int(text.split()[0]) for text in texts(small_disk / "bag")]
    assert kept == list(range(len(kept))) and count - len(kept) < 20
    assert liv(["bag", "recover", str(small_disk / "bag"), "-o", str(tmp_path / "whole")]) == 0
    assert len(texts(tmp_path / "whole")) == len(kept)


def test_an_independent_reader_opens_it(tmp_path):
    from mcap.reader import make_reader

    with BagWriter(tmp_path / "bag") as bag:
        fill(bag, 3)
    with (tmp_path / "bag" / "bag_0.mcap").open("rb") as file:
        found = [
            (schema.name, channel.topic, message.data) for schema, channel, message in make_reader(file).iter_messages()
        ]
    assert found == [(STRING, "/a", cdr(str(i))) for i in range(3)]


@pytest.mark.parametrize("what", ["none", "empty"])
def test_nothing_to_recover(tmp_path, what, capsys):
    (tmp_path / "empty").mkdir()
    assert liv(["bag", "recover", str(tmp_path / what)]) == 2
    assert "expected" in capsys.readouterr().err


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        liv(["bag", "recover", "--help"])
    assert "liv bag recover recording" in capsys.readouterr().out
