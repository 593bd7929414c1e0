# SPDX-License-Identifier: Apache-2.0
"""What would come of action sequences: each is acted out in the simulator from one state, in worker processes.

Rendering is the cost (some 100 control steps go into the time of one picture), so only the picture that the objective
reads is taken: the last one of a sequence, at the encoder's size.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from training.live_scene import LiveScene, State
from training.worker_pool import WorkerPool

Place = tuple[str, int, int]  # task, seed and size of a scene
_SHARE = 4  # sequences handed to a worker at once: few, so that all have work, and soon hear that it has ended
_kept: dict[Place, LiveScene] = {}  # the one scene of a worker process


@dataclass(frozen=True)
class Outcomes:
    """What came of N sequences.

    Attributes:
        rewards: of the simulator after each action, summed over the sequence: float64 (N,).
        pictures: the last one of each, uint8 (N, S, S, 3) RGB; None where they were not asked for.
    """

    rewards: np.ndarray
    pictures: np.ndarray | None


def act_out(scene: LiveScene, state: State, actions: np.ndarray, repeat: int, look: bool) -> Outcomes:
    """Act sequences out one after the other, each from ``state``; the scene is left wherever the last one ended.

    Args:
        scene: of the task and seed that the state is of.
        state: where each begins.
        actions: float (N, H, 4).
        repeat: control steps of each action.
        look: whether to take pictures.
    """
    rewards, pictures = np.zeros(len(actions)), []
    for number, sequence in enumerate(actions):
        scene.restore(state)
        for action in sequence:
            scene.act(action, repeat, until_done=False)  # an end that success changed would tell the objective of it
            rewards[number] += scene.reward
        if look:
            pictures.append(scene.picture())
    return Outcomes(rewards, np.stack(pictures) if look else None)


class Rollouts:
    """Acts sequences out from states of one scene; a context manager.

    Args:
        task: unversioned name.
        seed: of the scene.
        size: side of the pictures, pixels.
        repeat: control steps of each action.
        pool: of worker processes; None acts them out in this one.

    Attributes:
        pictures: taken so far.
        seconds: that acting out and rendering took by the clock.
    """

    def __init__(self, task: str, seed: int, size: int, *, repeat: int = 1, pool: WorkerPool | None = None):
        self._place, self._repeat, self._pool = (task, seed, size), repeat, pool
        self.pictures, self.seconds = 0, 0.0
        self._here = LiveScene(*self._place) if pool is None else None

    def act_out(self, state: State, actions: np.ndarray, look: bool) -> Outcomes:
        """See :func:`act_out`; the same in any number of processes."""
        began = time.perf_counter()
        if self._pool is None:
            found = [act_out(self._here, state, actions, self._repeat, look)]
        else:
            shares = [actions[i : i + _SHARE] for i in range(0, len(actions), _SHARE)]
            asked = [self._pool.submit(act_out_at, self._place, state, s, self._repeat, look) for s in shares]
            found = self._pool.results(asked)
        self.seconds += time.perf_counter() - began
        self.pictures += len(actions) if look else 0
        return Outcomes(
            np.concatenate([part.rewards for part in found]),
            np.concatenate([part.pictures for part in found]) if look else None,
        )

    def close(self) -> None:
        """Release the scene in this process."""
        if self._here is not None:
            self._here.close()

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def act_out_at(place: Place, state: State, actions: np.ndarray, repeat: int, look: bool) -> Outcomes:
    """:func:`act_out` in a worker process, which keeps the scene until another is asked for."""
    if place not in _kept:
        for scene in _kept.values():
            scene.close()
        _kept.clear()
        _kept[place] = LiveScene(*place)
    return act_out(_kept[place], state, actions, repeat, look)
