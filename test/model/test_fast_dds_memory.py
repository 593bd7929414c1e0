# SPDX-License-Identifier: Apache-2.0
"""What killed processes leave in shared memory: ports that are held so that nobody takes them, segments to remove."""

import fcntl
import mmap
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from child_process import child

from liv_model.fast_dds_memory import SHARED_MEMORY, hold_dead_ports, locked_ports, open_ports, remove_dead_segments

GONE = ("/dev/shm/fastrtps_port2 (deleted)", "/dev/shm/fastrtps_port2")  # as who opened it again has it
HOLD = """
import sys
from pathlib import Path
from liv_model.fast_dds_memory import hold_dead_ports
folder = Path(sys.argv[1])
[held] = hold_dead_ports(folder, folder / "proc")
print("held", flush=True)
sys.stdin.readline()
held.release()
"""


def device_of(folder):
    """As /proc tells it."""
    number = folder.stat().st_dev
    return f"{os.major(number):02x}:{os.minor(number):02x}"


def has_open(processes, number, *ports, device=None):
    """A process of /proc, with these ports mapped."""
    device = device or device_of(processes.parent)
    lines = [f"7f0000000000-7f000000d000 rw-s 00000000 {device} 17 {port}" for port in ports]
    (processes / str(number)).mkdir(parents=True)
    (processes / str(number) / "maps").write_text("\n".join(["5580-5581 r-xp 00000000 00:00 3 /usr/bin/x", *lines]))


def is_locked(file):
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def ports(tmp_path):
    """Port 1 has a reader, nobody sends into port 3, port 4 waits for its first reader, port 5 is of Fast DDS 3."""
    names = ("fastrtps_port1", "fastrtps_port2", "fastrtps_port4", "fastdds_port5")
    for name in (*names, "fastrtps_port3"):
        (tmp_path / name).touch()
        if name != "fastrtps_port4":
            (tmp_path / f"{name}_el").touch()
    has_open(tmp_path / "proc", 7, *(f"/dev/shm/{name}" for name in names))
    (tmp_path / "proc" / "8").mkdir()  # has ended
    (tmp_path / "proc" / "self").mkdir()
    with (tmp_path / "fastrtps_port1_el").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        yield tmp_path


def test_ports_without_a_reader_that_somebody_sends_into_are_held(ports):
    held = hold_dead_ports(ports, ports / "proc")
    assert {one.port for one in held} == {"fastrtps_port2", "fastdds_port5"}
    assert is_locked(ports / "fastrtps_port2_el") and not is_locked(ports / "fastrtps_port3_el")
    others = hold_dead_ports(ports, ports / "proc")  # who starts at the same time
    assert {one.port for one in others} == {one.port for one in held}
    for one in (*held, *others):
        one.release()
    assert not is_locked(ports / "fastrtps_port2_el") and not (ports / "fastrtps_port4_el").exists()


@pytest.mark.parametrize("made_anew", [True, False])
def test_a_port_that_is_gone_is_held_whether_or_not_its_lock_is_there(tmp_path, made_anew):
    lock = tmp_path / "fastrtps_port2_el"
    if made_anew:
        lock.touch()
    has_open(tmp_path / "proc", 7, *GONE)
    assert open_ports(tmp_path / "proc", tmp_path) == {7: {"fastrtps_port2": True}}
    [held] = hold_dead_ports(tmp_path, tmp_path / "proc")
    assert is_locked(lock)
    held.release()
    assert lock.exists() == made_anew


def start_holding(folder):
    command = [sys.executable, "-c", HOLD, str(folder)]
    return child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("other_is_first", [True, False])
def test_of_two_processes_that_hold_a_port_the_last_removes_the_lock(tmp_path, other_is_first):
    lock = tmp_path / "fastrtps_port2_el"
    has_open(tmp_path / "proc", 7, *GONE)

    def release_other():
        other.communicate("release\n", timeout=60)

    with start_holding(tmp_path) as other:  # it makes the lock
        assert other.stdout.readline() == "held\n"
        [held] = hold_dead_ports(tmp_path, tmp_path / "proc")
        first, second = (release_other, held.release) if other_is_first else (held.release, release_other)
        first()
        assert is_locked(lock)
        second()
        assert not lock.exists()


