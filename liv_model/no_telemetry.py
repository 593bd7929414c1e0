# SPDX-License-Identifier: Apache-2.0
"""Nothing that a robot runs here tells its makers of it.

OpenVINO reports every import, NNCF every model that it quantises, ONNX Runtime every session, Ray every cluster, with
an identity that they keep in the user's home. Each has a switch of its own, read when it is first imported, so ours
are set before.
"""

from __future__ import annotations

import os
import sys

SWITCHES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NNCF_CI": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def stay_silent() -> None:
    """Turn off what libraries send home; what somebody has set already stays."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    # OpenVINO's only switch is a file in the home of each user; without this package it has nothing to send with
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
