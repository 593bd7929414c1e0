# SPDX-License-Identifier: Apache-2.0
"""Success rates of both studies, read back from the files that the pieces left, with intervals; gaps are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from training.plan import read_rows
from training.results.compare import AGREES, DISAGREES, DRAWS, OPEN, estimate
from training.uses.pieces import imitation_file, planning_file
from training.uses.plan import IMITATION, Course, Plan, Row

ALIKE = "alike"


def verdict(difference: np.ndarray, *, draws: int = DRAWS) -> str:
    """What a difference, attempt by attempt, says of what is claimed to be better.

    ``agrees`` where its interval is above 0, ``disagrees`` below, ``alike`` where no attempt went differently (at the
    floor, say: no size of study would tell these two apart by such attempts), else ``open``.

    Args:
        difference: (seeds, scenes, tasks).
        draws: bootstrap samples of the interval.
    """
    if not difference.any():
        return ALIKE
    found = estimate(difference, draws=draws)
    if found.low > 0:
        return AGREES
    return DISAGREES if found.high < 0 else OPEN


@dataclass(frozen=True)
class Cost:
    """What planning took.

    Attributes:
        pictures: rendered.
        per_second: of acting out and rendering in one process; NaN where nothing was rendered.
        per_episode_s: by the clock.
    """

    pictures: int
    per_second: float
    per_episode_s: float


@dataclass(frozen=True)
class Findings:
    """Everything measured so far.

    Attributes:
        plan: what was compared.
        folder: of the results.
    """

    plan: Plan
    folder: Path

    @cached_property
    def imitation_seeds(self) -> tuple[int, ...]:
        """Seeds that every row of the first study has a policy of for each number of demonstrations."""
        counts = self.plan.demonstrations
        return tuple(
            seed
            for seed in self.plan.seeds
            if all(imitation_file(self.folder, row, count, seed).is_file() for row in IMITATION for count in counts)
        )

    def imitation_rows(self) -> list[Row]:
        """Rows that there are figures of."""
        return list(IMITATION) if self.imitation_seeds else []

    def planning_scenes(self, course: Course) -> tuple[int, ...]:
        """Numbers of the scenes that every row of a course, but for the shipped bundle, was planned in."""
        rows = [row for row in course.rows if not row.is_bundle]
        return tuple(s for s in range(self.plan.plan_scenes) if all(self._is_planned(course, row, s) for row in rows))

    def planning_rows(self, course: Course) -> list[Row]:
        """Rows that there are figures of."""
        scenes = self.planning_scenes(course)
        return [row for row in course.rows if scenes and all(self._is_planned(course, row, s) for s in scenes)]

    def imitated(self, row: Row, count: int) -> np.ndarray:
        """Whether the task was done, bool (seeds, scenes, tasks)."""
        found = []
        for seed in self.imitation_seeds:
            success = json.loads(imitation_file(self.folder, row, count, seed).read_text())["success"]
            found.append(np.array([success[task] for task in self.plan.tasks]).T)
        return np.array(found)

    def planned(self, course: Course, row: Row) -> np.ndarray:
        """Whether the task was done, bool (1, scenes, tasks)."""
        return np.array([[[e["success_step"] is not None for e in scene] for scene in self._scenes(course, row)]])

    def fooled(self, course: Course, row: Row) -> tuple[int, int]:
        """Failures that ended at a picture valued at least as much as the scripted policy's success, and failures.

        Of scenes that the scripted policy succeeds in.
        """
        failures = [
            e
            for scene in self._scenes(course, row)
            for e in scene
            if e["success_step"] is None and e.get("value_of_success") is not None
        ]
        return sum(e["value"][1] >= e["value_of_success"] for e in failures), len(failures)

    def cost(self, course: Course, rows: Sequence[Row]) -> Cost:
        """Of planning with these objectives."""
        found = [e for row in rows for scene in self._scenes(course, row) for e in scene]
        pictures, rollout_s = (sum(e[name] for e in found) for name in ("pictures", "rollout_s"))
        wall_s = sum(e["wall_s"] for e in found) / len(found)
        return Cost(pictures, pictures / rollout_s if pictures else float("nan"), wall_s)

    def missing(self) -> list[str]:
        """What of the plan is not there yet, in words."""
        plan, lines = self.plan, []
        if len(self.imitation_seeds) < len(plan.seeds):
            lines.append(f"imitation: {len(self.imitation_seeds)} of {len(plan.seeds)} seeds are complete")
        for course in plan.courses:
            scenes, rows = self.planning_scenes(course), self.planning_rows(course)
            what = f"planning, {course.name} tasks"
            if len(scenes) < plan.plan_scenes:
                lines.append(f"{what}: {len(scenes)} of {plan.plan_scenes} scenes of each task are complete")
            lines += [f"{what}: {row.label}" for row in course.rows if rows and row not in rows]
        return lines

    def _scenes(self, course: Course, row: Row) -> list[list[dict]]:
        """The episodes of each complete scene, in the order of the tasks."""
        found = [self._episodes(course, row, scene) for scene in self.planning_scenes(course)]
        return [[episodes[task] for task in course.tasks] for episodes in found]

    def _is_planned(self, course: Course, row: Row, scene: int) -> bool:
        return len(self._episodes(course, row, scene)) == len(course.tasks)

    def _episodes(self, course: Course, row: Row, scene: int) -> dict[str, dict]:
        """Of one scene by task; each file is read once."""
        path = planning_file(self.folder, course, row, scene)
        if path not in self._read:
            self._read[path] = {e["task"]: e for e in read_rows(path)}
        return self._read[path]

    @cached_property
    def _read(self) -> dict[Path, dict[str, dict]]:
        return {}
