# SPDX-License-Identifier: Apache-2.0
"""Who may import whom, and what the onboard half must never load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "liv_model": {"liv_model"},
    "liv_web": {"liv_web", "liv_model"},
    "liv_ros": {"liv_ros", "liv_web", "liv_model"},
    "training": {"training", "liv_model"},
}
TORCH_FILES = {"network.py", "open_clip_towers.py", "objective.py", "torch.py"}
TORCH_SIDE = {"torch", "open_clip", "timm"}
ROS = {"rclpy", "sensor_msgs", "std_msgs", "std_srvs", "diagnostic_msgs", "rcl_interfaces", "rosidl_runtime_py"}


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("side", list(MAY_IMPORT))
def test_imports_run_one_way(side):
    for file in (ROOT / side).rglob("*.py"):
        wrong = (set(imports(file)) & set(MAY_IMPORT)) - MAY_IMPORT[side]
        assert not wrong, f"{file.relative_to(ROOT)} imports {wrong}"


def test_torch_stays_in_its_files_and_ros_in_its_folder():
    for file in (ROOT / "liv_model").rglob("*.py"):
        found = set(imports(file))
        assert not found & TORCH_SIDE or file.name in TORCH_FILES, file
        assert not found & ROS, file
        assert "gymnasium" not in found or file.name == "gym.py", file
    for file in (ROOT / "training").rglob("*.py"):
        assert not set(imports(file)) & ROS, file


ONBOARD = """
import sys
import liv_model.cli, liv_model.reward_video, liv_model.encoder, liv_model.backends.openvino, liv_model.worker
import liv_model.goal, liv_model.goal_store, liv_model.bags, liv_model.media
import liv_model.engines.serve, liv_model.doctor.command, liv_model.doctor.ros, liv_model.doctor.model
import liv_web.server, liv_web.recorded, liv_web.view_command
wrong = {"torch", "rclpy", "mujoco", "onnx", "nncf", "tensorrt", "tensorrt_rtx"} & set(sys.modules)
sys.exit(f"loaded {wrong}" if wrong else 0)
"""


def test_the_onboard_runtime_loads_neither_torch_nor_rclpy():
    result = subprocess.run([sys.executable, "-c", ONBOARD], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