def test_the_lock_of_a_holder_that_was_killed_is_removed_by_the_next(tmp_path):
    lock = tmp_path / "fastrtps_port2_el"
    has_open(tmp_path / "proc", 7, *GONE)
    with start_holding(tmp_path) as other:
        assert other.stdout.readline() == "held\n"
        other.kill()
    assert lock.exists() and not is_locked(lock)
    [held] = hold_dead_ports(tmp_path, tmp_path / "proc")
    assert is_locked(lock)
    held.release()
    assert not lock.exists()


def test_whoever_holds_a_port_and_in_whatever_order_they_let_go_it_is_held_till_the_last(tmp_path):
    lock = tmp_path / "fastrtps_port2_el"
    has_open(tmp_path / "proc", 7, *GONE)
    draw, held = random.Random(0), []
    for _ in range(200):
        if not held or draw.random() < 0.5:
            held += hold_dead_ports(tmp_path, tmp_path / "proc")
        else:
            held.pop(draw.randrange(len(held))).release()
        assert lock.exists() == bool(held) and (not held or is_locked(lock))


def test_the_lock_of_the_next_reader_is_not_taken_for_the_one_that_was_made_to_hold(tmp_path):
    lock = tmp_path / "fastrtps_port2_el"
    has_open(tmp_path / "proc", 7, *GONE)
    [held] = hold_dead_ports(tmp_path, tmp_path / "proc")
    lock.unlink()  # as `fastdds shm clean` does
    lock.touch()
    held.release()
    assert lock.exists()


def test_ports_of_another_mount_are_not_ours(tmp_path):
    has_open(tmp_path / "proc", 7, *GONE, device="00:fffff")
    assert open_ports(tmp_path / "proc", tmp_path) == {7: {}}
    assert hold_dead_ports(tmp_path, tmp_path / "proc") == []


def test_a_longer_number_is_another_port(tmp_path):
    (tmp_path / "fastrtps_port2_el").touch()
    has_open(tmp_path / "proc", 7, "/dev/shm/fastrtps_port22")
    assert hold_dead_ports(tmp_path, tmp_path / "proc") == []


def test_nothing_is_known_where_nothing_can_be_looked_into(tmp_path):
    assert open_ports(tmp_path / "none") == open_ports(shared_memory=tmp_path / "none") == {}
    assert hold_dead_ports(tmp_path / "none", tmp_path / "none") == []
    assert locked_ports(2**22 + 1) == set()
    remove_dead_segments(tmp_path / "none")


@pytest.fixture
def memory():
    """A folder in shared memory."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


def test_what_this_process_has_open(memory):
    port, lock = memory / "fastrtps_port5", memory / "fastrtps_port5_el"
    port.write_bytes(bytes(4096))
    lock.touch()
    with port.open("r+b") as file, mmap.mmap(file.fileno(), 0), lock.open():
        assert open_ports()[os.getpid()]["fastrtps_port5"] is False
        assert "fastrtps_port5" in locked_ports() and "fastrtps_port5" in locked_ports(os.getpid())
        port.unlink()
        assert open_ports()[os.getpid()]["fastrtps_port5"] is True
    assert "fastrtps_port5" not in open_ports()[os.getpid()] and "fastrtps_port5" not in locked_ports()


def test_segments_of_the_dead_are_removed(tmp_path):
    dead, alive, born, no_segment = (f"fastrtps_{digit * 16}" for digit in "abcd")
    others = ("fastrtps_port7", "sem.fastrtps_port7_mutex", "fastrtps_user", "camera")
    for name in (dead, alive, born, *others):
        (tmp_path / name).write_bytes(bytes(8192))
    for name in (dead, alive, born, no_segment, *others):
        (tmp_path / f"{name}_el").touch()
        if name != born:
            os.utime(tmp_path / f"{name}_el", (0, 0))
    with (tmp_path / f"{alive}_el").open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        remove_dead_segments(tmp_path)
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {*(alive, born, *others), *(f"{name}_el" for name in (alive, born, *others))}
