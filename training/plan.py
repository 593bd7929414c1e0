# SPDX-License-Identifier: Apache-2.0
"""``liv plan``: the arm finds out by itself how to do a task, with the value of what it would see as its only aim.

Model-predictive control with the cross-entropy method, the simulator as the model. The rewards of a sequence of actions
are differences of values, so they sum to the value of its last picture minus that of now: only that one is rendered.
As in the LIV paper (Ma et al., ICML 2023, section 5.3: 200 sequences a search, horizon 20 for Meta-World).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.errors import ConfigError, DataError
from liv_model.progress_bar import progress_bar
from liv_model.whole_file import replace_text
from training.episodes import EpisodeWriter
from training.imitate_demos import REPEAT
from training.least_value import require_least
from training.live_scene import ACTION, LiveScene, State
from training.plan_cem import Cem, search
from training.plan_end import End, write_picture
from training.plan_objective import OPPOSITE, RIGHT, SIMULATOR, Objective, open_objective
from training.plan_record import recording
from training.plan_rollouts import Rollouts
from training.representation import NOTHING, Representation
from training.scene import CONTROL_STEP_S, SIMULATED_STEPS, TEST_SEED, load_simulator, rng_of
from training.tasks import select_tasks
from training.word_list import word_list
from training.worker_pool import WorkerPool, worker_pool
from training.writable import require_file, require_folder

EXAMPLES = """examples:
  liv plan --objective models/metaworld --tasks window-close --scenes 3 --sequences 40 --iterations 2
  liv plan --objective models/metaworld --tasks door-lock --instruction opposite      how well is it obeyed?
  liv plan --objective models/metaworld --tasks window-close --pictures found      what did the search find?
  liv plan --objective runs/mine --tasks window-close --seed 0 --record data/planned      to learn from failures
  liv plan --objective simulator --tasks door-lock,door-unlock      the simulator's own reward: what can be had at most

