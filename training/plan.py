# SPDX-License-Identifier: Apache-2.0
"""``liv plan``: the arm finds out by itself how to do a task, with the value of what it would see as its only aim.

Model-predictive control with the cross-entropy method, the simulator as the model. The rewards of a sequence of actions
are differences of values, so they sum to the value of its last picture minus that of now: only that one is rendered.
As in the LIV paper (Ma et al., ICML 2023, section 5.3: 200 sequences, horizon 20 for Meta-World).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liv_model.errors import ConfigError
from training.imitate import TEST_SEED
from training.imitate_demos import REPEAT
from training.live_scene import ACTION, LiveScene, State
from training.plan_cem import Cem, search
from training.plan_end import End, write_picture
from training.plan_objective import NOTHING, OPPOSITE, RIGHT, SIMULATOR, Objective, open_objective
from training.plan_rollouts import Rollouts
from training.representation import Representation
from training.scene import STEP_LIMIT, load_simulator
from training.tasks import select_tasks
from training.word_list import word_list

EXAMPLES = """examples:
  liv plan --objective models/metaworld --tasks window-close --scenes 3 --sequences 40 --iterations 2
  liv plan --objective models/metaworld --tasks door-lock --instruction opposite      how well is it obeyed?
  liv plan --objective models/metaworld --tasks window-close --pictures found      what did the search find?
  liv plan --objective simulator --tasks door-lock,door-unlock      the simulator's own reward: what can be had at most

