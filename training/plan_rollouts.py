# SPDX-License-Identifier: Apache-2.0
"""What would come of action sequences: each is acted out in the simulator from one state, in worker processes.

Rendering is the cost (some 100 control steps go into the time of one picture), so only the picture that the objective
reads is taken: the last one of a sequence, at the encoder's size.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from training.live_scene import LiveScene, State
from training.lost_worker import workers_that_live
from training.scene import load_simulator

_scene: LiveScene | None = None  # of a worker process


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
        workers: processes; 0 acts them out in this one.

    Attributes:
        pictures: taken so far.
        seconds: that acting out and rendering took by the clock.
    """

    def __init__(self, task: str, seed: int, size: int, *, repeat: int = 1, workers: int = 0):
        self._repeat, self._workers = repeat, workers
        self.pictures, self.seconds = 0, 0.0
        self._pool: ProcessPoolExecutor | None = None
        self._here: LiveScene | None = None
        if workers:
            self._pool = ProcessPoolExecutor(
                workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(task, seed, size)
            )
        else:
            self._here = LiveScene(task, seed, size)

    def act_out(self, state: State, actions: np.ndarray, look: bool) -> Outcomes:
        """See :func:`act_out`; the same in any number of processes."""
        began = time.perf_counter()
        if self._here is not None:
            found = [act_out(self._here, state, actions, self._repeat, look)]
        else:
            shares = [share for share in np.array_split(actions, self._workers) if len(share)]
            futures = [self._pool.submit(_act_out_here, state, share, self._repeat, look) for share in shares]
            with workers_that_live("planning"):
                found = [future.result() for future in futures]
        self.seconds += time.perf_counter() - began
        self.pictures += len(actions) if look else 0
        return Outcomes(
            np.concatenate([part.rewards for part in found]),
            np.concatenate([part.pictures for part in found]) if look else None,
        )

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._here is not None:
            self._here.close()

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _begin(task: str, seed: int, size: int) -> None:
    global _scene
    load_simulator()
    _scene = LiveScene(task, seed, size)


def _act_out_here(state: State, actions: np.ndarray, repeat: int, look: bool) -> Outcomes:
    return act_out(_scene, state, actions, repeat, look)
