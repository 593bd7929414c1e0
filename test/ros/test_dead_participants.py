# SPDX-License-Identifier: Apache-2.0
"""Participants that were killed: who starts anew stays off their ports, and removes what they left in memory."""

import mmap
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from child_process import child

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


ENDS_AT_ONCE = """
import sys
from pathlib import Path
from liv_model.fast_dds_memory import hold_dead_ports
from liv_ros import dead_participants
memory = Path(sys.argv[1])
dead_participants.hold_dead_ports = lambda: hold_dead_ports(memory, memory / "proc")
dead_participants.bury_dead_participants()
print(*(file.name for file in memory.glob("fast*")))
"""


@pytest.mark.parametrize(
    ("ports_at_s", "released_at_s"),
    [
        ({}, 10.0),  # it never has one
        ({1.0: "3"}, 1.5),
        ({1.0: "3", 1.4: "4", 1.8: "5"}, 2.3),  # as long as they go on coming
    ],
)
def test_they_are_held_until_the_process_has_all_ports_of_its_own(monkeypatch, ports_at_s, released_at_s):
    from liv_ros import dead_participants

    now_s, released = [100.0], []

    def sleep(seconds):
        now_s[0] += seconds

    def locked_ports():
        return {"1", "2", *(port for at_s, port in ports_at_s.items() if now_s[0] >= 100.0 + at_s)}

    monkeypatch.setattr(dead_participants, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=sleep))
    monkeypatch.setattr(dead_participants, "locked_ports", locked_ports)
    held = SimpleNamespace(port="2", release=lambda: released.append(now_s[0] - 100.0))
    dead_participants._release_in_time([held], {"1", "2"})
    assert released == [pytest.approx(released_at_s, abs=0.1)]


def test_a_process_that_ends_before_it_has_ports_leaves_no_lock(tmp_path):
    number = tmp_path.stat().st_dev
    device = f"{os.major(number):02x}:{os.minor(number):02x}"
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "maps").write_text(f"7f00-7f0d rw-s 0 {device} 17 /dev/shm/fastrtps_port2 (deleted)")
    run = subprocess.run(
        [sys.executable, "-c", ENDS_AT_ONCE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == ("fastrtps_port2_el\n", "")
    assert list(tmp_path.glob("fast*")) == []


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
    apart = {**os.environ, "ROS_DOMAIN_ID": str(101 + int(os.environ["ROS_DOMAIN_ID"]))}  # 102 to 201: no other test's
    with child([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True, env=apart) as process:
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
