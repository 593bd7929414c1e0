# SPDX-License-Identifier: Apache-2.0
"""Participants that were killed: who starts anew stays off their ports, and removes what they left in memory."""

import fcntl
import mmap
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from liv_model.fast_dds_memory import own_ports

pytestmark = pytest.mark.ros
SHARED_MEMORY = Path("/dev/shm")
PORTS = """
import rclpy
from liv_model.fast_dds_memory import own_ports
rclpy.init()
node = rclpy.create_node("n")
print(*own_ports())
node.destroy_node()
rclpy.shutdown()
"""


def test_they_are_released_once_the_process_has_ports_of_its_own(tmp_path, monkeypatch):
    from liv_ros import dead_participants

    own = [{"fastrtps_port2"}, {"fastrtps_port2"}, {"fastrtps_port2", "fastrtps_port4"}]
    monkeypatch.setattr(dead_participants, "own_ports", lambda: own.pop(0))
    lock = tmp_path / "fastrtps_port2_el"
    held = os.open(lock, os.O_RDONLY | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_SH)
    dead_participants._release_in_time({"fastrtps_port2": held})
    assert own == []
    with lock.open() as reader:
        fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)  # may be taken again


def test_a_node_that_was_killed_comes_back_on_other_ports_and_hears(probe, start):
    encoder = start("encoder_node")
    probe.connected(probe.camera)
    probe.show()
    dead = own_ports(encoder.pid)
    assert dead and all((SHARED_MEMORY / port).exists() for port in dead)
    with ExitStack() as stack:
        for port in dead:  # a sender that never notices: Fast DDS is one now and then
            file = stack.enter_context((SHARED_MEMORY / port).open("rb"))
            stack.enter_context(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        encoder.kill()
        again = start("encoder_node")
        probe.wait(lambda: own_ports(again.pid) and not own_ports(again.pid) & dead, "ports of its own alone")
        hears_again(probe)


def test_what_a_killed_node_leaves_in_memory_is_removed_by_the_next_one(probe, start):
    before = segments()
    encoder = start("encoder_node")
    probe.connected(probe.camera)
    probe.show()
    left, alive = owned_by(encoder.pid), owned_by(os.getpid())
    assert left and alive and not left & (alive | before)
    encoder.kill()
    for segment in left | alive:
        os.utime(SHARED_MEMORY / f"{segment}_el", (0, 0))  # as if of long ago
    start("encoder_node")
    probe.wait(lambda: not left & segments(), "the dead one's segments to go")
    hears_again(probe)
    assert alive <= segments()


def hears_again(probe):
    """Show pictures until one comes back; the dead encoder counts as a subscriber for a while."""
    before = len(probe.embeddings)
    probe.wait(lambda: probe.camera.publish(probe.picture()) or len(probe.embeddings) > before, "an embedding")


def segments():
    return {file.name for file in SHARED_MEMORY.glob("fastrtps_*") if not file.name.endswith("_el")}


def owned_by(pid):
    """Segments whose lock a process has open."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    names = {Path(link).name.removesuffix("_el") for link in links if link.endswith("_el")}
    return {name for name in names if "_port" not in name}


def test_nothing_is_held_of_another_middleware(monkeypatch):
    import rclpy

    from liv_ros import dead_participants

    monkeypatch.setattr(rclpy, "get_rmw_implementation_identifier", lambda: "rmw_cyclonedds_cpp")
    monkeypatch.setattr(dead_participants, "hold_dead_ports", lambda: pytest.fail("looked for ports of Fast DDS"))
    dead_participants.bury_dead_participants()


def test_own_ports_are_those_that_fast_dds_has_locked():
    found = subprocess.run([sys.executable, "-c", PORTS], capture_output=True, text=True, timeout=120, env=os.environ)
    assert found.stdout.split() and all(port.startswith("fastrtps_port") for port in found.stdout.split()), found
