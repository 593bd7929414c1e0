# SPDX-License-Identifier: Apache-2.0
"""What killed processes leave in shared memory: ports that are held so that nobody takes them, segments to remove."""

import fcntl
import mmap
import os

import pytest

from liv_model.fast_dds_memory import hold_dead_ports, open_ports, own_ports, remove_dead_segments


def has_open(processes, number, *ports):
    """A process of /proc, with these ports mapped."""
    lines = [f"7f0000000000-7f000000d000 rw-s 00000000 00:1b 17 {port}" for port in ports]
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
    """A /dev/shm of three ports: the first has a reader, nobody sends to the third."""
    for number in (1, 2, 3):
        (tmp_path / f"fastrtps_port{number}_el").touch()
    has_open(tmp_path / "proc", 7, "/dev/shm/fastrtps_port1", "/dev/shm/fastrtps_port2")
    with (tmp_path / "fastrtps_port1_el").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        yield tmp_path


def test_ports_without_a_reader_that_somebody_sends_to_are_held(ports):
    held = hold_dead_ports(ports, ports / "proc")
    assert held.keys() == {"fastrtps_port2"}
    assert is_locked(ports / "fastrtps_port2_el") and not is_locked(ports / "fastrtps_port3_el")
    assert hold_dead_ports(ports, ports / "proc").keys() == held.keys()  # by who starts at the same time too


@pytest.mark.parametrize("mapped", ["/dev/shm/fastrtps_port2 (deleted)", "/dev/shm/fastdds_port20"])
def test_a_port_that_was_made_anew_since_and_one_of_fast_dds_3(tmp_path, mapped):
    name = mapped.split("/")[-1].split()[0]
    (tmp_path / f"{name}_el").touch()
    has_open(tmp_path / "proc", 7, mapped)
    assert hold_dead_ports(tmp_path, tmp_path / "proc").keys() == {name}


def test_a_longer_number_is_another_port(tmp_path):
    (tmp_path / "fastrtps_port2_el").touch()
    has_open(tmp_path / "proc", 7, "/dev/shm/fastrtps_port22")
    assert hold_dead_ports(tmp_path, tmp_path / "proc") == {}


def test_what_this_process_has_open(tmp_path):
    port, lock = tmp_path / "fastrtps_port5", tmp_path / "fastrtps_port5_el"
    port.write_bytes(bytes(4096))
    lock.touch()
    with port.open("r+b") as file, mmap.mmap(file.fileno(), 0), lock.open():
        assert open_ports()[os.getpid()]["fastrtps_port5"] is False
        assert "fastrtps_port5" in own_ports() and "fastrtps_port5" in own_ports(os.getpid())
        port.unlink()
        assert open_ports()[os.getpid()]["fastrtps_port5"] is True
    assert "fastrtps_port5" not in open_ports()[os.getpid()] and "fastrtps_port5" not in own_ports()


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
        assert remove_dead_segments(tmp_path) == 8192
        assert remove_dead_segments(tmp_path) == 0
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {*(alive, born, *others), *(f"{name}_el" for name in (alive, born, *others))}
