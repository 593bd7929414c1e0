# SPDX-License-Identifier: Apache-2.0
"""The wire is a contract: names and types as in the design, every field explained."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = sorted([*(ROOT / "msg").glob("*.msg"), *(ROOT / "srv").glob("*.srv")])

FIELDS = {
    "Goal": "header id text image",
    "Embedding": "header camera model activation sequence data",
    "ActiveGoal": "goal model activation embedding familiarity cameras first_sequence value_at_start value_at_goal"
    " stall_s hold_s success_progress nearest nearest_familiarity message",
    "Reward": "header camera goal_id model step is_first value reward progress",
    "GoalScores": "header camera model texts values",
    "GoalSet": "texts",
    "TaskState": "header camera goal_id state progress rate message",
    "Verdict": "header goal_id verdict",
}


@pytest.mark.parametrize("path", INTERFACES, ids=lambda path: path.name)
def test_every_field_is_explained(path) -> None:
    # A comment stands for the block of lines below it; an empty line ends the block.
    explained = False
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif line in ("", "---"):
            explained = False
        else:
            assert explained, f"{path.name}: no comment above {line!r}"


@pytest.mark.ros
@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_those_of_the_design(name: str) -> None:
    from liv_ros import msg

    assert list(getattr(msg, name).get_fields_and_field_types()) == FIELDS[name].split()


@pytest.mark.ros
def test_values_and_rewards_are_float64_so_that_sums_hold() -> None:
    from liv_ros.msg import ActiveGoal, GoalScores, Reward

    types = Reward.get_fields_and_field_types()
    assert {types["value"], types["reward"], types["progress"]} == {"double"}
    assert GoalScores.get_fields_and_field_types()["values"] == "sequence<double>"
    calibration = ActiveGoal.get_fields_and_field_types()
    assert {calibration["value_at_start"], calibration["value_at_goal"]} == {"double"}
