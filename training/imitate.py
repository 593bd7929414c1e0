# SPDX-License-Identifier: Apache-2.0
"""``liv imitate``: clone the scripted policies on top of a frozen representation, and count how often that succeeds.

One policy for all tasks: the embedding of the picture, that of the instruction, and what the arm feels go into a small
network, as in the LIV paper (Ma et al., ICML 2023, section 5.2). It is judged in scenes that no demonstration was made
in.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liv_model.cloned_policy import Policy, inputs_of
from liv_model.errors import ConfigError, DataError
from liv_model.progress_bar import progress_bar
from liv_model.whole_file import replace_json
from training.imitate_demos import OTHERS, REPEAT, STEPS, Demonstrations, demonstrate
from training.imitate_policy import clone
from training.least_value import require_least
from training.live_scene import UNSEEN, LiveScene
from training.representation import NOTHING, Representation, open_representation
from training.scene import TEST_SEED, load_simulator
from training.tasks import select_tasks
from training.tasks import task as find_task
from training.word_list import word_list
from training.writable import require_file, require_folder

STATE = "state"

EXAMPLES = """examples:
  liv imitate --encoder models/metaworld --tasks drawer-close,window-close --demonstrations 10 --scenes 5
  liv imitate --encoder runs/clip --tasks door-open,door-close --demonstrations 50 --data demos --policy policy.npz
  liv imitate --encoder state --tasks drawer-open --demonstrations 10      the true state: what can be had at most
  liv imitate --encoder nothing --tasks drawer-open --demonstrations 10    eyes shut: what can be had without looking

