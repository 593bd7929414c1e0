# SPDX-License-Identifier: Apache-2.0
"""docs/interface.md and config/reward.yaml say what the nodes are."""

import subprocess
import sys

import pytest

pytest.importorskip("rclpy")
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.qos import QoSProfile

from liv_model.errors import ConfigError

pytestmark = pytest.mark.ros


def test_page_and_config_are_as_the_nodes_are(bundle):
    command = [sys.executable, "-m", "liv_ros.interface", "--check", "--bundle", str(bundle.path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    remedy = "scripts/run python3 -m liv_ros.interface writes the page; config/reward.yaml is written by hand"
    assert result.returncode == 0, f"{result.stdout}{result.stderr}\n{remedy}"


@pytest.fixture
def node():
    from liv_ros.interface import NodeInfo, ParameterInfo, TopicInfo

    smoothing = ParameterDescriptor(description="time constant | of <camera>")
    smoothing.floating_point_range = [FloatingPointRange(from_value=0.0, to_value=60.0)]
    return NodeInfo(
        "some_node",
        "does something.",
        False,
        (
            ParameterInfo("cameras", ["camera"], ParameterDescriptor(description="names", read_only=True)),
            ParameterInfo("<camera>.smoothing_s", 0.0, smoothing),
        ),
        (TopicInfo("goal/text", "std_msgs/String", QoSProfile(depth=10)),),
        (TopicInfo("<camera>/reward", "liv_ros/Reward", QoSProfile(depth=10)),),
        (("reset", "std_srvs/Trigger"),),
    )


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("cameras: [camera], camera: {smoothing_s: 0.0}", []),
        ("cameras: [camera]", ["some_node camera.smoothing_s: declared 0.0, in the file 'nothing'"]),
        (
            "cameras: [camera], camera: {smoothing_s: 0}",
            ["some_node camera.smoothing_s: declared 0.0, in the file 0"],
        ),
        (
            "cameras: [wrist], camera: {smoothing_s: 0.0}, typo: 1",
            [
                "some_node cameras: declared ['camera'], in the file ['wrist']",
                "some_node typo: declared 'nothing', in the file 1",
            ],
        ),
    ],
)
def test_a_config_that_differs_in_names_defaults_or_types_is_told(node, config, found):
    from liv_ros.interface import config_differences

    text = f"/**/some_node: {{ros__parameters: {{{config}}}}}"
    assert config_differences([node], text) == found


def test_the_page_has_a_row_for_everything(node):
    from liv_ros.interface_page import page

    rows = page([node]).splitlines()
    assert "| `goal/text` | in | std_msgs/String | reliable, last 10 | a goal in words |" in rows
    assert "| `reset` | std_srvs/Trigger | begins an episode on every camera |" in rows
    assert '| `cameras` | texts | `["camera"]` |  | at the start | names |' in rows
    assert (
        "| `<camera>.smoothing_s` | number | `0.0` | 0 to 60 | at any time | time constant \\| of &lt;camera> |" in rows
    )
    assert any(row.startswith("| `<camera>/reward` | out | [liv_ros/Reward](../msg/Reward.msg) |") for row in rows)


def test_a_topic_that_nothing_tells_about_is_asked_for(node):
    from dataclasses import replace

    from liv_ros.interface import TopicInfo
    from liv_ros.interface_page import page

    unknown = TopicInfo("heat", "sensor_msgs/Image", QoSProfile(depth=1))
    with pytest.raises(ConfigError, match=r"heat: expected a word on what it is for.*ABOUT"):
        page([replace(node, inputs=(unknown,))])
