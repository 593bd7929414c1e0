# SPDX-License-Identifier: Apache-2.0
"""Libraries that report their uses keep an identity in the user's home: nothing of ours leaves one there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAIN = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")  # no CI's own switch, no pytest
SERVE = "from liv_model.bundle import Bundle; from liv_model.encoder import open_encoder; open_encoder(Bundle.load())"
QUANTISE = "from liv_model.cli import main; main(['engine', 'build', '--backend', 'openvino', '--precision', 'int8'])"
RUN_ONNX = (
    "import liv_model, onnxruntime; "
    "onnxruntime.InferenceSession('models/metaworld/vision.onnx', providers=['CPUExecutionProvider'])"
)


@pytest.mark.parametrize(
    ("code", "needs"),
    [(SERVE, "openvino"), (QUANTISE, "nncf"), (RUN_ONNX, "onnxruntime")],
    ids=["serve", "quantise", "onnxruntime"],
)
def test_nothing_is_left_in_the_home_but_engines(tmp_path, code, needs):
    pytest.importorskip(needs)
    environment = {name: os.environ[name] for name in PLAIN if name in os.environ} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment, timeout=120)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if "liv_ros" not in path.parts}
    assert left <= {".cache"}
