# SPDX-License-Identifier: Apache-2.0
"""How the task goes: a detector that judges the rewards of one camera as they come. Pure; the node only calls it.

The rules are those of `task_signals`. Every state is left only by more than what it takes to stay in it, so that
noise does not make it flicker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from liv_model.bundle import TaskStateThresholds
from liv_model.calibration import Calibration
from liv_model.errors import ConfigError
from liv_model.reward import NANOSECONDS, is_out_of_order
from liv_model.task_signals import TaskSignals

DEFAULT_THRESHOLDS = TaskStateThresholds(stall_s=2.0, hold_s=0.5, success_progress=0.9)  # where a model does not say
BLIND_S = 1.0
UNCALIBRATED_SPAN = 0.3
MARGIN = 0.1  # below success_progress, for hold_s: it is lost again
LEAVE = 0.1  # from where it stalled: it moves again
_SMALLEST_SPAN = 1e-3
_JITTER_NS = NANOSECONDS // 2  # a larger step back of the stamps begins an episode (docs/semantics.md, rule 4)
_UNTELLABLE = "; not calibrated, so success cannot be told"


class TaskState(IntEnum):
    """The states, with the numbers of ``msg/TaskState.msg``."""

    IDLE = 0
    PROGRESSING = 1
    STALLED = 2
    REGRESSING = 3
    SUCCEEDED = 4
    BLIND = 5


@dataclass(frozen=True)
class TaskStateSample:
    """How the task goes.

    Attributes:
        state: in one word.
        progress: smoothed, in [0, 1]; NaN where it is not calibrated or there are no pictures.
        rate: change of progress per second, not clipped; of value per second where progress is NaN; NaN at first.
        message: the state in words and why.
    """

    state: TaskState
    progress: float
    rate: float
    message: str


class ProgressScale:
    """Reads values as positions: progress that is not clipped.

    The scale is that of the goal. Where the progress that comes is of another (an operator has calibrated), it is
    read off two samples that are not clipped; until then the clipped progress has to do.

    Args:
        calibration: the active goal's.
        uncalibrated_span: difference of values that counts as the whole way where progress is NaN.
    """

    def __init__(self, calibration: Calibration, uncalibrated_span: float = UNCALIBRATED_SPAN):
        self._calibration, self._uncalibrated_span = calibration, uncalibrated_span
        self._inside: tuple[float, float] | None = None  # the last value and progress that were not clipped

    def begin(self, value: float) -> None:
        """An episode begins at this value."""
        self._calibration, self._inside = self._calibration.begun_at(value), None

    def position(self, value: float, progress: float) -> float:
        """The position of a sample."""
        if math.isnan(progress):
            return value / self._uncalibrated_span
        if 0.0 < progress < 1.0 and not self._agrees(value, progress):
            self._learn(value, progress)
        if self._is_usable and (not 0.0 < progress < 1.0 or self._agrees(value, progress)):
            return (value - self._calibration.start) / self._span
        return progress

    def units(self, progress: float) -> float:
        """What a rate of positions is multiplied by, to be one of progress, or of value where progress is NaN."""
        return self._uncalibrated_span if math.isnan(progress) else 1.0

    @property
    def _span(self) -> float:
        return self._calibration.goal - self._calibration.start

    @property
    def _is_usable(self) -> bool:
        return math.isfinite(self._span) and self._span >= _SMALLEST_SPAN

    def _agrees(self, value: float, progress: float) -> bool:
        return self._is_usable and abs((value - self._calibration.start) / self._span - progress) < 1e-6

    def _learn(self, value: float, progress: float) -> None:
        if self._inside is not None and abs(value - self._inside[0]) >= _SMALLEST_SPAN:
            slope = (progress - self._inside[1]) / (value - self._inside[0])
            if slope > 0:
                start = value - progress / slope
                self._calibration = Calibration(start, start + 1.0 / slope)
        self._inside = (value, progress)


class TaskStateDetector:
    """Judges the rewards of one camera for one goal.

    A sample whose stamp does not advance, or whose value is not finite, changes nothing. ``is_first``, a step back of
    the stamps, and a gap in them longer than ``blind_s`` begin the judgement anew.

    Args:
        thresholds: when a task counts as stalled or succeeded.
        calibration: of the active goal.
        blind_s: a longer time without a picture is a gap, seconds.
        uncalibrated_span: difference of values that counts as the whole way where progress is NaN.

    Raises:
        ConfigError: a threshold that is no number or out of its range.
    """

    def __init__(
        self,
        thresholds: TaskStateThresholds,
        *,
        calibration: Calibration | None = None,
        blind_s: float = BLIND_S,
        uncalibrated_span: float = UNCALIBRATED_SPAN,
    ):
        require_thresholds(thresholds)
        for name, number in (("blind_s", blind_s), ("uncalibrated_span", uncalibrated_span)):
            if not 0 < number < math.inf:
                raise ConfigError(name, expected="a number > 0", got=number)
        self.thresholds = thresholds
        self._goal_calibration, self._uncalibrated_span = calibration or Calibration(), uncalibrated_span
        self._gap_ns = round(blind_s * NANOSECONDS)
        self.reset()

    def reset(self) -> None:
        """Forget the episode: the next sample begins one."""
        self._scale = ProgressScale(self._goal_calibration, self._uncalibrated_span)
        self._first_ns: int | None = None
        self._last_ns = 0
        self._restart()
        self.sample = TaskStateSample(TaskState.IDLE, math.nan, math.nan, "idle: nothing to judge yet")

    def _restart(self) -> None:
        self._signals = TaskSignals(self.thresholds.hold_s)
        self._state, self._since_s, self._stalled_at = TaskState.IDLE, 0.0, 0.0

    def update(self, stamp_ns: int, value: float, progress: float, is_first: bool = False) -> TaskStateSample:
        """Judge one reward.

        Args:
            stamp_ns: when its picture was taken, nanoseconds.
            value: S in [-1, 1].
            progress: in [0, 1]; NaN where it is not calibrated.
            is_first: whether it begins an episode.
        """
        if not math.isfinite(value) or (not is_first and self._is_out_of_order(stamp_ns)):
            return self.sample
        begins = is_first or self._first_ns is None or stamp_ns <= self._last_ns
        if begins:
            self.reset()
            self._scale.begin(value)
            self._first_ns = stamp_ns
        elif stamp_ns - self._last_ns > self._gap_ns:
            self._restart()
        self._last_ns = stamp_ns
        time_s = (stamp_ns - self._first_ns) / NANOSECONDS
        self._signals.add(time_s, self._scale.position(value, progress))
        self._enter(self._judge(tells_success=not math.isnan(progress)), time_s)
        self.sample = self._describe(time_s, value, progress)
        return self.sample

    def _is_out_of_order(self, stamp_ns: int) -> bool:
        return self._first_ns is not None and is_out_of_order(self._last_ns, stamp_ns, _JITTER_NS)

    def blind(self, missing_s: float) -> TaskStateSample:
        """No picture has come for so long; what comes after is judged anew.

        Args:
            missing_s: since the last picture or the goal, seconds of the clock that waits.
        """
        self._restart()
        self.sample = TaskStateSample(
            TaskState.BLIND, math.nan, math.nan, f"blind: no usable picture for {missing_s:.1f} s"
        )
        return self.sample

    def _judge(self, tells_success: bool) -> TaskState:
        signals = self._signals
        if tells_success and self._has_succeeded():
            return TaskState.SUCCEEDED
        if self._state == TaskState.SUCCEEDED:  # and has fallen
            signals.turn_back()
        elif self._has_stalled(tells_success):
            return TaskState.STALLED
        return {1: TaskState.PROGRESSING, -1: TaskState.REGRESSING, 0: TaskState.IDLE}[signals.direction.sign]

    def _has_succeeded(self) -> bool:
        held, least = self._signals.held, self.thresholds.success_progress
        if self._state == TaskState.SUCCEEDED:
            return held.high >= least - MARGIN
        return held.low >= least

    def _has_stalled(self, tells_success: bool) -> bool:
        pauses = self._signals.pause.length_s >= self.thresholds.stall_s
        if self._state == TaskState.STALLED:
            return pauses or abs(self._signals.position - self._stalled_at) <= LEAVE
        is_there = tells_success and self._signals.position >= self.thresholds.success_progress
        return pauses and not is_there  # where it is done, it may stand still

    def _enter(self, state: TaskState, time_s: float) -> None:
        if state != self._state:
            self._state, self._since_s, self._stalled_at = state, time_s, self._signals.position

    def _describe(self, time_s: float, value: float, progress: float) -> TaskStateSample:
        smoothed = math.nan if math.isnan(progress) else min(1.0, max(0.0, self._signals.position))
        message = self._reason(time_s, f"value {value:.3f}" if math.isnan(progress) else f"{smoothed:.2f}")
        if math.isnan(progress):
            message += _UNTELLABLE
        return TaskStateSample(self._state, smoothed, self._signals.rate * self._scale.units(progress), message)

    def _reason(self, time_s: float, where: str) -> str:
        pause = self._signals.pause
        if self._state == TaskState.STALLED:
            if pause.still_s >= self.thresholds.stall_s:
                return f"stalled for {pause.still_s:.1f} s at {where}"
            return f"stalled at {where}: nothing gained for {pause.fruitless_s:.1f} s"
        if self._state == TaskState.IDLE:
            return f"idle: nothing to judge yet, at {where}"
        return f"{self._state.name.lower()} for {time_s - self._since_s:.1f} s, at {where}"


def require_thresholds(thresholds: TaskStateThresholds) -> None:
    """ConfigError unless times are positive seconds and the progress is in (0, 1]."""
    for name, most in (("stall_s", math.inf), ("hold_s", math.inf), ("success_progress", 1.0)):
        number = getattr(thresholds, name)
        least_excluded = name != "hold_s"
        if not math.isfinite(number) or number < 0 or number > most or (least_excluded and number == 0):
            expected = "in (0, 1]" if most == 1.0 else "finite seconds, positive"
            raise ConfigError(f"task state: {name}", expected=expected, got=number)
