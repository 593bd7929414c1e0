# SPDX-License-Identifier: Apache-2.0
"""One node in a process of its own, where there is no launch: for the demo, the benchmark and the tests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from liv_model.errors import LivError

_STOP_WITHIN_S = 10.0


class NodeProcess:
    """A running node; its output goes to a log.

    Args:
        name: of its module, such as ``encoder_node``.
        parameters: str, bool, int, float or a list of these.
        log: the file to write its output to.
        namespace: of the node.
        package: the Python package that holds the module.
    """

    def __init__(
        self, name: str, parameters: dict[str, object], log: Path, *, namespace: str, package: str = "liv_ros"
    ):
        self.name = name
        self.log = log
        # JSON is YAML, and says of a text such as "yes" or "2024" that it is one
        written = {key: json.dumps(value, ensure_ascii=False) for key, value in parameters.items()}
        given = [word for key, value in written.items() for word in ("-p", f"{key}:={value}")]
        command = [sys.executable, "-m", f"{package}.{name}", "--ros-args", "-r", f"__ns:={namespace}", *given]
        with log.open("wb") as file:
            # a session of its own: Ctrl-C reaches who started it alone, who then stops the nodes in order
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What the node has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def last_line(self) -> str:
        """The last that the node has printed."""
        return (self.output.strip().splitlines() or ["no output"])[-1]

    def require_running(self) -> None:
        """Raise the node's own last words if it ended before its time."""
        if not self.is_running:
            raise LivError(f"{self.name} ended", got=self.last_line, remedy=f"see {self.log}")

    def wait(self, timeout_s: float) -> int:
        """Wait for the process to end by itself and return its exit code; LivError if it does not in time."""
        try:
            return self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise LivError(self.name, expected=f"to end within {timeout_s} s", remedy=f"see {self.log}") from error

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self, within_s: float = _STOP_WITHIN_S) -> int:
        """Interrupt the process, wait for it, and return its exit code; kill it if it does not end in time."""
        return end(self._process, signal.SIGINT, within_s)


def end(process: subprocess.Popen, number: signal.Signals, within_s: float) -> int:
    """Send a signal to a process, wait for its end and return its exit code; kill it if it does not end in time."""
    process.send_signal(number)
    try:
        return process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
