# SPDX-License-Identifier: Apache-2.0
"""Commands that tests start: none outlives its test, however that ends, and slows down those that follow."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
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
