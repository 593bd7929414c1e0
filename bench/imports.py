# SPDX-License-Identifier: Apache-2.0
"""How long imports take: fresh interpreters, in pairs with one that imports numpy alone."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

PAIRS = 7
MODULES = {
    "import liv_model": "import numpy, liv_model",
    "import of the runtime (encoder, OpenVINO backend, rewards)": (
        "import numpy, liv_model.encoder, liv_model.backends.openvino, liv_model.goal, liv_model.reward"
    ),
    "import openvino": "import numpy, openvino",
}


def measure() -> dict[str, dict[str, float]]:
    """Seconds beyond ``import numpy``: median of the differences pair by pair."""
    rows = {}
    for name, statement in MODULES.items():
        differences = [_run(statement) - _run("import numpy") for _ in range(PAIRS)]
        rows[f"{name}, beyond numpy"] = {"n": PAIRS, "median_s": round(float(np.median(differences)), 3)}
    return rows


def _run(statement: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begin