Call it again with the same -o to go on after a stop.
"""


@dataclass(frozen=True)
class Control:
    """How an episode is planned.

    Attributes:
        cem: the search.
        repeat: control steps of an action. One would be too short: in a horizon of 20 the hand could hardly cross the
            table, and no picture in reach would differ much from now.
        execute: actions done before the next search.
        steps: control steps within which the task has to be done.
    """

    cem: Cem
    repeat: int = REPEAT
    execute: int = 10
    steps: int = 150


@dataclass(frozen=True)
class Planned:
    """One episode.

    Attributes:
        success_step: control steps until the task was done, in whole actions; None if it was not.
        pictures: rendered for the objective.
        rollout_s: that acting out and rendering took, seconds.
        wall_s: all together.
        actions: float (T, 4), what was done.
        value: at the beginning and at the end; None where no value is the objective. A search that fails and yet ends
            high has found a picture that the network takes for success.
        end: where it ended.
    """

    success_step: int | None
    pictures: int
    rollout_s: float
    wall_s: float
    actions: np.ndarray
    value: tuple[float, float] | None
    end: State


def plan_episode(task: str, seed: int, objective: Objective, control: Control, *, workers: int = 0) -> Planned:
    """Plan and act in one scene until the task is done or the time is over.

    Args:
        task: unversioned name.
        seed: of the scene, and of the draws.
        objective: of the search; it alone decides what is done. Success is only looked at, to end the episode.
        control: settings.
        workers: processes that act sequences out; 0: this one. The result is the same.
    """
    began, rng = time.perf_counter(), np.random.default_rng(seed)
    mean, done = np.zeros((control.cem.horizon, ACTION)), []
    look = objective.representation is not None
    with (
        Rollouts(task, seed, objective.size, repeat=control.repeat, workers=workers) as rollouts,
        LiveScene(task, seed, objective.size) as scene,
    ):
        begun = objective.value_now(scene)
        while not scene.succeeded and len(done) * control.repeat < control.steps:
            state = scene.save()
            best = search(
                lambda actions, state=state: objective.score(rollouts.act_out(state, actions, look)),
                mean,
                control.cem,
                rng,
            )
            for action in best[: control.execute]:
                done.append(action)
                if scene.act(action, control.repeat):
                    break
            mean = np.concatenate([best[control.execute :], np.zeros((control.execute, ACTION))])
        success_step = len(done) * control.repeat if scene.succeeded else None
        value = None if begun is None else (begun, objective.value_now(scene))
        wall_s = time.perf_counter() - began
        return Planned(success_step, rollouts.pictures, rollouts.seconds, wall_s, np.array(done), value, scene.save())


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = _parser().parse_args(argv)
    for name, least in (("scenes", 1), ("first_scene", 0), ("repeat", 1), ("execute", 1), ("steps", 1), ("workers", 0)):
        if getattr(arguments, name) < least:
            raise ConfigError("--" + name.replace("_", "-"), expected=f"{least} or more", got=getattr(arguments, name))
    if arguments.execute > arguments.horizon:
        raise ConfigError("--execute", expected=f"at most the horizon, {arguments.horizon}", got=arguments.execute)
    if arguments.steps > STEP_LIMIT:
        raise ConfigError("--steps", expected=f"at most {STEP_LIMIT}", got=arguments.steps)
    tasks = [words.name for words in select_tasks(arguments.tasks)]
    cem = Cem(arguments.sequences, arguments.horizon, arguments.iterations)
    control = Control(cem, arguments.repeat, arguments.execute, arguments.steps)
    load_simulator()
    first = TEST_SEED + arguments.first_scene
    rows = _plan_all(arguments, tasks, range(first, first + arguments.scenes), control)
    _tell(rows, tasks, arguments.json)
    return 0


def _plan_all(arguments: argparse.Namespace, tasks: Sequence[str], scenes: range, control: Control) -> list[dict]:
    rows = read_rows(arguments.out) if arguments.out else []
    opened: dict[str, Representation] = {}
    for task in tasks:
        objective = open_objective(arguments.objective, task, arguments.instruction, opened)
        for seed in scenes:
            if any((row["task"], row["scene"]) == (task, seed) for row in rows):
                continue
            found = plan_episode(task, seed, objective, control, workers=arguments.workers)
            end = End.of(task, seed, objective, found.end)
            if arguments.pictures:
                write_picture(end, arguments.pictures / f"{task}-{seed}.png")
            row = {
                "task": task,
                "scene": seed,
                "objective": arguments.objective,
                "instruction": arguments.instruction,
                "success_step": found.success_step,
                "value": found.value and [round(value, 3) for value in found.value],
                "value_of_success": None if end.value_of_success is None else round(end.value_of_success, 3),
                "pictures": found.pictures,
                "rollout_s": round(found.rollout_s, 2),
                "wall_s": round(found.wall_s, 2),
                "sequences": control.cem.sequences,
                "horizon": control.cem.horizon,
                "iterations": control.cem.iterations,
                "repeat": control.repeat,
            }
            rows.append(row)
            if arguments.out:
                arguments.out.parent.mkdir(parents=True, exist_ok=True)
                with arguments.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return rows


def read_rows(path: Path) -> list[dict]:
    """The episodes in a file of this command, one a line; a torn last line is left out, and cut off."""
    if not path.is_file():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def _tell(rows: Sequence[dict], tasks: Sequence[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for task in tasks:
        found = [row["success_step"] for row in rows if row["task"] == task]
        done = [steps for steps in found if steps is not None]
        rose = [row["value"] for row in rows if row["task"] == task and row.get("value")]
        line = f"{task:<24} {len(done):3d} of {len(found)}" + (f", {np.median(done):.0f} steps" if done else "")
        print(line + (", value {:.2f} to {:.2f}".format(*np.mean(rose, axis=0)) if rose else ""))
    pictures, seconds = (sum(row[name] for row in rows) for name in ("pictures", "rollout_s"))
    if pictures and seconds:
        print(f"{pictures} pictures, {pictures / seconds:.1f} a second, acting included")


def _parser() -> argparse.ArgumentParser:
    defaults, control = Cem(), Control(Cem())
    parser = argparse.ArgumentParser(
        prog="liv plan",
        description="Planning in the simulator with the value of the rendered picture as the only objective.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    what = f"a bundle, a run folder, random:RUN, {SIMULATOR} (its own reward) or {NOTHING} (chance)"
    add("--objective", required=True, metavar="NAME", help=what)
    words = {"type": word_list, "metavar": "NAME,NAME"}
    add("--tasks", required=True, help="unversioned Meta-World names", **words)
    add("--instruction", default=RIGHT, help=f"{RIGHT}, {OPPOSITE}, or a text (default: {RIGHT})")
    add("--scenes", type=int, default=5, metavar="N", help="of each task (default: 5)")
    add("--first-scene", type=int, default=0, metavar="N", help="number of the first of them (default: 0)")
    add("--sequences", type=int, default=defaults.sequences, metavar="N", help="an iteration (default: %(default)s)")
    add("--horizon", type=int, default=defaults.horizon, metavar="N", help="actions of each (default: %(default)s)")
    add("--iterations", type=int, default=defaults.iterations, metavar="N", help="of the search (default: %(default)s)")
    add("--repeat", type=int, default=control.repeat, metavar="N", help="control steps of an action (%(default)s)")
    add("--execute", type=int, default=control.execute, metavar="N", help="actions done before the next search (10)")
    add("--steps", type=int, default=control.steps, metavar="N", help="control steps of 12.5 ms an episode (150)")
    add("--workers", type=int, default=0, metavar="N", help="processes that act out and render; 0: this one (0)")
    add("-o", "--out", type=Path, metavar="FILE", help="an episode a line, JSON; what is in it is not done again")
    what = "a picture of each episode's end, beside the scripted policy's success, with their values"
    add("--pictures", type=Path, metavar="FOLDER", help=what)
    add("--json", action="store_true", help="print the episodes as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
