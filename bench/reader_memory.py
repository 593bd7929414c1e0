# SPDX-License-Identifier: Apache-2.0
"""How much memory a reader of a store takes, and whether it grows with the store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from training.episodes import Episode, EpisodeWriter

SIDE, LENGTH = 224, 50
EPISODES = (8, 80)
BATCHES, BATCH = 60, 16

# A fresh process: memory before the store is opened, and while batches are drawn from all over it.
_READER = """
import sys
import numpy as np, cv2
from training.augment import AugmentConfig
from training.episodes import EpisodeStore
from training.sampler import Sampler, SamplerConfig

def now():
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")]

path, batches, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cv2.setNumThreads(1)
before = now()
sampler = Sampler(EpisodeStore(path), (), SamplerConfig(), AugmentConfig(), 0)
after = [now() for step in range(batches) if sampler.batch(step, size) is not None]
print(*[max(column) - b for column, b in zip(zip(*after), before)])
"""


def measure(folder: Path, episodes: tuple[int, int] = EPISODES) -> dict[str, dict]:
    """MiB by which a reading process grows while it draws samples from a store, and from one ten times as large.

    Linux only: elsewhere the rows are empty.
    """
    if not Path("/proc/self/status").exists():
        return {}
    rows = {}
    for count in episodes:
        store = folder / f"store{count}"
        _write(store, count)
        command = [sys.executable, "-c", _READER, str(store), str(BATCHES), str(BATCH)]
        runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(3)]
        resident, own = np.median([[float(cell) for cell in run.split()] for run in runs], axis=0)
        size = (store / "frames.bin").stat().st_size / 2**20
        rows[f"store of {size:.0f} MiB"] = {
            "n": len(runs),
            "resident, MiB": round(resident, 1),
            "of it the reader's own, MiB": round(own, 1),
            "frames read, MiB": round(BATCHES * BATCH * 5 * SIDE * SIDE * 3 / 2**20),
        }
    return rows


def _write(path: Path, count: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (LENGTH, SIDE, SIDE, 3), np.uint8)
    with EpisodeWriter(path, SIDE, SIDE) as writer:
        for number in range(count):
            writer.append(Episode(frames + np.uint8(number), np.arange(LENGTH) / 30, "do it", "it", seed=number))
