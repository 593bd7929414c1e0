# SPDX-License-Identifier: Apache-2.0
"""What people did while a bag was recorded: the goals they set and the verdicts they gave."""

from __future__ import annotations

from dataclasses import dataclass, field

from liv_model.errors import GoalError, ImageError
from liv_model.goal import Goal
from liv_model.label_messages import ACTIVE_GOAL, goal_of, stamp_ns
from liv_model.label_reading import Recording
from liv_web import wire

VERDICT = "liv_ros/msg/Verdict"
_VERDICTS: dict[int, wire.VerdictName] = {1: "success", 2: "failure", 3: "discard"}


@dataclass(frozen=True)
class RecordedGoal:
    """A goal that was active from a time on, nanoseconds of the recording."""

    time_ns: int
    id: str
    goal: Goal


@dataclass(frozen=True)
class RecordedVerdict:
    """A verdict by its stamp, nanoseconds."""

    stamp_ns: int
    goal_id: str
    verdict: wire.VerdictName


@dataclass
class RecordedNotes:
    """Both, in their order."""

    goals: list[RecordedGoal] = field(default_factory=list)
    verdicts: list[RecordedVerdict] = field(default_factory=list)

    def goal_at(self, stamp_ns: int) -> RecordedGoal | None:
        """The goal that was active at a time; the first one before any."""
        earlier = [goal for goal in self.goals if goal.time_ns <= stamp_ns]
        return earlier[-1] if earlier else next(iter(self.goals), None)


def read_notes(recording: Recording, namespace: str) -> RecordedNotes:
    """Read the goals and verdicts of a bag; what is malformed is passed over."""
    notes = RecordedNotes()
    wanted = {f"{namespace}/active_goal": ACTIVE_GOAL, f"{namespace}/verdict": VERDICT}
    topics = {name for name, kind in wanted.items() if name in recording.of_type(kind)}
    for stored in recording.messages(topics) if topics else ():
        message = recording.read(stored)
        if stored.topic.endswith("/verdict"):
            if message.verdict in _VERDICTS:
                when = stamp_ns(message.header) or stored.time_ns
                notes.verdicts.append(RecordedVerdict(when, message.goal_id, _VERDICTS[message.verdict]))
        elif message.goal.id:
            try:
                notes.goals.append(RecordedGoal(stored.time_ns, message.goal.id, goal_of(message.goal)))
            except (GoalError, ImageError):
                continue
    return notes
