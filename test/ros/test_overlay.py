# SPDX-License-Identifier: Apache-2.0
"""overlay_node over real DDS: it looks at a camera only while somebody looks at the overlay."""

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros


@pytest.fixture
def watched(probe, start):
    """The node, and the overlays that the probe hears once it watches."""
    probe.overlay = start("overlay_node", **{"camera.reliability": "reliable", "width": 320})
    probe.overlays = []
    probe.wait(lambda: probe.node.count_publishers("/liv/camera/overlay"), "overlay_node")
    return probe


def watch(probe):
    from sensor_msgs.msg import CompressedImage

    subscription = probe.node.create_subscription(CompressedImage, "camera/overlay", probe.overlays.append, 10)
    probe.connected(probe.camera)
    return subscription


def drawn(probe, picture):
    """Show a picture and return its overlay, RGB."""
    before = len(probe.overlays)
    probe.camera.publish(picture)
    found = lambda: next((o for o in probe.overlays[before:] if o.header.stamp == picture.header.stamp), None)  # noqa: E731
    message = probe.wait(found, "an overlay")
    assert message.format == "jpeg" and message.header.frame_id == "camera_optical_frame"
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_a_camera_is_subscribed_only_while_somebody_watches(watched):
    assert watched.camera.get_subscription_count() == 0
    subscription = watch(watched)
    assert drawn(watched, watched.picture()).shape[1] == 320
    watched.node.destroy_subscription(subscription)
    watched.wait(lambda: watched.camera.get_subscription_count() == 0, "the camera to be let go")
    assert watched.wait(lambda: watched.told("overlay_node", "message") == "nobody watches", "the diagnostic")
    watch(watched)
    drawn(watched, watched.picture())


def test_goal_rewards_and_task_state_are_drawn(watched):
    from liv_ros import messages, msg

    watch(watched)
    picture = watched.picture(seed=1)
    bare = drawn(watched, picture)
    node = watched.node
    goals = node.create_publisher(msg.ActiveGoal, "active_goal", messages.LATCHED_QOS)
    rewards = node.create_publisher(msg.Reward, "camera/reward", 10)
    states = node.create_publisher(msg.TaskState, "camera/task_state", 10)
    for publisher in (goals, rewards, states):
        watched.connected(publisher, 1 if publisher is states else 2)
    goals.publish(msg.ActiveGoal(goal=msg.Goal(id="goal", text="open the drawer")))

    def again():
        picture.header.stamp.sec += 1
        return drawn(watched, picture)

    def is_told(rows):
        """Until the strip differs: what was published and the picture come by different ways."""
        return watched.wait(lambda: np.abs(again()[rows].astype(int) - bare[rows]).max() > 60, f"rows {rows}")

    is_told(slice(0, 30))
    for i in range(5):
        reward = msg.Reward(camera="camera", goal_id="goal", step=i, value=0.1 * i, progress=0.2 * i)
        reward.header.stamp.sec = 100 + i
        rewards.publish(reward)
    is_told(slice(-90, None))
    states.publish(msg.TaskState(camera="camera", goal_id="goal", state=2, message="stalled for 2.3 s"))
    watched.wait(lambda: (np.abs(again()[16, 300].astype(int) - (196, 128, 20)) < 60).all(), "the state's colour")


def test_a_bad_picture_is_refused_and_the_next_is_drawn(watched):
    watch(watched)
    watched.camera.publish(watched.picture(encoding="32FC1"))
    assert watched.wait(lambda: watched.told("overlay_node", "pictures refused") == "1", "the count")
    drawn(watched, watched.picture())
    assert "not drawn: image encoding" in watched.overlay.output
