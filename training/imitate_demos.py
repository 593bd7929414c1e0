# SPDX-License-Identifier: Apache-2.0
"""Demonstrations for imitation: what the scripted policy saw, felt, knew and wanted, decision by decision.

The arm is pushed about while it acts, and what is kept is what the policy wanted, not what the push made of it: so a
demonstration also shows how to come back (Laskey et al., CoRL 2017, arXiv 1703.09327).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from liv_model.arrays_file import read_arrays
from liv_model.errors import DataError
from liv_model.progress_bar import progress_bar
from liv_model.whole_file import replacing
from training.attempt import smooth_noise
from training.live_scene import ACTION, FELT, OBSERVED, LiveScene
from training.scene import load_simulator, rng_of, scripted_policy

REPEAT = 3  # control steps of a decision: 27 decisions a second
STEPS = 200  # control steps within which a task has to be done
NOISE = 0.2  # share of full speed
OTHERS = "name another --data, or remove the file: it is made anew"
_SEEDS_TRIED = 5  # for each demonstration wanted


@dataclass(frozen=True)
class Demonstrations:
    """Decisions of the successes of one task, one after the other.

    Attributes:
        frames: uint8 (T, S, S, 3) RGB.
        felt: float32 (T, 4), hand x, y, z in metres and gripper opening.
        observed: float32 (T, 39), the true state.
        wanted: float32 (T, 4), the scripted policy's action, within [-1, 1].
        episode: int64 (T,), number of the demonstration, rising from 0.
    """

    frames: np.ndarray
    felt: np.ndarray
    observed: np.ndarray
    wanted: np.ndarray
    episode: np.ndarray

    @property
    def count(self) -> int:
        """Number of demonstrations."""
        return int(self.episode[-1]) + 1

    def first(self, count: int) -> Demonstrations:
        """The first ``count`` demonstrations."""
        kept = self.episode < count
        return Demonstrations(**{f.name: getattr(self, f.name)[kept] for f in fields(self)})

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file, whole or not at all."""
        with replacing(path) as file:
            np.savez(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Demonstrations:
        """Read such a file; DataError if it is none, or a damaged one."""
        try:
            stored = read_arrays(path)
            found = cls(**{f.name: stored[f.name] for f in fields(cls)})
            found._require_whole()
        except (OSError, ValueError, KeyError) as error:
            what = f"demonstrations {path}"
            raise DataError(what, expected="an .npz of liv imitate", got=error, remedy=OTHERS) from error
        return found

    def _require_whole(self) -> None:
        """ValueError unless every column is as its description says."""
        count, side = self.episode.size, (*self.frames.shape, 0, 0)[1]
        wanted = {
            "frames": ("uint8", (count, side, side, 3)),
            "felt": ("float32", (count, FELT)),
            "observed": ("float32", (count, OBSERVED)),
            "wanted": ("float32", (count, ACTION)),
            "episode": ("int64", (count,)),
        }
        for name, (dtype, shape) in wanted.items():
            found = getattr(self, name)
            if (found.dtype, found.shape) != (dtype, shape):
                raise ValueError(f"{name} {found.dtype} {found.shape}, not {dtype} {shape}")
        if not count:
            raise ValueError("no decision")
        if self.episode[0] != 0 or not np.isin(np.diff(self.episode), (0, 1)).all():
            raise ValueError("episodes that do not rise from 0 one by one")
        if not all(np.isfinite(column).all() for column in (self.felt, self.observed, self.wanted)):
            raise ValueError("numbers that are not finite")


def demonstrate(task: str, count: int, size: int, first_seed: int = 0) -> Demonstrations:
    """``count`` successes of the scripted policy, of the first seeds that give them.

    Raises:
        DataError: it hardly ever succeeds.
    """
    episodes: list[dict[str, list[np.ndarray]]] = []
    with progress_bar(f"demonstrations of {task}", count, transient=True) as made:
        for seed in range(first_seed, first_seed + _SEEDS_TRIED * count):
            episode = _attempt(task, seed, size)
            if episode is not None:
                episodes.append(episode)
                made(1)
            if len(episodes) == count:
                break
    if len(episodes) < count:
        raise DataError(f"{task}", expected=f"{count} successes of the scripted policy", got=len(episodes))
    columns = {name: np.stack([row for e in episodes for row in e[name]]) for name in episodes[0]}
    lengths = [len(e["wanted"]) for e in episodes]
    return Demonstrations(**columns, episode=np.repeat(np.arange(count), lengths))


def _attempt(task: str, seed: int, size: int) -> dict[str, list[np.ndarray]] | None:
    """The decisions of one attempt, None if it did not succeed; only a success is rendered."""
    rng = rng_of(task, seed)
    policy, push = scripted_policy(task), smooth_noise(NOISE, rng)
    rows: dict[str, list[np.ndarray]] = {"frames": [], "felt": [], "observed": [], "wanted": []}
    with LiveScene(task, seed, size) as scene:
        states = []
        for _ in range(STEPS // REPEAT):
            wanted = np.clip(policy.get_action(scene.observation), -1, 1).astype(np.float32)
            rows["felt"].append(scene.felt)
            rows["observed"].append(scene.observation.astype(np.float32))
            rows["wanted"].append(wanted)
            states.append(scene.save())
            if scene.act(np.concatenate([wanted[:3] + push(3), wanted[3:]]), REPEAT):
                break
        if not scene.succeeded:
            return None
        for state in states:
            scene.restore(state)
            rows["frames"].append(scene.picture())
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python3 -m training.imitate_demos", description=__doc__)
    parser.add_argument("task")
    parser.add_argument("--count", type=int, required=True, metavar="N")
    parser.add_argument("--size", type=int, required=True, help="side of the frames, pixels")
    parser.add_argument("-o", "--out", type=Path, required=True, help=".npz file")
    arguments = parser.parse_args(argv)
    load_simulator()
    demonstrate(arguments.task, arguments.count, arguments.size).save(arguments.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
