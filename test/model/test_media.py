# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from liv_model.bag_writer import BagWriter
from liv_model.bags import camera_topic, message_types, read_messages
from liv_model.errors import MediaError
from liv_model.media import open_media

RATE = 20.0


def pictures(count=6, height=48, width=64):
    return [np.full((height, width, 3), (40 * i, 10, 255 - 40 * i), np.uint8) for i in range(count)]


def write_bag(path, frames, topics=("/camera/image/compressed",), cut=None):
    types = message_types().types
    header, time = types["std_msgs/msg/Header"], types["builtin_interfaces/msg/Time"]
    compressed = types["sensor_msgs/msg/CompressedImage"]
    with BagWriter(path) as bag:
        for topic in topics:
            for i, rgb in enumerate(frames):
                stamp_ns = 1_700_000_000_000_000_000 + round(i * 1e9 / RATE)
                data = cv2.imencode(".jpg", rgb[..., ::-1])[1]
                data = data[: len(data) // 2] if i == cut else data
                stamp = time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
                message = compressed(header=header(stamp=stamp, frame_id="camera"), format="jpeg", data=data)
                cdr = message_types().serialize_cdr(message, "sensor_msgs/msg/CompressedImage")
                bag.write(topic, "sensor_msgs/msg/CompressedImage", stamp_ns, bytes(cdr))


def write_folder(path, frames):
    path.mkdir()
    for i, rgb in enumerate(frames):
        cv2.imwrite(str(path / f"frame_{i + 7}.png"), rgb[..., ::-1])  # 7 ... 12: sorted as numbers, not as text


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, (64, 48))
    for rgb in frames:
        writer.write(np.ascontiguousarray(rgb[..., ::-1]))
    writer.release()


@pytest.mark.parametrize(("kind", "write"), [("bag", write_bag), ("folder", write_folder), ("video", write_video)])
def test_all_kinds_give_the_same_frames(tmp_path, kind, write):
    path = tmp_path / ("a.mp4" if kind == "video" else "a")
    write(path, pictures())
    media = open_media(path, rate_hz=RATE)
    assert (media.kind, media.frame_count) == (kind, 6)
    for _ in range(2):  # can be read again
        frames = list(media.frames())
        np.testing.assert_allclose([f.time_ns for f in frames], np.arange(6) * 1e9 / RATE, atol=2)
        for frame, expected in zip(frames, pictures(), strict=True):
            assert np.abs(frame.rgb.astype(int) - expected).max() <= 12  # mp4v is lossy
    assert all((frame.jpeg is not None) == (kind == "bag") for frame in frames)


def test_a_bags_file_opens_as_the_bag(tmp_path):
    write_bag(tmp_path / "a", pictures())
    assert open_media(tmp_path / "a" / "a_0.mcap").frame_count == 6


def test_two_cameras_need_a_name(tmp_path):
    write_bag(tmp_path / "a", pictures(2), ("/left", "/right"))
    with pytest.raises(MediaError, match="expected one camera topic, got /left, /right; name one"):
        open_media(tmp_path / "a")
    assert open_media(tmp_path / "a", topic="/left").frame_count == 2
    with pytest.raises(MediaError, match=r"topic '/up'.*expected /left \| /right"):
        camera_topic(tmp_path / "a", "/up")


def test_a_cut_frame_in_a_bag_is_named_by_its_time(tmp_path):
    write_bag(tmp_path / "a", pictures(), cut=3)
    with pytest.raises(MediaError, match=r"frame at 0\.15 s: .*whole JPEG"):
        list(open_media(tmp_path / "a").frames())


def test_a_broken_frame_is_left_out_where_that_is_asked_for(tmp_path):
    write_bag(tmp_path / "bag", pictures(), cut=3)
    write_folder(tmp_path / "folder", pictures())
    (tmp_path / "folder/frame_10.png").write_bytes(b"not a picture")
    for name, said in (("bag", "frame at 0.15 s"), ("folder", "frame_10.png")):
        broken = []
        frames = list(open_media(tmp_path / name, rate_hz=RATE).frames(broken.append))
        np.testing.assert_allclose([f.time_ns for f in frames], np.array([0, 1, 2, 4, 5]) * 1e9 / RATE, atol=2)
        assert len(broken) == 1 and said in broken[0]
    write_bag(tmp_path / "all", pictures(1), cut=0)
    with pytest.raises(MediaError, match="at least one frame that decodes"):
        list(open_media(tmp_path / "all").frames(lambda _: None))


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        open_media(tmp_path / "none.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="expected PNG or JPEG"):
        open_media(tmp_path / "empty")
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    with pytest.raises(MediaError, match="cannot decode"):
        open_media(tmp_path / "a.mp4")
    (tmp_path / "a.mcap").write_bytes(b"not a bag")
    with pytest.raises(MediaError, match="expected a rosbag2 recording"):
        open_media(tmp_path / "a.mcap")
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "metadata.yaml").write_text("{}")
    with pytest.raises(MediaError, match="expected a rosbag2 recording"):
        open_media(tmp_path / "bag")


def test_a_bag_is_never_written_over(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(MediaError, match="expected a new folder"):
        BagWriter(tmp_path)


def test_bags_carry_our_own_messages(tmp_path):
    goal = message_types().types["liv_ros/msg/Verdict"]
    types = message_types().types
    header = types["std_msgs/msg/Header"](stamp=types["builtin_interfaces/msg/Time"](1, 2), frame_id="")
    cdr = message_types().serialize_cdr(goal(header=header, goal_id="g", verdict=2), "liv_ros/msg/Verdict")
    with BagWriter(tmp_path / "a") as bag:
        bag.add_topic("/empty", "liv_ros/msg/Reward")
        bag.write("/verdict", "liv_ros/msg/Verdict", 5, bytes(cdr))
    [(topic, stamp, message)] = list(read_messages(tmp_path / "a"))
    assert (topic, stamp, message.goal_id, message.verdict) == ("/verdict", 5, "g", 2)
