# SPDX-License-Identifier: Apache-2.0
"""Whether a model can tell the start of a task from its end, so that its values read as progress."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liv_model.bundle import Instruction
from liv_model.calibration import Calibration

LEAST_SHARE = 0.1  # of the model's median span: a shorter scale reads noise as progress


def instruction_scale(known: Instruction, instructions: Sequence[Instruction]) -> Calibration:
    """The calibration of a known instruction; not calibrated where its ends lie too close together.

    Of a task that a model has not learned, the median values of first and last frames hardly differ, or lie the wrong
    way round. Progress on such a scale would jump between 0 and 1, and be called success and failure in turn.

    Args:
        known: one of ``instructions``.
        instructions: all that the model knows.
    """
    typical = float(np.median([i.goal - i.start for i in instructions]))
    span = known.goal - known.start
    return Calibration(known.start, known.goal) if span > 0 and span >= LEAST_SHARE * typical else Calibration()
