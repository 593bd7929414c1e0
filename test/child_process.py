# SPDX-License-Identifier: Apache-2.0
"""Commands that tests start: none outlives its test, however that ends, and slows down those that follow."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def child(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen]:
    """A process, started with these options of ``Popen``; killed at the end if it still runs."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(command: Sequence[str], begun: Callable[[], bool], **options: Any) -> tuple[int, str]:
    """Press Ctrl-C twice, as an impatient person does, once a command has begun; its exit code and standard error.

    As of a terminal, all processes of its group get it.
    """
    with child(command, stderr=subprocess.PIPE, text=True, start_new_session=True, **options) as process:
        try:
            while process.poll() is None and not begun():
                time.sleep(0.05)
            for _ in range(2):
                os.killpg(process.pid, signal.SIGINT)
            _, error = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, error
