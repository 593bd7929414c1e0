# SPDX-License-Identifier: Apache-2.0
"""A planned episode as a recording: its actions are done once more, and looked at after each.

Where a search failed, that is an attempt which the network took for success: to learn from, or to judge by.
"""

from __future__ import annotations

import numpy as np

from training.episodes import Episode
from training.live_scene import LiveScene
from training.scene import CONTROL_STEP_S
from training.view import DEFAULT_CAMERA


def recording(task: str, seed: int, actions: np.ndarray, *, repeat: int, size: int, source: str) -> Episode:
    """The episode that these actions make, ``success`` or ``failure`` as the simulator says.

    Args:
        task: unversioned name.
        seed: of the scene.
        actions: float (T, 4).
        repeat: control steps of each; a picture is taken after each.
        size: side of the pictures, pixels.
        source: what planned it.
    """
    with LiveScene(task, seed, size) as scene:
        frames = [scene.picture()]
        for action in actions:
            scene.act(action, repeat)
            frames.append(scene.picture())
        return Episode(
            frames=np.stack(frames),
            time_s=np.arange(len(frames)) * repeat * CONTROL_STEP_S,
            text=scene.words.text,
            task=task,
            outcome="success" if scene.succeeded else "failure",
            seed=seed,
            camera=DEFAULT_CAMERA,
            source=source,
        )
