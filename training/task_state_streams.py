# SPDX-License-Identifier: Apache-2.0
"""What a detector is tried on: recordings as a monitor would see them, standing still and stalling included.

A store has no stalls of which the beginning is known, and its successes end where the task is done. So

- every recording goes on for ``AFTER_S`` with its last picture: the arm stands where it ended;
- of every success a second stream is made that stalls: at a random moment, after 20 to 80 % of the time until the
  simulator said that the task is done (``after_success_s`` before the end), the picture freezes for ``FREEZE_S``.

Repeated pictures get noise of ``NOISE`` grey levels, as a camera has, drawn anew for each, and are encoded like all
others. What a camera has beyond that (flicker, people who walk by) is not in them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from liv_model.bundle import Bundle, TaskStateThresholds
from liv_model.calibration import Calibration
from liv_model.encoder import Encoder
from liv_model.errors import DataError
from liv_model.instruction_scale import instruction_scale
from liv_model.reward import NANOSECONDS
from liv_model.task_state import TaskStateDetector, TaskStateSample
from liv_model.task_state_fit import AFTER_S, ProgressCurve
from liv_model.value import values
from training.attempt import Settings
from training.episodes import Episode, EpisodeStore
from training.thresholds import progress_curve

FREEZE_S = 3.0
NOISE = 2.0  # standard deviation, grey levels of 255
_EARLIEST, _LATEST = 0.2, 0.8
_BATCH = 64


@dataclass(frozen=True)
class Stream:
    """One recording as a monitor sees it.

    Attributes:
        time_s: float64 (T,), what was added to it included.
        value: float64 (T,), values for the task's instruction.
        scale: the calibration of that instruction; not calibrated where the model cannot tell its ends apart.
        end_s: time of the last frame that was recorded, or from which on it is frozen.
        attempt: equal for the recordings that several cameras made of one attempt.
        task: its name.
        outcome: as in the store.
    """

    time_s: np.ndarray
    value: np.ndarray
    scale: Calibration
    end_s: float
    attempt: tuple[object, ...]
    task: str
    outcome: str

    @property
    def curve(self) -> ProgressCurve:
        """Its positions. Only of a stream that is calibrated."""
        return progress_curve(self.scale, self.time_s, self.value)

    @property
    def recorded(self) -> Stream:
        """The same without what was added."""
        is_recorded = self.time_s <= self.end_s + 1e-9
        return replace(self, time_s=self.time_s[is_recorded], value=self.value[is_recorded])

    def detect(self, thresholds: TaskStateThresholds) -> list[TaskStateSample]:
        """What the detector says of every frame, as the node would ask it, (T,)."""
        detector = TaskStateDetector(thresholds, calibration=self.scale)
        scale = self.scale.begun_at(float(self.value[0]))
        frames = zip(self.time_s.tolist(), self.value.tolist(), strict=True)
        return [detector.update(round(t * NANOSECONDS), v, scale.progress(v), t == 0.0) for t, v in frames]


@dataclass(frozen=True)
class Streams:
    """All that a detector is tried on."""

    successes: list[Stream]
    failures: list[Stream]
    stalls: list[Stream]


def make_streams(
    bundle: Bundle,
    encoder: Encoder,
    store: EpisodeStore,
    numbers: Sequence[int],
    done: Callable[[int], None] = lambda episodes: None,
) -> Streams:
    """Encode episodes as streams; ``done`` is told each.

    Args:
        bundle: for calibrations; episodes of instructions that it does not know are left out.
        encoder: the model.
        store: of the episodes.
        numbers: which.
        done: called with 1 after every episode.

    Raises:
        DataError: no success, or no failure, of an instruction that the bundle knows.
    """
    known = {i.text: instruction_scale(i, bundle.instructions) for i in bundle.instructions}
    goals = dict(zip(known, encoder.encode_texts(list(known)), strict=True)) if known else {}
    streams = Streams([], [], [])
    for number in numbers:
        episode = store[number]
        if episode.text in known:
            _add(streams, episode, encoder, goals[episode.text], known[episode.text])
        done(1)
    if not streams.successes or not streams.failures:
        raise DataError(
            f"episode store {store.path}",
            expected=f"successes and failures of instructions that {bundle.identity} knows",
            got=f"{len(streams.successes)} and {len(streams.failures)}",
            remedy="add some with `liv episodes simulate`",
        )
    return streams


def _add(streams: Streams, episode: Episode, encoder: Encoder, goal: np.ndarray, scale: Calibration) -> None:
    rng = np.random.default_rng([episode.seed, zlib.crc32(f"{episode.task} {episode.camera}".encode())])
    recorded = _values(encoder, episode.frames, goal)
    step_s = float(np.median(np.diff(episode.time_s))) if len(episode) > 1 else 1.0 / 16

    def stream(last: int, seconds: float) -> Stream:
        """The recording up to frame ``last``, which then stands for so long."""
        count = round(seconds / step_s)
        frozen = _values(encoder, _noisy(episode.frames[last], count, rng), goal)
        added_s = episode.time_s[last] + step_s * np.arange(1, count + 1)
        time_s = np.concatenate([episode.time_s[: last + 1], added_s])
        value = np.concatenate([recorded[: last + 1], frozen])
        attempt = (episode.task, episode.outcome, episode.seed)
        return Stream(time_s, value, scale, float(episode.time_s[last]), attempt, episode.task, episode.outcome)

    ended = stream(len(episode) - 1, AFTER_S)
    if episode.outcome != "success":
        streams.failures.append(ended)
        return
    streams.successes.append(ended)
    done_s = max(0.0, episode.time_s[-1] - Settings.after_success_s)
    begins_s = done_s * rng.uniform(_EARLIEST, _LATEST)
    streams.stalls.append(stream(int(np.searchsorted(episode.time_s, begins_s, "right")) - 1, FREEZE_S))


def _noisy(frame: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """A frame (H, W, 3) repeated with noise: uint8 (count, H, W, 3)."""
    noise = rng.normal(0.0, NOISE, (count, *frame.shape)).astype(np.float32)
    return np.clip(np.round(frame + noise), 0, 255).astype(np.uint8)


def _values(encoder: Encoder, frames: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Values (T,) of frames (T, H, W, 3)."""
    batches = [
        encoder.encode_images(np.ascontiguousarray(frames[i : i + _BATCH])) for i in range(0, len(frames), _BATCH)
    ]
    return values(np.concatenate(batches), goal[None])[:, 0]
