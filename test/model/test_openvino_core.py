# SPDX-License-Identifier: Apache-2.0
"""A model that replaces another one must not leave a process that the next Ctrl-C ends in a segmentation fault."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SWAP_AND_INTERRUPT = """
import os, signal, sys
from pathlib import Path
from liv_model.bundle import Bundle
from liv_model.encoder import open_encoder

bundle = Bundle.load(Path(sys.argv[1]))
old = open_encoder(bundle, "openvino")
new = open_encoder(bundle, "openvino")
old.close()
del old
new.close()
del new
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_signal_after_a_swap_is_a_keyboard_interrupt(bundle):
    words = [sys.executable, "-c", SWAP_AND_INTERRUPT, str(bundle.path)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "interrupted\n"), ended.stderr


def test_nobody_makes_a_core_of_their_own():
    sources = [
        path for half in ("liv_model", "liv_ros", "training", "bench", "proofs") for path in (ROOT / half).rglob("*.py")
    ]
    assert [path.name for path in sources if "openvino.Core()" in path.read_text(encoding="utf-8")] == [
        "openvino_core.py"
    ]
