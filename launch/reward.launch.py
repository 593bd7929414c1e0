# SPDX-License-Identifier: Apache-2.0
"""Live rewards: ros2 launch liv_ros reward.launch.py camera:=/camera/image_raw goal:="open the drawer"."""

import importlib.util
import time
import uuid
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(__file__).absolute().parent.parent
FAST_DDS_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")  # Fast DDS 2, 3
MISTAKE = 2  # exit code
DEFAULT_TOPIC = "/camera/image_raw"

# An argument left empty leaves the parameter as the config has it.
ARGUMENTS = {
    "namespace": ("/liv", "namespace of the nodes and of their topics"),
    "config": (str(SHARE / "config" / "reward.yaml"), "parameters of the nodes"),
    "bundle": ("", "model bundle, a folder (default: the shipped models/metaworld)"),
    "camera": ("", f"image topic of the camera (default: {DEFAULT_TOPIC})"),
    "cameras": ("", "several cameras instead: front=/front/image_raw,wrist=/wrist/image_raw"),
    "transport": ("", "what the topics carry: raw | compressed (default: raw)"),
    "goal": ("", "goal in words to begin with (default: the last one)"),
    "backend": ("", "what runs the model: auto | openvino | tensorrt | torch (default: auto)"),
    "precision": ("", "of its engine: auto | fp32 | fp16 | bf16 | int8 (default: auto)"),
    "monitor": ("true", "whether monitor_node tells task states"),
    "overlay": ("false", "whether overlay_node draws pictures for RViz, rqt and Foxglove"),
    "record": ("", "folder of a bag to record, or true: one named by its time in record_folder (default: none)"),
    "record_folder": ("~/liv_bags", "folder of the bags that record:=true and the page begin"),
    "dashboard": ("false", "whether dashboard_node serves the teleop page"),
    "dashboard_host": (
        "",
        "address it listens on; on any but this machine's own it asks for a token (default: 127.0.0.1)",
    ),
    "dashboard_port": ("", "port it listens on (default: 8642)"),
    "dashboard_token": ("", "token it asks for (default: LIV_DASHBOARD_TOKEN, else one that it prints at the start)"),
    "bundles": ("", "folder of bundles that the page offers to take into use (default: none)"),
    "video": ("", "a video, folder of frames or bag to play as the camera (default: none)"),
    "loop": ("false", "whether the video begins again at its end"),
    "autostart": ("true", "whether encoder_node brings itself up; false: something else configures and activates it"),
    "respawn": ("true", "whether a node that crashed is started again"),
    "use_sim_time": ("false", "whether time is that of /clock"),
    "log_level": ("info", "debug | info | warn | error | fatal"),
}
ENCODER_PARAMETERS = ("bundle", "backend", "precision", "goal")
RECORDED = ("embedding", "reward", "task_state")
PAGE_NEEDS = ("fastapi", "uvicorn", "websockets")


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
    topics = camera_topics(given)
    cameras = {"cameras": list(topics)} if given["cameras"] else {}
    shown = {f"{name}.topic": text(topic) for name, topic in topics.items() if topic}
    carried = {f"{name}.transport": text(given["transport"]) for name in topics if given["transport"]}
    return [
        encoder(given, {**cameras, **shown, **carried}),
        node("reward_node", given, cameras),
        *([node("monitor_node", given, cameras)] if is_true(given, "monitor") else []),
        *([node("overlay_node", given, {**cameras, **shown, **carried})] if is_true(given, "overlay") else []),
        *dashboard(given, {**cameras, **shown, **carried}),
        *([recorder(given, topics)] if given["record"] or is_true(given, "dashboard") else []),
        *([video(given, topics)] if given["video"] else []),
        RegisterEventHandler(OnProcessExit(on_exit=end_on_mistake)),
    ]


def camera_topics(given: dict[str, str]) -> dict[str, str]:
    """Topic by camera, "" where it is the config's."""
    if not given["cameras"]:
        return {"camera": given["camera"]}
    pairs = [entry.partition("=") for entry in given["cameras"].split(",")]
    return {name.strip(): topic.strip() for name, _, topic in pairs}


