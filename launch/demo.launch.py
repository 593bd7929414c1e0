# SPDX-License-Identifier: Apache-2.0
"""The shipped recording as the camera, again and again: ros2 launch liv_ros demo.launch.py goal:="close the door"."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

SHARE = Path(__file__).absolute().parent.parent
ARGUMENTS = {
    "goal": ("open the door", "goal in words to begin with"),
    "video": (str(SHARE / "examples" / "door_open"), "a video, folder of frames or bag to play as the camera"),
    "overlay": ("true", "whether overlay_node draws pictures for RViz, rqt and Foxglove"),
    "dashboard": ("true", "whether dashboard_node serves the teleop page"),
}


def generate_launch_description() -> LaunchDescription:
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=what) for name, (d, what) in ARGUMENTS.items()),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(SHARE / "launch" / "reward.launch.py")),
                launch_arguments={**given, "loop": "true"}.items(),
            ),
        ]
    )
