# SPDX-License-Identifier: Apache-2.0
"""The one OpenVINO core of this process.

OpenVINO's CPU plugin (2026.4) gives its thread a signal stack (``sigaltstack``) with the core's first use and, with the
core's end, gives back the one it found. Of two cores that overlap, as when one model replaces another, the second so
brings back the first one's, long unmapped: the next signal, be it Ctrl-C, ends Python in a segmentation fault. So there
is one core, it is never released, and what differs between models is said with each compilation.
"""

from __future__ import annotations

from functools import cache

import openvino


@cache
def core() -> openvino.Core:
    """The core; safe to use from many threads."""
    return openvino.Core()
