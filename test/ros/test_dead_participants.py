# SPDX-License-Identifier: Apache-2.0
"""Participants that were killed: who starts anew stays off their ports, and removes what they left in memory."""

import mmap
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from liv_model.fast_dds_memory import locked_ports

pytestmark = pytest.mark.ros
SHARED_MEMORY = Path("/dev/shm")
NODE = """
import os, time
import rclpy
from liv_model.fast_dds_memory import locked_ports
rclpy.init()
node = rclpy.create_node("n")
links = [link for link in map("/proc/self/fd/{}".format, os.listdir("/proc/self/fd")) if os.path.islink(link)]
locks = {os.path.basename(os.readlink(link)) for link in links}
print(*locked_ports(), flush=True)
print(*(lock[: -len("_el")] for lock in locks if lock.endswith("_el") and "_port" not in lock), flush=True)
time.sleep(600)
"""


def test_they_are_held_until_the_process_has_ports_of_its_own(monkeypatch):
    from liv_ros import dead_participants

    class Held:
        port, released = "fastrtps_port2", False

        def release(self):
            self.released = True

    held, ports = Held(), [{"fastrtps_port1"}, {"fastrtps_port1", "fastrtps_port2"}]
    ports.append({*ports[-1], "fastrtps_port4"})
    monkeypatch.setattr(dead_participants, "locked_ports", lambda: ports.pop(0) if not held.released else set())
    dead_participants._release_in_time([held], {"fastrtps_port1", "fastrtps_port2"})
    assert ports == [] and held.released


def test_a_node_that_was_killed_comes_back_on_other_ports_and_hears(probe, start):
    encoder = start("encoder_node")
    probe.connected(probe.camera)
    probe.show()
    dead = locked_ports(encoder.pid)
    assert dead and all((SHARED_MEMORY / port).exists() for port in dead)
    with ExitStack() as stack:
        for port in dead:  # a sender that never notices: Fast DDS is one now and then
            file = stack.enter_context((SHARED_MEMORY / port).open("rb"))
            stack.enter_context(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        encoder.kill()
        again = start("encoder_node")
        hears_again(probe)
        probe.wait(lambda: not locked_ports(again.pid) & dead, "ports of its own alone")
        assert locked_ports(again.pid)


def hears_again(probe):
    """Show pictures until one comes back; the dead encoder counts as a subscriber for a while."""
    before = len(probe.embeddings)
    probe.wait(lambda: probe.camera.publish(probe.picture()) or len(probe.embeddings) > before, "an embedding")


def test_what_the_dead_leave_in_memory_is_removed_by_the_next_node(probe, start):
    # in a domain of its own: those that had heard it would remove what they had open themselves
    apart = {**os.environ, "ROS_DOMAIN_ID": "0"}
    with subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True, env=apart) as process:
        ports, left = (set(process.stdout.readline().split()) for _ in range(2))
        process.kill()
    assert ports and all(port.startswith("fastrtps_port") for port in ports)
    assert left and left <= segments()
    for segment in left:
        os.utime(SHARED_MEMORY / f"{segment}_el", (0, 0))  # as if of long ago
    start("encoder_node")
    probe.wait(lambda: not left & segments(), "the dead one's segments to go")
    probe.connected(probe.camera)
    assert probe.show()


def segments():
    return {file.name for file in SHARED_MEMORY.glob("fastrtps_*")}


def test_nothing_is_done_with_another_middleware(monkeypatch):
    import rclpy

    from liv_ros import dead_participants

    monkeypatch.setattr(rclpy, "get_rmw_implementation_identifier", lambda: "rmw_cyclonedds_cpp")
    monkeypatch.setattr(dead_participants, "hold_dead_ports", lambda: pytest.fail("looked for ports of Fast DDS"))
    dead_participants.bury_dead_participants()


def test_a_node_starts_where_nothing_can_be_done(monkeypatch):
    from liv_ros import dead_participants

    def refused():
        raise PermissionError

    monkeypatch.setattr(dead_participants, "remove_dead_segments", refused)
    dead_participants.bury_dead_participants()
