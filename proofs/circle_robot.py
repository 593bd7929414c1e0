# SPDX-License-Identifier: Apache-2.0
"""The robot of the proof of the circle: plays simulated attempts as its camera, with goals and verdicts, over ROS."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from liv_ros import msg
from liv_ros.messages import LATCHED_QOS, stamp_ns
from liv_ros.node_process import NodeProcess
from proofs.consumer import Consumer
from training.episodes import Episode

NAMESPACE = "/circle"
CAMERA = "camera"
TOPIC = f"{NAMESPACE}/camera/image_raw/compressed"
RECORDED = (
    TOPIC,
    *(f"{NAMESPACE}/{topic}" for topic in ("active_goal", "verdict")),
    *(f"{NAMESPACE}/{CAMERA}/{what}" for what in ("embedding", "reward", "task_state")),
)
READY_S = 120.0
REWARD_WITHIN_S = 20.0
_QUALITY = 90


@dataclass
class Attempt:
    """What the consumer heard of one attempt that was played.

    Attributes:
        task: name of the task.
        text: the goal it was played under.
        outcome: of the attempt.
        seed: of the attempt.
        model: that scored it.
        values: of each frame, under the goal.
        scores: values by frame under each text of the goal set.
        summed: the sum of the rewards since ``is_first``.
    """

    task: str
    text: str
    outcome: str
    seed: int
    model: str = ""
    values: list[float] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    summed: float = 0.0

    def plain(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)


class Robot:
    """Nodes in processes of their own, and a teleoperator who plays attempts. A context manager.

    Args:
        folder: for logs and state.
        bundle: the model to begin with.
        goal_set: texts that every picture is scored for, beside the goal.
        record: the bag to record, or None.
    """

    namespace = NAMESPACE

    def __init__(self, folder: Path, bundle: Path, goal_set: Sequence[str], record: Path | None = None):
        self._folder, self._stack = folder, ExitStack()
        self._consumer = Consumer("teleoperator", NAMESPACE, folder)
        self._bundle, self._goal_set, self._record = bundle, list(goal_set), record
        self._nodes: list[NodeProcess] = []
        self._attempt: Attempt | None = None
        self._goal: msg.ActiveGoal | None = None
        self._seen: set[int] = set()
        self._scored: set[int] = set()

    def __enter__(self) -> Robot:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(self._consumer)
        self.node = self._consumer.node
        self._camera = self.node.create_publisher(CompressedImage, TOPIC, QoSProfile(depth=10))
        self._goals = self.node.create_publisher(msg.Goal, "goal", 10)
        self._verdicts = self.node.create_publisher(msg.Verdict, "verdict", 10)
        self.node.create_subscription(msg.ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        self.node.create_subscription(msg.Reward, f"{CAMERA}/reward", self._on_reward, 100)
        self.node.create_subscription(msg.GoalScores, f"{CAMERA}/goal_scores", self._on_scores, 100)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in reversed(self._nodes):
            node.stop()
        self._stack.close()

    def _start(self) -> None:
        encoder: dict[str, object] = {"bundle": str(self._bundle), "state_folder": str(self._folder / "state")}
        encoder |= {f"{CAMERA}.topic": TOPIC, f"{CAMERA}.transport": "compressed", f"{CAMERA}.reliability": "reliable"}
        self._run("encoder_node", {**encoder, "goal_set": self._goal_set})
        for name in ("reward_node", "monitor_node"):
            self._run(name, {})
        if self._record is not None:
            self._run("recorder_node", {"output": str(self._record), "topics": list(RECORDED), "keep_free_mb": 100})
        listeners = 1 if self._record is None else 2  # of the camera: the encoder, and what records it
        self._wait(lambda: self._goals.get_subscription_count(), "the encoder")
        self._wait(lambda: self._camera.get_subscription_count() >= listeners, "the camera's listeners")
        if self._record is not None:
            self._wait(lambda: self._verdicts.get_subscription_count(), "the recorder")

    def _run(self, name: str, parameters: dict[str, object]) -> None:
        log = self._folder / f"{name}.log"
        self._nodes.append(NodeProcess(name, {"cameras": [CAMERA], **parameters}, log, namespace=NAMESPACE))

    # what it hears ---------------------------------------------------------------------------------------------------

    def _on_goal(self, goal: msg.ActiveGoal) -> None:
        self._goal = goal

    def _on_reward(self, reward: msg.Reward) -> None:
        if self._attempt is not None and self._goal is not None and reward.goal_id == self._goal.goal.id:
            self._attempt.values.append(reward.value)
            self._attempt.summed = 0.0 if reward.is_first else self._attempt.summed + reward.reward
            self._attempt.model = reward.model
            self._seen.add(stamp_ns(reward.header))

    def _on_scores(self, scores: msg.GoalScores) -> None:
        if self._attempt is not None and stamp_ns(scores.header) not in self._scored:
            self._scored.add(stamp_ns(scores.header))
            for text, value in zip(scores.texts, scores.values, strict=True):
                self._attempt.scores.setdefault(text, []).append(value)

    # what it does ----------------------------------------------------------------------------------------------------

    def play(self, episode: Episode) -> Attempt:
        """One attempt: the goal, every frame at its time, the verdict; each frame is scored before the next is due.

        Raises:
            LivError: a frame got no reward.
        """
        text = episode.text
        self.ask(text)
        self._attempt = Attempt(episode.task, text, episode.outcome, episode.seed)
        self._seen, self._scored = set(), set()
        begin_s = time.monotonic()
        for frame, due_s in zip(episode.frames, episode.time_s, strict=True):
            self._consumer.spin(begin_s + float(due_s) - time.monotonic())
            stamp = self._show(frame)
            self._wait(lambda s=stamp: s in self._seen and s in self._scored, "a reward", REWARD_WITHIN_S)
        self._verdicts.publish(self._verdict(episode.outcome == "success"))
        attempt, self._attempt = self._attempt, None
        return attempt

    def ask(self, text: str) -> None:
        """Set a goal in words anew, and wait until it is active."""
        goal_id = f"{time.monotonic_ns():x}"
        self._goals.publish(msg.Goal(id=goal_id, text=text))
        self._wait(lambda: self._goal is not None and self._goal.goal.id == goal_id, f"goal {text!r}")

    def while_running(self, done: Callable[[], bool], what: str, within_s: float) -> None:
        """Go on hearing until something is done."""
        self._wait(done, what, within_s)

    def _show(self, frame: Any) -> int:
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id=CAMERA)
        self._camera.publish(CompressedImage(header=header, format="jpeg", data=array("B", jpeg.tobytes())))
        return stamp_ns(header)

    def _verdict(self, success: bool) -> msg.Verdict:
        said = msg.Verdict.SUCCESS if success else msg.Verdict.FAILURE
        header = Header(stamp=self.node.get_clock().now().to_msg())
        return msg.Verdict(header=header, goal_id=self._goal.goal.id, verdict=said)

    def _wait(self, condition: Callable[[], Any], what: str, within_s: float = READY_S) -> None:
        self._consumer.wait(condition, what, within_s, self._require_running)

    def _require_running(self) -> None:
        for node in self._nodes:
            node.require_running()