Call it again with the same -o to go on after a stop.
"""
_BEGINS = '{"task": "'  # a line of a file of episodes


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

    def __post_init__(self) -> None:
        for name, least in (("repeat", 1), ("execute", 1), ("steps", self.repeat)):
            if getattr(self, name) < least:
                raise ConfigError(f"--{name}", expected=f"{least} or more", got=getattr(self, name))
        if self.execute > self.cem.horizon:
            raise ConfigError("--execute", expected=f"at most the horizon, {self.cem.horizon}", got=self.execute)
        longest = self.steps + self.cem.horizon * self.repeat
        if longest > SIMULATED_STEPS:
            what = "--steps and the control steps of a sequence"
            raise ConfigError(what, expected=f"at most {SIMULATED_STEPS} together, as the simulator ends", got=longest)

    @property
    def most_actions(self) -> int:
        """That can be done in time."""
        return self.steps // self.repeat

    @property
    def most_searches(self) -> int:
        """That an episode can need."""
        return -(-self.most_actions // self.execute)


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


def plan_episode(
    task: str,
    seed: int,
    objective: Objective,
    control: Control,
    *,
    pool: WorkerPool | None = None,
    searched: Callable[[int], None] = lambda count: None,
) -> Planned:
    """Plan and act in one scene until the task is done or the time is over.

    Args:
        task: unversioned name.
        seed: of the scene, and, with the task, of the draws: every objective begins with the same ones.
        objective: of the search; it alone decides what is done. Success is only looked at, to end the episode.
        control: settings.
        pool: of workers that act sequences out; None: this process does. The result is the same.
        searched: told how many more of ``control.most_searches`` are done, or will not be needed.
    """
    began, rng = time.perf_counter(), rng_of(task, seed)
    mean, done = np.zeros((control.cem.horizon, ACTION)), []
    look, left = objective.representation is not None, control.most_searches
    with (
        Rollouts(task, seed, objective.size, repeat=control.repeat, pool=pool) as rollouts,
        LiveScene(task, seed, objective.size) as scene,
    ):
        begun = objective.value_now(scene)
        while not scene.succeeded and len(done) < control.most_actions:
            state = scene.save()
            best = search(
                lambda actions, state=state: objective.score(rollouts.act_out(state, actions, look), rng),
                mean,
                control.cem,
                rng,
            )
            for action in best[: min(control.execute, control.most_actions - len(done))]:
                done.append(action)
                if scene.act(action, control.repeat):
                    break
            mean = np.concatenate([best[control.execute :], np.zeros((control.execute, ACTION))])
            left -= 1
            searched(1)
        searched(left)
        success_step = len(done) * control.repeat if scene.succeeded else None
        value = None if begun is None else (begun, objective.value_now(scene))
        wall_s = time.perf_counter() - began
        return Planned(success_step, rollouts.pictures, rollouts.seconds, wall_s, np.array(done), value, scene.save())


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = _parser().parse_args(argv)
    require_least(arguments, scenes=1, seed=0, first_scene=0, workers=0, threads=0)
    tasks = [words.name for words in select_tasks(arguments.tasks)]
    cem = Cem(arguments.sequences, arguments.horizon, arguments.iterations)
    execute = min(Control.execute, cem.horizon) if arguments.execute is None else arguments.execute
    control = Control(cem, arguments.repeat, execute, arguments.steps)
    require_file(arguments.out, "-o")
    for folder, name in ((arguments.pictures, "--pictures"), (arguments.record, "--record")):
        require_folder(folder, name)
    if arguments.record and (arguments.instruction != RIGHT or arguments.objective in (SIMULATOR, NOTHING)):
        expected = f"attempts at the task by what it looks like: an encoder, and --instruction {RIGHT}"
        got = f"--objective {arguments.objective}, --instruction {arguments.instruction}"
        raise ConfigError("--record", expected=expected, got=got)
    load_simulator()
    first = arguments.seed + arguments.first_scene
    rows = _plan_all(arguments, tasks, range(first, first + arguments.scenes), control)
    _tell(rows, tasks, arguments.json)
    return 0


def _plan_all(arguments: argparse.Namespace, tasks: Sequence[str], scenes: range, control: Control) -> list[dict]:
    """The episodes that were asked for, in order; those in the file are not done again."""
    opened: dict[str, Representation] = {}
    asked = {"instruction": arguments.instruction, "opened": opened, "threads": arguments.threads}
    objectives = {task: open_objective(arguments.objective, task, **asked) for task in tasks}
    settings = _settings(arguments, control, objectives[tasks[0]].model)
    rows = _kept(arguments.out, settings) if arguments.out else {}
    wanted = list(product(tasks, scenes))
    missing = [place for place in wanted if place not in rows]
    with (
        worker_pool(arguments.workers, "planning") if arguments.workers else nullcontext() as pool,
        progress_bar("searches", len(missing) * control.most_searches, transient=True) as searched,
    ):
        for task, seed in missing:
            found = plan_episode(task, seed, objectives[task], control, pool=pool, searched=searched)
            if arguments.record:
                _record(arguments.record, task, seed, objectives[task], found, control)
            told = _told(arguments, task, seed, objectives[task], found)
            row = rows[task, seed] = {"task": task, "scene": seed, **told, **settings}
            if arguments.out:
                with arguments.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return [rows[place] for place in wanted]


def _record(store: Path, task: str, seed: int, objective: Objective, found: Planned, control: Control) -> None:
    source = f"liv plan, {objective.model}"
    episode = recording(task, seed, found.actions, repeat=control.repeat, size=objective.size, source=source)
    with EpisodeWriter(store, objective.size, objective.size) as writer:
        if (task, episode.outcome, seed, episode.camera, source) not in writer.keys:  # planned once more, without -o
            writer.append(episode)


def _told(arguments: argparse.Namespace, task: str, seed: int, objective: Objective, found: Planned) -> dict:
    """One episode in plain types; its picture where that is wanted."""
    is_compared = arguments.pictures or objective.representation
    end = End.of(task, seed, objective, found.end) if is_compared else None
    if arguments.pictures:
        write_picture(end, arguments.pictures / f"{task}-{seed}.png")
    success = end and end.value_of_success
    return {
        "success_step": found.success_step,
        "value": found.value and [round(value, 3) for value in found.value],
        "value_of_success": None if success is None else round(success, 3),
        "pictures": found.pictures,
        "rollout_s": round(found.rollout_s, 2),
        "wall_s": round(found.wall_s, 2),
    }


def _settings(arguments: argparse.Namespace, control: Control, model: str | None) -> dict[str, Any]:
    """What episodes in one file have in common; ``model``: a name can stand for another network by now."""
    asked = {"objective": arguments.objective, "model": model, "instruction": arguments.instruction}
    return {**asked, **{k: v for k, v in asdict(control).items() if k != "cem"}, **asdict(control.cem)}


def _kept(path: Path, settings: dict[str, Any]) -> dict[tuple[str, int], dict]:
    """The episodes in a file by task and scene; ConfigError where they were planned with other settings."""
    rows = read_rows(path)
    for row in rows:
        other = [key for key, value in settings.items() if row.get(key) != value]
        if other:
            asked, got = (", ".join(f"{key} {of.get(key)}" for key in other) for of in (settings, row))
            raise ConfigError(f"-o {path}", expected=f"episodes with {asked}", got=got, remedy="name another file")
    if path.is_file():  # a line that was cut would run into the next one
        replace_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return {(row["task"], row["scene"]): row for row in rows}


def read_rows(path: Path) -> list[dict]:
    """The episodes in a file of this command, one a line; none where there is no file. A torn last line is left out,
    a lone one only if it begins like one of these.

    Raises:
        DataError: it is no such file.
    """
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        *lines, tail = text.split("\n")
        rows = [json.loads(line) for line in lines]
        is_ours = rows or tail.startswith(_BEGINS) or _BEGINS.startswith(tail)
        if is_ours and all(isinstance(row, dict) and {"task", "scene"} <= row.keys() for row in rows):
            return rows
        got = "something else"
    except (OSError, ValueError) as error:
        got = error
    raise DataError(str(path), expected="episodes of liv plan, one a line", got=got, remedy="name another file")


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
    add("--instruction", default=RIGHT, help=f"{RIGHT}, {OPPOSITE}, or a text (default: %(default)s)")
    add("--scenes", type=int, default=5, metavar="N", help="of each task (default: %(default)s)")
    what = "of the first scene; training begins at 0 (default: %(default)s, unseen)"
    add("--seed", type=int, default=TEST_SEED, metavar="N", help=what)
    what = "how many scenes to pass over (default: %(default)s)"
    add("--first-scene", type=int, default=0, metavar="N", help=what)
    add("--sequences", type=int, default=defaults.sequences, metavar="N", help="an iteration (default: %(default)s)")
    add("--horizon", type=int, default=defaults.horizon, metavar="N", help="actions of each (default: %(default)s)")
    add("--iterations", type=int, default=defaults.iterations, metavar="N", help="of the search (default: %(default)s)")
    steps = "control steps of an action (default: %(default)s)"
    add("--repeat", type=int, default=control.repeat, metavar="N", help=steps)
    what = f"actions done before the next search (default: {control.execute}, or the horizon if it is shorter)"
    add("--execute", type=int, metavar="N", help=what)
    steps = f"control steps of {1000 * CONTROL_STEP_S:g} ms an episode (default: %(default)s)"
    add("--steps", type=int, default=control.steps, metavar="N", help=steps)
    what = "processes that act out and render; 0: this one (default: %(default)s)"
    add("--workers", type=int, default=0, metavar="N", help=what)
    what = "of the CPU for a bundle; 0: as OpenVINO likes (default: %(default)s)"
    add("--threads", type=int, default=1, metavar="N", help=what)
    add("-o", "--out", type=Path, metavar="FILE", help="an episode a line, JSON; what is in it is not done again")
    what = "a picture of each episode's end, beside the scripted policy's success, with their values"
    add("--pictures", type=Path, metavar="FOLDER", help=what)
    what = "an episode store that grows by what was done: learn from failures, docs/training.md"
    add("--record", type=Path, metavar="STORE", help=what)
    add("--json", action="store_true", help="print the episodes as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
