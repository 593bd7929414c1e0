# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.ros

COUNT = 6


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(COUNT):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((48, 64, 3), 40 * i, np.uint8))
    return folder


@pytest.fixture
def heard(probe):
    from sensor_msgs.msg import CompressedImage, Image

    heard = []
    probe.node.create_subscription(Image, "camera/image_raw", heard.append, 50)
    probe.node.create_subscription(CompressedImage, "camera/image_raw/compressed", heard.append, 50)
    return heard


def levels(messages):
    return [round(float(np.mean(np.frombuffer(m.data, np.uint8))) / 40) for m in messages]


def test_every_frame_once_in_order_at_its_pace(probe, start, frames, heard):
    node = start("video_node", video=str(frames), rate_hz=20.0, wait_for_subscribers=1, frame_id="eye")
    probe.wait(lambda: len(heard) == COUNT, "all frames")
    assert levels(heard) == list(range(COUNT))
    assert {(m.width, m.height, m.encoding, m.step, m.header.frame_id) for m in heard} == {(64, 48, "rgb8", 192, "eye")}
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in heard]
    assert stamps[-1] - stamps[0] > 0.15  # five intervals of 50 ms; the first stamp may be late
    assert node.wait(30) == 0
    assert f"played {COUNT} frames" in node.output


def test_it_loops_resizes_and_compresses(probe, start, frames, heard):
    node = start(
        "video_node",
        video=str(frames),
        topic="camera/image_raw/compressed",
        transport="compressed",
        rate_hz=100.0,
        loop=True,
        width=32,
        height=24,
    )
    probe.wait(lambda: len(heard) > 3 * COUNT, "several rounds")
    picture = cv2.imdecode(np.frombuffer(heard[-1].data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (24, 32, 3)
    assert heard[-1].format == "jpeg"
    assert node.stop(within_s=30) == 0


def test_a_recording_that_breaks_off_ends_the_node(probe, start, frames, heard):
    (frames / "3.png").write_bytes(b"broken")
    node = start("video_node", video=str(frames), rate_hz=100.0, wait_for_subscribers=1)
    assert node.wait(60) == 2
    assert "3.png: expected JPEG or PNG" in node.output
