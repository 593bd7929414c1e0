# SPDX-License-Identifier: Apache-2.0
"""How long imports take: fresh interpreters, in pairs with one that imports numpy alone."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.pairs import in_turns, spread
from bench.results import Section

MODULES = {
    "import liv_model": "import numpy, liv_model",
    "import of the runtime (encoder, OpenVINO backend, rewards)": (
        "import numpy, liv_model.encoder, liv_model.backends.openvino, liv_model.goal, liv_model.reward"
    ),
    "import openvino": "import numpy, openvino",
}


def measure(section: Section, pairs: int) -> None:
    """Seconds beyond ``import numpy``, pair by pair."""
    for name, statement in MODULES.items():
        sides = {"this": lambda s=statement: _seconds(s), "numpy": lambda: _seconds("import numpy")}
        beyond = [pair["this"] - pair["numpy"] for pair in in_turns(sides, pairs)]
        section.rows.append({"what": f"{name}, beyond numpy", "s": spread(beyond)})


def _seconds(statement: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begin
