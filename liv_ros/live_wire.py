# SPDX-License-Identifier: Apache-2.0
"""What a running robot's messages are on the page."""

from __future__ import annotations

from typing import Any

from liv_model.reward import NANOSECONDS
from liv_ros.messages import stamp_ns
from liv_ros.msg import ActiveGoal
from liv_ros.srv import GoalFromCamera, SetGoal
from liv_web import wire


def seconds(message: Any) -> float:
    """When a message with a header was stamped."""
    return stamp_ns(message.header) / NANOSECONDS


def wire_goal(
    said: ActiveGoal | SetGoal.Response | GoalFromCamera.Response,
    goal_id: str,
    text: str,
    *,
    set_at: float,
    unfamiliar: bool,
    accepted: bool = True,
) -> wire.Goal:
    """What the encoder says of a goal; one without a text is a picture."""
    pairs = zip(said.nearest, said.nearest_familiarity, strict=False)
    return wire.Goal(
        id=goal_id,
        text=text,
        image=not text,
        familiarity=said.familiarity,
        unfamiliar=unfamiliar,
        nearest=[wire.NearGoal(text=known, similarity=round(cosine, 4)) for known, cosine in pairs],
        message=said.message,
        accepted=accepted,
        set_at=set_at,
    )


def dumped(episodes: list[wire.Episode]) -> list[dict[str, Any]]:
    """As they go over the wire."""
    return [episode.model_dump(mode="json") for episode in episodes]


def recording(values: dict[str, str], message: str) -> wire.Recording:
    """What recorder_node says on /diagnostics."""
    free_mb = values.get("free disk (MB)", "")
    on = values.get("recording") == "true"
    return wire.Recording(
        on=on,
        folder=values.get("bag", ""),
        free_bytes=int(free_mb) * 10**6 if free_mb.isdigit() else None,
        message=message if "stopped" in message else "",
    )
