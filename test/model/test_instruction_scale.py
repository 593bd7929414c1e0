# SPDX-License-Identifier: Apache-2.0
import pytest

from liv_model.bundle import Instruction
from liv_model.calibration import Calibration
from liv_model.instruction_scale import instruction_scale


def known(start, goal):
    return Instruction("do it", "task", None, (), start, goal)


@pytest.mark.parametrize(("start", "goal", "calibrated"), [(0.1, 0.9, True), (0.3, 0.4, True), (0.3, 0.35, False)])
def test_a_task_whose_ends_look_alike_has_no_progress(start, goal, calibrated):
    told = instruction_scale(known(start, goal), [known(0.1, 0.9), known(0.0, 0.7), known(start, goal)])
    assert told.is_known == calibrated
    assert not calibrated or told == Calibration(start, goal)


def test_a_scale_the_wrong_way_round_is_none():
    worse = known(0.5, 0.4)
    assert not instruction_scale(worse, [worse]).is_known


def test_a_model_of_small_values_is_judged_by_its_own():
    """CLIP's cosines hardly move: 0.03 is much there."""
    small = known(0.2, 0.23)
    assert instruction_scale(small, [small, known(0.2, 0.25)]).is_known
