# SPDX-License-Identifier: Apache-2.0
"""Which goal counts when: one for the whole bag, or those that were set while it was recorded."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from liv_model.bags import IMAGE
from liv_model.errors import MediaError
from liv_model.goal import Goal, ResolvedGoal
from liv_model.image_message import image_to_rgb
from liv_model.label_messages import ACTIVE_GOAL, GOAL, STRING, AnnouncedGoal, SeenEmbedding, goal_of
from liv_model.label_reading import Recording, Stored


@dataclass(frozen=True)
class SetGoal:
    """A goal that was set.

    Attributes:
        id: echoed in every reward.
        goal: in words or as a picture.
        resolved: what the model makes of it.
    """

    id: str
    goal: Goal
    resolved: ResolvedGoal


def new_id(name: str) -> str:
    """A goal's id that nothing else has."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


class Announcer:
    """Announces the goal that is set, to every activation of the encoder that embeddings come from."""

    def __init__(self) -> None:
        self.present: SetGoal | None = None
        self._is_due = False
        self._activations: set[str] = set()
        self._activation = ""
        self._next: dict[str, int] = {}  # sequence of the next embedding by camera

    def set(self, goal: SetGoal | None) -> None:
        """Let a goal count from the next embedding on."""
        self.present, self._is_due = goal, goal is not None

    def at(self, seen: SeenEmbedding, camera: str) -> AnnouncedGoal | None:
        """What is to be announced before an embedding; None = nothing new."""
        if seen.activation not in self._activations:
            self._activations.add(seen.activation)
            self._activation, self._next, self._is_due = seen.activation, {}, True
        due = self._announced(seen, camera) if self._is_due and self.present is not None else None
        if seen.activation == self._activation:
            self._next[camera] = seen.sequence + 1
        return due

    def _announced(self, seen: SeenEmbedding, camera: str) -> AnnouncedGoal:
        self._is_due = False
        first = dict(self._next)
        if seen.activation == self._activation:
            first[camera] = seen.sequence
        goal = self.present
        resolved = goal.resolved
        return AnnouncedGoal(
            goal.id, goal.goal.text, seen.model, self._activation, resolved.embedding, resolved.calibration, first
        )


def recorded_goal_topics(recording: Recording, namespace: str) -> list[str]:
    """Topics that tell the goals of a recording: ``active_goal``, or else those by which goals are set.

    Raises:
        MediaError: there are none.
    """

    def present(name: str, msgtype: str) -> bool:
        topic = recording.topics.get(f"{namespace}/{name}")
        return topic is not None and topic.msgtype == msgtype and topic.count > 0

    wanted = {"active_goal": ACTIVE_GOAL, "goal": GOAL, "goal/text": STRING, "goal/image": IMAGE}
    found = [f"{namespace}/{name}" for name, msgtype in wanted.items() if present(name, msgtype)]
    if not found:
        names = " or ".join(f"{namespace}/{name} ({msgtype})" for name, msgtype in wanted.items())
        raise MediaError(
            f"{recording.path}: goals",
            expected=names,
            got=recording.told_topics(),
            remedy="give the goal with --goal or --goal-image",
        )
    return found[:1] if found[0].endswith("/active_goal") else found


def goal_in(recording: Recording, stored: Stored) -> tuple[str, Goal] | None:
    """Id and goal of a message of one of those topics; None where it ends a goal. GoalError, ImageError, MediaError."""
    msgtype = recording.topics[stored.topic].msgtype
    message = recording.read(stored)
    if msgtype == STRING:
        return new_id("goal"), Goal(message.data)
    if msgtype == IMAGE:
        return new_id("goal"), Goal(image=image_to_rgb(message))
    if msgtype == GOAL:
        return message.id or new_id("goal"), goal_of(message)
    return (message.goal.id, goal_of(message.goal)) if message.goal.id else None
