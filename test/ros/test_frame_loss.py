# SPDX-License-Identifier: Apache-2.0
"""Frames lost on the way to the encoder are told, with the remedy where Fast DDS runs as it comes."""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.ros


@pytest.mark.parametrize(
    ("rmw", "profile", "hints"),
    [
        ("rmw_fastrtps_cpp", "", True),
        ("rmw_fastrtps_cpp", "/my/profile.xml", False),
        ("rmw_cyclonedds_cpp", "", False),
    ],
)
def test_the_hint_is_for_fast_dds_without_a_profile(monkeypatch, rmw, profile, hints):
    import rclpy

    from liv_ros import fast_dds

    monkeypatch.setattr(rclpy, "get_rmw_implementation_identifier", lambda: rmw)
    monkeypatch.setenv(fast_dds.PROFILE_VARIABLES[0], profile)
    assert ("fastdds.xml" in fast_dds.profile_hint()) == hints


def test_the_shipped_profile_is_taken_by_fast_dds(probe, start):
    """The nodes of all these tests run with it; a profile that Fast DDS cannot read is told on its error output."""
    node = start("reward_node")
    probe.wait(lambda: "liv/reward_node" in probe.health, "the node")
    assert "XMLPARSER" not in node.output
    sizes = []
    for file in Path("/dev/shm").glob("fastrtps_*"):
        with suppress(FileNotFoundError):  # other processes end
            sizes.append(file.stat().st_size)
    assert max(sizes) > 30_000_000  # a segment with room for images; as it comes, it has half a megabyte


def test_lost_frames_are_counted_and_told(probe, monkeypatch):
    """The middleware's event, as Fast DDS gives it; the next test loses real frames."""
    from liv_ros import camera_input

    told = []
    monkeypatch.setattr(camera_input, "profile_hint", lambda: "; remedy")
    monkeypatch.setattr(type(probe.node.get_logger()), "warning", lambda self, text, **options: told.append(text))
    camera = camera_input.CameraInput(probe.node, "camera", lambda name, message: None)
    for count in (2, 1):
        camera._on_lost(SimpleNamespace(total_count_change=count))
    assert camera.lost_in_transport == 3
    assert told[-1] == "camera: 3 frames of /camera/image_raw lost on the way here; remedy"


@pytest.mark.slow  # and at the mercy of a fast machine, which may lose none
def test_real_losses_are_warned_of(probe, start, monkeypatch):
    """Bursts of large best-effort images to an encoder with Fast DDS as it comes."""
    from liv_ros.fast_dds import PROFILE_VARIABLES

    for variable in PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    node = start("encoder_node", **{"camera.reliability": "best_effort"})
    probe.connected(probe.camera)
    picture = probe.picture(height=1080, width=1920)

    def publish():
        for _ in range(30):
            probe.camera.publish(picture)
        return "lost on the way here" in node.output

    probe.wait(publish, "a warning", within_s=120)
    assert "config/fastdds.xml" in node.output
    probe.wait(lambda: int(probe.told("encoder_node", "camera: frames lost in transport") or 0) > 0, "the count")
