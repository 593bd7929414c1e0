# SPDX-License-Identifier: Apache-2.0
"""Which pictures, texts and clip a bundle takes along, so that an engine can be calibrated and judged anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

import numpy as np

from liv_model.encoder import Encoder
from liv_model.errors import DataError
from liv_model.image import Preprocessing, to_square
from liv_model.samples import Samples, draw_samples
from training.calibrate import UNRELATED
from training.episodes import EpisodeStore
from training.evaluation import choose
from training.tasks import load_tasks

SAMPLE_FRAMES, MOST_FRAMES = 36, 128
MOST_TEXTS = 64
CLIP_FRAMES = 48


def recorded_samples(
    encoder: Encoder, store: EpisodeStore, tasks: Sequence[str], texts: Sequence[Sequence[str]]
) -> Samples:
    """Frames of successes at all stages of every task, texts of every task, and a clip of one success.

    Args:
        encoder: the network, for the reference embeddings.
        store: where the frames are from.
        tasks: names; empty for all of the store.
        texts: of each task the ways to say it, the instruction first.

    Raises:
        DataError: there is no success of these tasks.
    """
    cameras = len({record.camera for record in store.records})
    successes = choose(store, tasks, cameras, ("success",))
    if not successes:
        raise DataError(f"episode store {store.path}", expected="successful episodes of the run's tasks", got="none")
    order = [successes[i] for i in np.unique(np.linspace(0, len(successes) - 1, MOST_FRAMES).astype(int))]
    rounds = -(-SAMPLE_FRAMES // len(order))
    frames = []
    for i in range(max(SAMPLE_FRAMES, len(order))):
        turn, place = divmod(i, len(order))  # each episode's frames evenly apart, each episode's at other times
        episode = store[order[place]]
        frames.append(episode.frames[int((turn + place / len(order)) / rounds * len(episode))])
    clip = store[next((n for n in successes if store.records[n].task == "drawer-open"), successes[0])]
    kept = np.unique(np.linspace(0, len(clip) - 1, min(len(clip), CLIP_FRAMES)).astype(int))
    spoken = list(dict.fromkeys(text for text in chain(*zip_longest(*texts)) if text is not None))[:MOST_TEXTS]
    return draw_samples(encoder, np.stack(frames), spoken, (clip.frames[kept], clip.time_s[kept], clip.text))


def drawn_samples(encoder: Encoder, size: int) -> Samples:
    """Samples where there are no episodes: smooth random pictures, and texts. There is no clip."""
    rng = np.random.default_rng(0)
    small = Preprocessing(size, "bicubic")
    frames = [to_square(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), small) for _ in range(SAMPLE_FRAMES)]
    texts = [*(words.text for words in load_tasks().values()), *UNRELATED]
    return draw_samples(encoder, np.stack(frames), texts)
