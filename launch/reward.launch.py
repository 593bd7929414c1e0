# SPDX-License-Identifier: Apache-2.0
"""Live rewards: ros2 launch liv_ros reward.launch.py camera:=/camera/image_raw goal:="open the drawer"."""

import uuid
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(__file__).absolute().parent.parent
FAST_DDS_PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE"

# An argument left empty leaves the parameter as the config has it.
ARGUMENTS = {
    "namespace": ("/liv", "namespace of the nodes and of their topics"),
    "config": (str(SHARE / "config" / "reward.yaml"), "parameters of the nodes"),
    "bundle": ("", "model bundle, a folder (default: the shipped models/metaworld)"),
    "camera": ("", "image topic of the camera (default: /camera/image_raw)"),
    "transport": ("", "what the topic carries: raw | compressed (default: raw)"),
    "goal": ("", "goal in words to begin with (default: the last one)"),
    "backend": ("", "what runs the model: auto | openvino | torch (default: auto)"),
    "video": ("", "a video, folder of frames or bag to play as the camera (default: none)"),
    "log_level": ("info", "debug | info | warn | error | fatal"),
}
ENCODER_PARAMETERS = {
    "bundle": "bundle",
    "backend": "backend",
    "goal": "goal",
    "camera": "camera.topic",
    "transport": "camera.transport",
}


def generate_launch_description() -> LaunchDescription:
    # a profile of the user's own stays
    profile = EnvironmentVariable(FAST_DDS_PROFILE, default_value=str(SHARE / "config" / "fastdds.xml"))
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=what) for name, (d, what) in ARGUMENTS.items()),
            SetEnvironmentVariable(FAST_DDS_PROFILE, profile),
            OpaqueFunction(function=nodes),
        ]
    )


def nodes(context: LaunchContext) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    encoder = {parameter: given[name] for name, parameter in ENCODER_PARAMETERS.items() if given[name]}
    encoder["session"] = uuid.uuid4().hex  # a respawned encoder goes on with the last goal, not with the first
    started = [
        node("encoder_node", given, encoder, respawn=True, respawn_delay=1.0),
        node("reward_node", given, {}, respawn=True, respawn_delay=1.0),
    ]
    if given["video"]:
        video = {"video": given["video"], "topic": given["camera"] or "/camera/image_raw", "wait_for_subscribers": 1}
        started.append(node("video_node", given, {**video, "transport": given["transport"] or "raw"}))
    return started


def node(executable: str, given: dict[str, str], parameters: dict, **options) -> Node:
    return Node(
        package="liv_ros",
        executable=executable,
        namespace=given["namespace"],
        parameters=[given["config"], parameters],
        ros_arguments=["--log-level", given["log_level"]],
        output="screen",
        **options,
    )
