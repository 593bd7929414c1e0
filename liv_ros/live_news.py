# SPDX-License-Identifier: Apache-2.0
"""What a page that comes now needs of what has been: rewards, task states, verdicts, episodes. Safe to share."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from liv_web import wire
from liv_web.episode_log import EpisodeLog
from liv_web.sample_history import SampleHistory, columns
from liv_web.source import Sample

MOST_STATES = 500
MOST_VERDICTS = 200


class LiveNews:
    """The last ten minutes of a robot.

    Args:
        cameras: their names.
    """

    def __init__(self, cameras: Sequence[str]):
        self._lock = threading.Lock()
        self._samples = {name: SampleHistory() for name in cameras}
        self._states: dict[str, deque[dict[str, Any]]] = {name: deque(maxlen=MOST_STATES) for name in cameras}
        self._verdicts: deque[dict[str, Any]] = deque(maxlen=MOST_VERDICTS)
        self._log = EpisodeLog()

    def add_sample(self, camera: str, goal_id: str, goal: str, sample: Sample) -> bool:
        """Take note of a reward; whether it begins an episode."""
        with self._lock:
            self._samples[camera].add(sample)
            return self._log.add(camera, goal_id, goal, sample)

    def add_state(self, camera: str, event: dict[str, Any]) -> bool:
        """Take note of a task state, as its event has it; whether it is another than before."""
        with self._lock:
            states = self._states[camera]
            changes = not states or states[-1]["state"] != event["state"]
            if changes:
                states.append(event)
            return changes

    def add_verdict(self, t: float, goal_id: str, verdict: wire.VerdictName) -> None:
        """Take note of a verdict."""
        with self._lock:
            self._verdicts.append({"t": t, "verdict": verdict, "goal_id": goal_id})
            self._log.judge(t, goal_id, verdict)

    def states(self) -> dict[str, str]:
        """The newest task state by camera."""
        with self._lock:
            return {camera: states[-1]["state"] for camera, states in self._states.items() if states}

    def episodes(self) -> list[wire.Episode]:
        """Oldest first."""
        with self._lock:
            return self._log.told()

    def opening(self) -> list[dict[str, Any]]:
        """The events of what has been."""
        with self._lock:
            samples = [columns(camera, history.told()) for camera, history in self._samples.items()]
            states = [{"type": "task_state", "camera": c, **state} for c, of in self._states.items() for state in of]
            verdicts = [{"type": "verdict", **verdict} for verdict in self._verdicts]
        return [*samples, *states, *verdicts]
