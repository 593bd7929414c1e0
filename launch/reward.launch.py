# SPDX-License-Identifier: Apache-2.0
"""Live rewards: ros2 launch liv_ros reward.launch.py camera:=/camera/image_raw goal:="open the drawer"."""

import uuid
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(__file__).absolute().parent.parent
FAST_DDS_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")  # Fast DDS 2, 3
MISTAKE = 2  # exit code

# An argument left empty leaves the parameter as the config has it.
ARGUMENTS = {
    "namespace": ("/liv", "namespace of the nodes and of their topics"),
    "config": (str(SHARE / "config" / "reward.yaml"), "parameters of the nodes"),
    "bundle": ("", "model bundle, a folder (default: the shipped models/metaworld)"),
    "camera": ("", "image topic of the camera (default: /camera/image_raw)"),
    "transport": ("", "what the topic carries: raw | compressed (default: raw)"),
    "goal": ("", "goal in words to begin with (default: the last one)"),
    "backend": ("", "what runs the model: auto | openvino | tensorrt | torch (default: auto)"),
    "precision": ("", "of its engine: auto | fp32 | fp16 | bf16 | int8 (default: auto)"),
    "video": ("", "a video, folder of frames or bag to play as the camera (default: none)"),
    "log_level": ("info", "debug | info | warn | error | fatal"),
}
ENCODER_PARAMETERS = {
    "bundle": "bundle",
    "backend": "backend",
    "precision": "precision",
    "goal": "goal",
    "camera": "camera.topic",
    "transport": "camera.transport",
}


def generate_launch_description() -> LaunchDescription:
    ours = str(SHARE / "config" / "fastdds.xml")  # a profile of the user's own stays
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=what) for name, (d, what) in ARGUMENTS.items()),
            *(SetEnvironmentVariable(v, EnvironmentVariable(v, default_value=ours)) for v in FAST_DDS_PROFILES),
            OpaqueFunction(function=nodes),
        ]
    )


def nodes(context: LaunchContext) -> list:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    encoder = {parameter: text(given[name]) for name, parameter in ENCODER_PARAMETERS.items() if given[name]}
    encoder["session"] = text(uuid.uuid4().hex)  # a respawned encoder goes on with the last goal, not with the first
    started = [
        node("encoder_node", given, encoder, respawn=True, respawn_delay=1.0),
        node("reward_node", given, {}, respawn=True, respawn_delay=1.0),
    ]
    if given["video"]:
        video = {"video": given["video"], "topic": given["camera"] or "/camera/image_raw"}
        video["transport"] = given["transport"] or "raw"
        texts = {name: text(value) for name, value in video.items()}
        started.append(node("video_node", given, {**texts, "wait_for_subscribers": 1}))
    return [*started, RegisterEventHandler(OnProcessExit(on_exit=end_on_mistake))]


def text(value: str) -> ParameterValue:
    """A text as a text: launch_ros reads plain strings as YAML, and "yes" as true."""
    return ParameterValue(value, value_type=str)


def end_on_mistake(event: ProcessExited, context: LaunchContext) -> list[Shutdown]:
    """A node that crashed comes back; one that was given something wrong would only say so again."""
    return [Shutdown(reason=f"{event.process_name} was given something wrong")] if event.returncode == MISTAKE else []


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
