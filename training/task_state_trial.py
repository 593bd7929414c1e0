# SPDX-License-Identifier: Apache-2.0
"""How good task states are: the detector runs over streams whose truth is known, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from liv_model.bundle import TaskStateThresholds
from liv_model.task_state import TaskState
from liv_model.task_state_fit import fit_task_state, highest_held
from training.task_state_streams import Stream, Streams

WITHIN_S = 2.0  # a stall counts as found when it is told so soon after it began
EARLY_S = 0.5  # success told longer before the end of the recording is early
TARGETS = {"f1": 0.9, "stall_recall": 0.9, "false_alarms": 0.05}
_DRAWS = 1000
_ALARMS = (TaskState.STALLED, TaskState.REGRESSING)


@dataclass(frozen=True)
class Verdicts:
    """What the detector said of every stream, one row each.

    Attributes:
        succeeded: bool (S + F,), whether success was told; successes first.
        is_success: bool (S + F,), whether it was one.
        early: bool (S,), whether it was told more than ``EARLY_S`` before the recording ended.
        delay_s: float (S,), from the end of the recording to success; NaN where it was not told.
        alarms: int (S, 2), how often a success was called stalled, regressing, while it was recorded.
        found: bool (S,), whether its stall was told within ``WITHIN_S``.
        stall_delay_s: float (S,), from the beginning of a stall to its being told; NaN where it was not.
    """

    succeeded: np.ndarray
    is_success: np.ndarray
    early: np.ndarray
    delay_s: np.ndarray
    alarms: np.ndarray
    found: np.ndarray
    stall_delay_s: np.ndarray


def try_thresholds(thresholds: TaskStateThresholds, streams: Streams) -> Verdicts:
    """Run the detector over all streams."""
    told = [_first(thresholds, s, TaskState.SUCCEEDED, -np.inf) for s in (*streams.successes, *streams.failures)]
    first_s = np.array(told, np.float64)
    ends_s = np.array([s.end_s for s in streams.successes])
    delay_s = first_s[: len(ends_s)] - ends_s
    stalls_s = np.array([s.end_s for s in streams.stalls])
    stall_delay_s = np.array([_first(thresholds, s, TaskState.STALLED, s.end_s) for s in streams.stalls]) - stalls_s
    return Verdicts(
        succeeded=np.isfinite(first_s),
        is_success=np.arange(len(first_s)) < len(ends_s),
        early=delay_s < -EARLY_S,
        delay_s=delay_s,
        alarms=np.array([_alarms(thresholds, s) for s in streams.successes]),
        found=stall_delay_s <= WITHIN_S,
        stall_delay_s=stall_delay_s,
    )


def findings(thresholds: TaskStateThresholds, streams: Streams) -> dict[str, Any]:
    """What there is to say of thresholds: plain types. Intervals are of 95 %, from attempts drawn again."""
    verdicts = try_thresholds(thresholds, streams)
    judged = [*streams.successes, *streams.failures]
    kinds = sorted({s.outcome for s in streams.failures})
    return {
        "thresholds": {name: round(number, 4) for name, number in asdict(thresholds).items()},
        "success": {
            **{
                name: _estimate(judged, lambda rows, score=score: score(verdicts, rows))
                for name, score in (("precision", _precision), ("recall", _recall), ("f1", _f1))
            },
            "early": _share(verdicts.early),
            "median_delay_s": _median(verdicts.delay_s),
            "taken_for_success": {
                kind: _share(verdicts.succeeded[[i for i, s in enumerate(judged) if s.outcome == kind]])
                for kind in kinds
            },
        },
        "stall": {
            "recall": _estimate(streams.stalls, lambda rows: verdicts.found[rows].mean()),
            "within_s": WITHIN_S,
            "median_delay_s": _median(verdicts.stall_delay_s),
        },
        "false_alarms": {
            "per_success": _estimate(streams.successes, lambda rows: verdicts.alarms[rows].sum(axis=1).mean()),
            "stalled": round(float(verdicts.alarms[:, 0].mean()), 4),
            "regressing": round(float(verdicts.alarms[:, 1].mean()), 4),
            "recorded_s": round(float(sum(s.end_s for s in streams.successes)), 1),
        },
        "n": {
            "successes": len(streams.successes),
            "failures": len(streams.failures),
            "stalls": len(streams.stalls),
            "not_calibrated": sorted({s.task for s in judged if not s.scale.is_known}),
        },
    }


def curves(thresholds: TaskStateThresholds, streams: Streams) -> dict[str, list[dict[str, float]]]:
    """The same over thresholds: success by ``success_progress``, alarms by ``stall_s``; the others stay."""
    judged = (*streams.successes, *streams.failures)
    held = np.array([highest_held(s.curve, thresholds.hold_s) if s.scale.is_known else 0.0 for s in judged])
    is_success = np.arange(len(held)) < len(streams.successes)
    success = []
    for level in np.linspace(0.3, 1.0, 29):
        hits, told = (held[is_success] >= level).sum(), (held >= level).sum()
        success.append(
            {
                "success_progress": round(float(level), 4),
                "precision": _ratio(hits, told),
                "recall": _ratio(hits, is_success.sum()),
                "f1": _ratio(2 * hits, told + is_success.sum()),
            }
        )
    stall = []
    for stall_s in (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5):
        verdicts = try_thresholds(replace(thresholds, stall_s=stall_s), streams)
        stall.append(
            {
                "stall_s": stall_s,
                "recall": _share(verdicts.found),
                "false_alarms": round(float(verdicts.alarms.sum(axis=1).mean()), 4),
            }
        )
    return {"success": success, "stall": stall}


def fitted(streams: Streams) -> TaskStateThresholds:
    """The thresholds that these recordings, without what was added to them, ask for."""
    calibrated = ([s.recorded.curve for s in p if s.scale.is_known] for p in (streams.successes, streams.failures))
    return fit_task_state(*calibrated)


def _first(thresholds: TaskStateThresholds, stream: Stream, state: TaskState, after_s: float) -> float:
    """When a state is first told after a time; NaN where it is not."""
    samples = zip(stream.time_s.tolist(), stream.detect(thresholds), strict=True)
    return next((t for t, sample in samples if sample.state == state and t > after_s), np.nan)


def _alarms(thresholds: TaskStateThresholds, stream: Stream) -> tuple[int, int]:
    """How often a stream turns to stalled and to regressing while it is recorded."""
    samples = stream.recorded.detect(thresholds)
    turns = [b.state for a, b in zip([None, *samples], samples, strict=False) if a is None or a.state != b.state]
    return turns.count(_ALARMS[0]), turns.count(_ALARMS[1])


def _precision(verdicts: Verdicts, rows: np.ndarray) -> float:
    told = verdicts.succeeded[rows]
    return _ratio((told & verdicts.is_success[rows]).sum(), told.sum())


def _recall(verdicts: Verdicts, rows: np.ndarray) -> float:
    truth = verdicts.is_success[rows]
    return _ratio((truth & verdicts.succeeded[rows]).sum(), truth.sum())


def _f1(verdicts: Verdicts, rows: np.ndarray) -> float:
    told, truth = verdicts.succeeded[rows], verdicts.is_success[rows]
    return _ratio(2 * (told & truth).sum(), told.sum() + truth.sum())


def _estimate(streams: Sequence[Stream], score: Callable[[np.ndarray], float]) -> dict[str, float | int]:
    """A score of rows with its interval: attempts, with the recordings that all cameras made of them, drawn again."""
    attempts: dict[tuple[object, ...], list[int]] = {}
    for row, stream in enumerate(streams):
        attempts.setdefault(stream.attempt, []).append(row)
    groups = [np.array(rows) for rows in attempts.values()]
    rng = np.random.default_rng(0)
    drawn = [
        score(np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])) for _ in range(_DRAWS)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    mean = score(np.arange(len(streams)))
    return {"mean": round(float(mean), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": len(groups)}


def _ratio(part: float, whole: float) -> float:
    return round(float(part) / float(whole), 4) if whole else 0.0


def _share(answers: np.ndarray) -> float:
    return round(float(np.mean(answers)), 4)


def _median(seconds: np.ndarray) -> float | None:
    known = seconds[np.isfinite(seconds)]
    return round(float(np.median(known)), 3) if len(known) else None