def encoder(given: dict[str, str], cameras: dict) -> LifecycleNode:
    """encoder_node, which brings itself up.

    Not by events of this file: after a kill -9 launch_ros asks the service of the dead node, and waits for ever.
    """
    parameters = {name: text(given[name]) for name in ENCODER_PARAMETERS if given[name]}
    parameters["session"] = text(uuid.uuid4().hex)  # a respawned encoder goes on with the last goal, not with the first
    parameters["autostart"] = is_true(given, "autostart")
    return node("encoder_node", given, {**parameters, **cameras}, LifecycleNode, name="encoder_node")


def dashboard(given: dict[str, str], cameras: dict) -> list:
    """The page; where its packages are not installed, all else runs without it."""
    if not is_true(given, "dashboard"):
        return []
    lacking = [name for name in PAGE_NEEDS if importlib.util.find_spec(name) is None]
    if lacking:
        return [LogInfo(msg=f"no dashboard: {', '.join(lacking)} not installed; pip install {' '.join(PAGE_NEEDS)}")]
    parameters = {name: text(given[name]) for name in ("bundle", "bundles") if given[name]}
    parameters |= {name: text(given[f"dashboard_{name}"]) for name in ("host", "token") if given[f"dashboard_{name}"]}
    if given["dashboard_port"]:
        parameters["port"] = ParameterValue(LaunchConfiguration("dashboard_port"), value_type=int)
    return [node("dashboard_node", given, {**parameters, **cameras}, respawn_delay=5.0)]


def recorder(given: dict[str, str], topics: dict[str, str]) -> Node:
    """recorder_node: begins at once with record:=..., else when the page asks for it."""
    names = [topic or DEFAULT_TOPIC for topic in topics.values()]
    outputs = [f"{given['namespace']}/{name}/{what}" for name in topics for what in RECORDED]
    recorded = [*names, *(f"{given['namespace']}/{topic}" for topic in ("active_goal", "verdict")), *outputs]
    parameters = {"topics": recorded, "record_folder": text(given["record_folder"])}
    if given["record"]:
        parameters["output"] = text(bag_folder(given))
        return node("recorder_node", given, parameters, respawn=False)  # the folder is taken then
    return node("recorder_node", given, parameters)


def bag_folder(given: dict[str, str]) -> str:
    """As given; named by the time where it is only said that there shall be one."""
    if given["record"].lower() != "true":
        return given["record"]
    return str(Path(given["record_folder"]).expanduser() / time.strftime("liv_%Y%m%d_%H%M%S"))


def video(given: dict[str, str], topics: dict[str, str]) -> Node:
    parameters = {"video": text(given["video"]), "topic": text(next(iter(topics.values())) or DEFAULT_TOPIC)}
    parameters |= {"transport": text(given["transport"] or "raw"), "wait_for_subscribers": 1}
    parameters["loop"] = is_true(given, "loop")
    return node("video_node", given, parameters, respawn=False)


def text(value: str) -> ParameterValue:
    """A text as a text: launch_ros reads plain strings as YAML, and "yes" as true."""
    return ParameterValue(value, value_type=str)


def is_true(given: dict[str, str], name: str) -> bool:
    return given[name].lower() in ("true", "1", "yes", "on")


def end_on_mistake(event: ProcessExited, context: LaunchContext) -> list[Shutdown]:
    """A node that crashed comes back; one that was given something wrong would only say so again.

    The page is no reason to end the rewards: its port may be free in a while.
    """
    if event.returncode != MISTAKE or event.process_name.startswith("dashboard_node"):
        return []
    return [Shutdown(reason=f"{event.process_name} was given something wrong")]


def node(executable: str, given: dict[str, str], parameters: dict, kind: type = Node, **options) -> Node:
    return kind(
        package="liv_ros",
        executable=executable,
        namespace=given["namespace"],
        parameters=[given["config"], {**parameters, "use_sim_time": is_true(given, "use_sim_time")}],
        ros_arguments=["--log-level", given["log_level"]],
        output="screen",
        **{"respawn": is_true(given, "respawn"), "respawn_delay": 1.0, **options},
    )
