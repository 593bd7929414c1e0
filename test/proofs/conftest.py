# SPDX-License-Identifier: Apache-2.0
import importlib.util
import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def apart_from_other_graphs():
    """The proofs' own isolation, which the command lines call."""
    if importlib.util.find_spec("rclpy") is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
            patch.setenv(name, os.environ.get(name, ""))  # so that they are as before at the end
        patch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE")
        from liv_ros.demo import isolate

        isolate()
        yield
