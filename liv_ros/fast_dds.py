# SPDX-License-Identifier: Apache-2.0
"""Fast DDS drops large best-effort messages as it comes; our profile gives it room. See ``config/fastdds.xml``."""

from __future__ import annotations

import os

import rclpy

from liv_model.folders import shipped

# What Fast DDS 2 (Humble to Jazzy) reads; Fast DDS 3 reads FASTDDS_DEFAULT_PROFILES_FILE instead.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def use_profile() -> None:
    """Have this process and those it starts use our profile, unless the user has one; before ``rclpy.init``."""
    for variable in PROFILE_VARIABLES:
        os.environ.setdefault(variable, str(shipped("config/fastdds.xml")))


def is_in_use() -> bool:
    """Whether messages travel by Fast DDS."""
    return "fastrtps" in rclpy.get_rmw_implementation_identifier()


def profile_hint() -> str:
    """What to do about lost frames, where Fast DDS runs without a profile; else ""."""
    if not is_in_use() or os.environ.get(PROFILE_VARIABLES[0]):
        return ""
    return (
        f"; Fast DDS out of the box drops large best-effort messages: export {PROFILE_VARIABLES[0]}="
        "$(ros2 pkg prefix --share liv_ros)/config/fastdds.xml for the camera driver and here"
    )
