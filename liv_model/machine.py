# SPDX-License-Identifier: Apache-2.0
"""What this runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor() -> str:
    """Model and number of cores, such as ``Intel(R) Xeon(R) Processor, 2 cores``."""
    return f"{_model()}, {os.cpu_count()} cores"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
