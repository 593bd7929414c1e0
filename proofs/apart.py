# SPDX-License-Identifier: Apache-2.0
"""A fault in a process of its own: a DDS that it breaks is not the next one's, and a hang is told and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from liv_ros.node_process import end
from proofs.fault import Fault, Site

ROW = "row.json"  # in the folder of the site
WITHIN_S = 300.0
_STOP_WITHIN_S = 30.0


def prove_apart(
    fault: Fault, site: Site, wrapper: Sequence[str] = (), within_s: float = WITHIN_S, **environment: str
) -> dict[str, Any]:
    """Have one fault happen in another process; returns its row.

    Args:
        fault: one that the command line knows.
        site: of the fault; the process's output goes to its ``output.txt``.
        wrapper: words before the command, which run it.
        within_s: that it has to end in.
        environment: variables of the process.
    """
    begin_s, output = time.monotonic(), site.folder / "output.txt"
    site.folder.mkdir(parents=True, exist_ok=True)
    command = [*wrapper, sys.executable, "-X", "faulthandler", "-m", "proofs.faults", "--inside", fault.prove.__name__]
    command += ["--bundle", site.bundle, "--seconds", str(site.seconds), "--logs", str(site.folder)]
    problem = run_to_end(command, output, within_s, {**os.environ, **environment})
    if not problem:
        return json.loads((site.folder / ROW).read_text(encoding="utf-8"))
    lines = output.read_text(errors="replace").strip().splitlines()
    crash = f"{problem}, the last words: {lines[-1] if lines else 'none'} (see {output})"
    counted = {"judged": 0, "unjudged": 0, "seconds": round(time.monotonic() - begin_s)}
    return {**fault.row, "crashes": [crash], **counted, "passed": False}


def run_to_end(command: Sequence[str], output: Path, within_s: float, environment: dict[str, str]) -> str:
    """Run a command; returns "", or what is wrong with its end.

    One that does not end in time is ended with its children, and says where it was: it should run with
    ``-X faulthandler``. Ctrl-C is passed on, and waited for; then its children are ended too.
    """
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        code = process.wait(timeout=within_s)
        return f"exit code {code}" if code else ""
    except subprocess.TimeoutExpired:
        _end_with_children(process, signal.SIGABRT)
        return f"no end within {within_s:g} s"
    except KeyboardInterrupt:
        _end_with_children(process, signal.SIGINT)
        raise


def _end_with_children(process: subprocess.Popen, number: signal.Signals) -> None:
    children = _children(process.pid)
    end(process, number, _STOP_WITHIN_S)
    for child in children:  # those that it did not end itself
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):  # it has ended
            found += map(int, (thread / "children").read_text().split())
    return [*found, *(deeper for child in found for deeper in _children(child))]