Demonstrations are simulated where --data does not have them yet (MUJOCO_GL=osmesa, or egl with a GPU).
"""


@dataclass(frozen=True)
class Eye:
    """What a policy acts on beside what the arm feels: an encoder's view of the scene, the true state, or nothing.

    Attributes:
        representation: None for the true state, or nothing.
        is_shut: it sees nothing.
    """

    representation: Representation | None = None
    is_shut: bool = False

    @property
    def size(self) -> int:
        """Side of the pictures, pixels."""
        return self.representation.size if self.representation else UNSEEN

    @property
    def model(self) -> str:
        """Whose embeddings they are."""
        if self.representation is None:
            return NOTHING if self.is_shut else STATE
        return self.representation.encoder.model

    def wanted(self, texts: Sequence[str]) -> np.ndarray:
        """The goals of the policy, float32 (G, D): embeddings; without an encoder, which of them it is."""
        if self.representation is None:
            return np.eye(len(texts), dtype=np.float32)
        return self.representation.encoder.encode_texts(list(texts))

    def seen(self, demonstrations: Demonstrations, seen: Callable[[int], None]) -> np.ndarray:
        """Of every decision, float32 (T, D); D is 0 where nothing is seen. ``seen`` is told how many more pictures."""
        if self.is_shut:
            return demonstrations.observed[:, :0]
        if self.representation is None:
            return demonstrations.observed
        return self.representation.see(demonstrations.frames, seen)

    def look(self, scene: LiveScene) -> np.ndarray:
        """Of the scene as it is now, float32 (D,)."""
        if self.is_shut:
            return np.zeros(0, np.float32)
        if self.representation is None:
            return scene.observation.astype(np.float32)
        return self.representation.encoder.encode_images(scene.picture()[None])[0]


def follow(policy: Policy, eye: Eye, goal: np.ndarray, scene: LiveScene) -> int | None:
    """Let a policy act until the task is done; the control steps it took, None if it was not done in time.

    They are counted in whole decisions, so are multiples of ``REPEAT``.

    Args:
        policy: cloned on this eye.
        eye: what it acts on.
        goal: float32 (D,), of the instruction.
        scene: at its beginning.
    """
    for decision in range(STEPS // REPEAT):
        if scene.act(policy.act(inputs_of(eye.look(scene), goal, scene.felt)), REPEAT):
            return (decision + 1) * REPEAT
    return None


def open_eye(name: str, *, seed: int = 0, threads: int = 1) -> Eye:
    """An eye by name: ``state``, ``nothing``, or as for :func:`open_representation`."""
    if name in (STATE, NOTHING):
        return Eye(is_shut=name == NOTHING)
    return Eye(open_representation(name, seed=seed, threads=threads))


def imitate(
    eye: Eye, tasks: Sequence[str], demonstrations: dict[str, Demonstrations], *, seed: int, steps: int
) -> tuple[Policy, np.ndarray]:
    """One policy for all tasks, and the goals (G, D) in the order of ``tasks``."""
    texts = [find_task(task).text for task in tasks]
    goals = eye.wanted(texts)
    shown = [demonstrations[task] for task in tasks]
    with progress_bar("pictures", sum(len(d.felt) for d in shown), transient=True) as seen:
        inputs = [inputs_of(eye.seen(d, seen), goal, d.felt) for d, goal in zip(shown, goals, strict=True)]
    actions = [d.wanted for d in shown]
    known = {"model": eye.model, "instructions": texts}
    return clone(np.concatenate(inputs), np.concatenate(actions), **known, seed=seed, steps=steps), goals


def judge(
    eye: Eye, policy: Policy, goals: np.ndarray, tasks: Sequence[str], scenes: Sequence[int]
) -> dict[str, list[int | None]]:
    """Task to the control steps that each scene took, None for a failure."""
    found: dict[str, list[int | None]] = {}
    with progress_bar("scenes", len(tasks) * len(scenes), transient=True) as judged:
        for task, goal in zip(tasks, goals, strict=True):
            found[task] = []
            for seed in scenes:
                with LiveScene(task, seed, eye.size) as scene:
                    found[task].append(follow(policy, eye, goal, scene))
                judged(1)
    return found


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = _parser().parse_args(argv)
    require_least(arguments, demonstrations=1, scenes=1, train_steps=1, threads=0)
    tasks = [words.name for words in select_tasks(arguments.tasks)]
    require_file(arguments.out, "-o")
    require_file(arguments.policy, "--policy")
    require_folder(arguments.data, "--data")
    if arguments.out and arguments.policy and arguments.out.resolve() == arguments.policy.resolve():
        raise ConfigError(f"--policy {arguments.policy}", expected="another file than that of -o", got="the same")
    load_simulator()
    eye = open_eye(arguments.encoder, seed=arguments.seed, threads=arguments.threads)
    began = time.monotonic()
    demonstrations = _demonstrations(arguments.data, tasks, arguments.demonstrations, eye)
    policy, goals = imitate(eye, tasks, demonstrations, seed=arguments.seed, steps=arguments.train_steps)
    if arguments.policy:
        policy.save(arguments.policy)
    scenes = range(TEST_SEED, TEST_SEED + arguments.scenes)
    taken = judge(eye, policy, goals, tasks, scenes)
    summary = {
        "encoder": arguments.encoder,
        "demonstrations": arguments.demonstrations,
        "seed": arguments.seed,
        "scenes": list(scenes),
        "success": {task: [steps is not None for steps in found] for task, found in taken.items()},
        "steps": taken,
        "seconds": round(time.monotonic() - began, 1),
    }
    _tell(summary, arguments)
    return 0


def _demonstrations(folder: Path | None, tasks: Sequence[str], count: int, eye: Eye) -> dict[str, Demonstrations]:
    """Of each task: from the folder, whose files are all looked at first, or made."""
    files = {task: folder / f"{task}.npz" for task in tasks} if folder else {}
    found = {task: _kept(file, count, eye) for task, file in files.items() if file.exists()}
    for task in tasks:
        if task not in found:
            found[task] = demonstrate(task, count, eye.size)
            if folder and eye.representation:  # else the pictures are too small for anyone
                found[task].save(files[task])
    return found


def _kept(file: Path, count: int, eye: Eye) -> Demonstrations:
    """The first demonstrations of a file; DataError if they will not do."""
    found = Demonstrations.load(file)
    if found.count < count:
        raise DataError(str(file), expected=f"{count} demonstrations or more", got=found.count, remedy=OTHERS)
    side = found.frames.shape[1]
    if eye.representation and side != eye.size:
        raise DataError(str(file), expected=f"frames of {eye.size} pixels", got=side, remedy=OTHERS)
    return found.first(count)


def _tell(summary: dict, arguments: argparse.Namespace) -> None:
    if arguments.out:
        replace_json(arguments.out, summary)
    if arguments.json:
        print(json.dumps(summary, indent=2))
        return
    for task, found in summary["success"].items():
        print(f"{task:<24} {sum(found):3d} of {len(found)}")
    rates = [np.mean(found) for found in summary["success"].values()]
    print(f"{'mean':<24} {100 * np.mean(rates):.1f} %")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv imitate",
        description="Behaviour cloning on a frozen representation, judged in the simulator.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    what = f"a bundle, a run folder, random:RUN, {STATE} (the true state) or {NOTHING} (eyes shut)"
    add("--encoder", required=True, metavar="NAME", help=what)
    words = {"type": word_list, "metavar": "NAME,NAME"}
    add("--tasks", required=True, help="unversioned Meta-World names; one policy for all", **words)
    add("--demonstrations", type=int, default=10, metavar="N", help="of each task (default: %(default)s)")
    what = "of the policy's weights and batches, and of the weights of random: (default: %(default)s)"
    add("--seed", type=int, default=0, help=what)
    what = "unseen scenes of each task to judge in (default: %(default)s)"
    add("--scenes", type=int, default=10, metavar="N", help=what)
    add("--train-steps", type=int, default=3000, metavar="N", help="of the optimizer (default: %(default)s)")
    what = "of the CPU for a bundle; 0: as OpenVINO likes (default: %(default)s)"
    add("--threads", type=int, default=1, metavar="N", help=what)
    what = f"demonstrations, TASK.npz each; made where they are missing, and kept but for {STATE} and {NOTHING}"
    add("--data", type=Path, metavar="FOLDER", help=what)
    add("--policy", type=Path, metavar="FILE", help="keep the policy, .npz")
    add("-o", "--out", type=Path, metavar="FILE", help="write what was found as JSON")
    add("--json", action="store_true", help="print it as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
