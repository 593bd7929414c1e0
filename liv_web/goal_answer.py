# SPDX-License-Identifier: Apache-2.0
"""What the page is told of a goal."""

from __future__ import annotations

import math
import time

from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_model.goal import Goal, ResolvedGoal
from liv_web import wire


def goal_answer(goal_id: str, goal: Goal, resolved: ResolvedGoal, threshold: float, set_at: float) -> wire.Goal:
    """Of one that a model has taken up.

    Args:
        goal_id: echoed in rewards.
        goal: as it was set.
        resolved: what the model makes of it.
        threshold: text cosine at or above which the model knows it.
        set_at: Unix seconds.
    """
    return wire.Goal(
        id=goal_id,
        text=goal.text,
        image=goal.image is not None,
        familiarity=resolved.familiarity,
        unfamiliar=is_unfamiliar(goal.image is not None, resolved.familiarity, threshold),
        nearest=[wire.NearGoal(text=known.text, similarity=round(known.familiarity, 4)) for known in resolved.nearest],
        message=resolved.message,
        set_at=set_at,
    )


def is_unfamiliar(is_image: bool, familiarity: float, threshold: float) -> bool:
    """Whether a goal in words is none that the model knows."""
    return not is_image and not (math.isfinite(familiarity) and familiarity >= threshold)


def refused_goal(text: str, error: LivError) -> wire.Goal:
    """Of one that the model does not take; the goal before goes on."""
    return wire.Goal(
        id="", text=text, image=not text, unfamiliar=False, message=str(error), accepted=False, set_at=time.time()
    )


def known_instructions(bundle: Bundle) -> list[wire.Instruction]:
    """What a model was trained on."""
    return [wire.Instruction(text=known.text, opposite=known.opposite) for known in bundle.instructions]
