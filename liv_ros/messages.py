# SPDX-License-Identifier: Apache-2.0
"""Between our messages and our own types. Arrays go in as ``array.array``: rclpy checks lists and numpy one by one."""

from __future__ import annotations

from array import array
from dataclasses import asdict

import numpy as np
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from liv_model.calibration import Calibration
from liv_model.goal import Goal, ResolvedGoal
from liv_model.loaded_model import LoadedModel
from liv_model.reward import NANOSECONDS, RewardSample
from liv_ros.image_conversion import to_rgb
from liv_ros.msg import ActiveGoal, Embedding, Reward
from liv_ros.msg import Goal as GoalMessage

# Reliable publishers match reliable and best-effort subscribers alike.
STREAM_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def stamp_ns(header: Header) -> int:
    """A header's stamp in nanoseconds."""
    return header.stamp.sec * NANOSECONDS + header.stamp.nanosec


def floats(vector: np.ndarray) -> array:
    """A float32 vector as what a ``float32[]`` field takes without looking at every element."""
    return array("f", np.ascontiguousarray(vector, np.float32).tobytes())


def goal_from_message(message: GoalMessage) -> Goal:
    """Read a Goal message; GoalError unless exactly one of text and image is given, ImageError for a bad image."""
    has_image = message.image.width or message.image.height or len(message.image.data)
    return Goal(message.text, to_rgb(message.image) if has_image else None)


def goal_message(goal_id: str, header: Header, goal: Goal) -> GoalMessage:
    """A Goal message; an image is carried as rgb8."""
    message = GoalMessage(header=header, id=goal_id, text=goal.text)
    if goal.image is not None:
        message.image = image_message(header, goal.image)
    return message


def image_message(header: Header, rgb: np.ndarray) -> Image:
    """A sensor_msgs/Image of uint8 (H, W, 3) RGB."""
    height, width = rgb.shape[:2]
    data = array("B", np.ascontiguousarray(rgb).tobytes())
    return Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width, data=data)


def embedding_message(
    header: Header, camera: str, model: str, activation: str, sequence: int, embedding: np.ndarray
) -> Embedding:
    """An Embedding message; ``embedding`` float32 (D,)."""
    return Embedding(
        header=header, camera=camera, model=model, activation=activation, sequence=sequence, data=floats(embedding)
    )


def active_goal_message(
    goal: GoalMessage, model: LoadedModel, activation: str, resolved: ResolvedGoal, first_sequence: dict[str, int]
) -> ActiveGoal:
    """An ActiveGoal message for a goal that a model has taken up."""
    return ActiveGoal(
        goal=goal,
        model=model.identity,
        activation=activation,
        embedding=floats(resolved.embedding),
        familiarity=resolved.familiarity,
        cameras=list(first_sequence),
        first_sequence=array("Q", first_sequence.values()),
        value_at_start=resolved.calibration.start,
        value_at_goal=resolved.calibration.goal,
        **asdict(model.bundle.task_state),
        nearest=[known.text for known in resolved.nearest],
        nearest_familiarity=array("f", [known.familiarity for known in resolved.nearest]),
        message=resolved.message,
    )


def calibration_from_message(goal: ActiveGoal) -> Calibration:
    """The calibration that an ActiveGoal carries."""
    return Calibration(goal.value_at_start, goal.value_at_goal)


def reward_message(embedding: Embedding, goal_id: str, sample: RewardSample) -> Reward:
    """The Reward message of a scored embedding, with the header of its image."""
    return Reward(
        header=embedding.header,
        camera=embedding.camera,
        goal_id=goal_id,
        model=embedding.model,
        step=sample.step,
        is_first=sample.is_first,
        value=sample.value,
        reward=sample.reward,
        progress=sample.progress,
    )
