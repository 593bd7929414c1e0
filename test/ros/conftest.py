# SPDX-License-Identifier: Apache-2.0
"""Tests of the nodes: real processes, real DDS, a domain of their own, waiting on events and never for a time."""

import os
import time
from array import array

import numpy as np
import pytest

WITHIN_S = 30.0


@pytest.fixture(scope="session", autouse=True)
def apart_from_other_graphs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        from liv_model.folders import shipped

        patch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(shipped("config/fastdds.xml")))
        yield


class Probe:
    """The tests' own node: publishes what a test says, keeps all that it hears."""

    def __init__(self):
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image
        from std_msgs.msg import String

        from liv_ros import messages, msg

        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node("probe", context=self.context, namespace="/liv")
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.goals, self.embeddings, self.rewards, self.health = [], [], [], {}
        listen = self.node.create_subscription
        listen(msg.ActiveGoal, "active_goal", self.goals.append, messages.LATCHED_QOS)
        listen(msg.Embedding, "camera/embedding", self.embeddings.append, QoSProfile(depth=500))
        listen(msg.Reward, "camera/reward", self.rewards.append, QoSProfile(depth=500))
        listen(DiagnosticArray, "/diagnostics", self._on_health, 10)
        self.camera = self.node.create_publisher(Image, "/camera/image_raw", 500)  # reliable, as the encoders ask here
        self.text = self.node.create_publisher(String, "goal/text", 10)
        self.image = self.node.create_publisher(Image, "goal/image", 10)
        self.goal = self.node.create_publisher(msg.Goal, "goal", 10)
        self._count = 0

    def _on_health(self, message):
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.health[status.name] = {"level": status.level, "message": status.message, **values}

    def wait(self, condition, what, within_s=WITHIN_S):
        """Spin until ``condition()`` is true, and return what it gave."""
        deadline = time.monotonic() + within_s
        while not (result := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"waited {within_s} s for {what}")
            self.executor.spin_once(timeout_sec=0.05)
        return result

    def connected(self, publisher, count=1):
        self.wait(lambda: publisher.get_subscription_count() >= count, f"{count} subscribers of {publisher.topic}")

    def picture(self, seed=None, height=24, width=32, stamp_ns=None, **fields):
        """An Image of noise; a new one and a new stamp on every call unless told."""
        from sensor_msgs.msg import Image

        self._count += 1
        rgb = np.random.default_rng(self._count if seed is None else seed).integers(
            0, 256, (height, width, 3), np.uint8
        )
        message = Image(height=height, width=width, encoding="rgb8", step=3 * width, data=array("B", rgb.tobytes()))
        message.header.frame_id = "camera_optical_frame"
        stamp_ns = 10**15 + self._count * 10**7 if stamp_ns is None else stamp_ns
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def show(self, message=None):
        """Publish a picture and wait for its embedding."""
        message = message or self.picture()
        before, stamp = len(self.embeddings), message.header.stamp
        self.camera.publish(message)
        return self.wait(
            lambda: next((e for e in self.embeddings[before:] if e.header.stamp == stamp), None), "an embedding"
        )

    def told(self, node, key):
        """What a node tells on /diagnostics under a key, None before it has told anything."""
        return self.health.get(f"liv/{node}", {}).get(key)

    def reward_of(self, embedding):
        stamp = embedding.header.stamp
        return self.wait(lambda: next((r for r in reversed(self.rewards) if r.header.stamp == stamp), None), "a reward")

    def set_goal(self, text):
        from std_msgs.msg import String

        before = len(self.goals)
        self.text.publish(String(data=text))
        return self.wait(lambda: next((g for g in self.goals[before:] if g.goal.text == text), None), f"goal {text!r}")

    def call(self, service_type, name, request):
        client = self.node.create_client(service_type, name)
        self.wait(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        self.wait(future.done, f"an answer of {name}")
        return future.result()

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.shutdown()


@pytest.fixture
def probe():
    probe = Probe()
    yield probe
    probe.close()


@pytest.fixture
def start(tmp_path, bundle):
    """Start nodes in processes of their own; they are stopped at the end and must not have printed a traceback."""
    from liv_ros.node_process import NodeProcess

    processes = []

    def start(name, **parameters):
        if name == "encoder_node":
            state = str(tmp_path / "state")
            # reliable: a test that publishes one image must not wait in vain for it; test_frame_loss.py has the default
            ours = {"bundle": str(bundle.path), "state_folder": state, "camera.reliability": "reliable"}
            parameters = {**ours, **parameters}
        log = tmp_path / f"{name}_{len(processes)}.log"
        processes.append(NodeProcess(name, parameters, log, namespace="/liv"))
        return processes[-1]

    yield start
    for process in processes:
        process.stop()
    for process in processes:
        assert "Traceback" not in process.output, process.output


@pytest.fixture
def graph(probe, start):
    """encoder_node and reward_node with the goal "open the drawer", connected to the probe from end to end."""
    probe.encoder = start("encoder_node")
    start("reward_node")
    probe.connected(probe.camera)
    probe.connected(probe.text)
    probe.wait(lambda: probe.node.count_subscribers("/liv/camera/embedding") >= 2, "reward_node on embeddings")
    probe.wait(lambda: probe.node.count_subscribers("/liv/active_goal") >= 2, "reward_node on goals")
    probe.wait(lambda: probe.node.count_publishers("/liv/camera/reward"), "rewards")
    probe.set_goal("open the drawer")
    # the goal may reach reward_node after the first embedding, which then does not count: show until one does
    probe.wait(lambda: probe.show() and probe.rewards, "a first reward")
    return probe
