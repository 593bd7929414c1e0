# SPDX-License-Identifier: Apache-2.0
"""Some of ``make faults``, those that take seconds. test/ros has more of them, one rule at a time."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
SHORT = (
    "late_and_volatile",
    "stamps_jump",
    "goals_storm",
    "bundle_swaps",
    "encoder_killed",
    "reward_node_killed",
    "unwritable_state",
)


@pytest.mark.parametrize("name", SHORT)
def test_the_rules_hold(name, bundle, tmp_path):
    from proofs.apart import prove_apart
    from proofs.fault import Site
    from proofs.faults import chosen

    row = prove_apart(chosen(name)[0], Site(tmp_path / name, str(bundle.path), 0.5))
    assert row["crashes"] == []
    assert row["violations"] == []
    assert row["judged"] > 0
    assert row["found"]


def test_what_does_not_hold_is_told(bundle, tmp_path):
    from proofs.fault import Fault, Site, require
    from proofs.faults import prove

    def breaks(site, make):
        (site.folder / "node.log").write_text("Traceback (most recent call last):\n  x\nIndexError: no\n")
        require(False, "rewards again", "none")

    row = prove(Fault("it breaks", "nothing", breaks), Site(tmp_path, str(bundle.path), 0.5))
    assert row["passed"] is False
    assert row["crashes"] == ["rewards again: got none", "node.log: IndexError: no"]


HANGS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
def stuck():
    time.sleep(600)
stuck()
"""


def test_a_hang_is_ended_with_its_children_and_says_where_it_was(tmp_path):
    from proofs.apart import run_to_end

    output = tmp_path / "output.txt"
    assert run_to_end([sys.executable, "-X", "faulthandler", "-c", HANGS], output, 20.0, dict(os.environ)) == (
        "no end within 20 s"
    )
    text = output.read_text()
    assert "in stuck" in text
    wait_for(lambda: not is_running(int(text.splitlines()[0])), "its child to end")


def test_ctrl_c_ends_one_that_does_not_listen_with_its_children(tmp_path, monkeypatch):
    from proofs import apart

    def interrupt():
        wait_for(lambda: output.is_file() and output.read_text().endswith("\n"), "its child")
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(apart, "_STOP_WITHIN_S", 0.5)
    output = tmp_path / "output.txt"
    deaf = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + HANGS
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        apart.run_to_end([sys.executable, "-c", deaf], output, 60.0, dict(os.environ))
    wait_for(lambda: not is_running(int(output.read_text())), "its child to end")


def wait_for(condition, what, within_s=20.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def is_running(pid):
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())  # nothing of one that has ended and was not waited for
    except (FileNotFoundError, ProcessLookupError):  # it ended before, or while it was read
        return False


def test_an_end_before_its_time_is_told(bundle, tmp_path):
    from proofs.apart import prove_apart
    from proofs.fault import Fault, Site

    def gremlins(site, make):
        raise AssertionError("not in this process")

    row = prove_apart(Fault("gremlins", "nothing", gremlins), Site(tmp_path, str(bundle.path), 0.5))
    assert row["passed"] is False
    assert "exit code 1" in row["crashes"][0]
    assert "expected camera_vanishes" in row["crashes"][0]


def test_a_fault_that_is_not_known_is_refused():
    from liv_model.errors import ConfigError
    from proofs.faults import chosen

    with pytest.raises(ConfigError, match="expected camera_vanishes"):
        chosen("gremlins")
