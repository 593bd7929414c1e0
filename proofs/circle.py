# SPDX-License-Identifier: Apache-2.0
"""``make loop``: an afternoon at a task that the model does not know, through real ROS, and the better model live.

A first model is trained without some scenes. A simulated arm then works in one of them, its goals and verdicts
given by topic, and all is recorded; ``liv finetune`` makes a model of that bag; ``liv deploy`` takes it into use on
the running nodes; and attempts that neither model has seen are played before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import results
from liv_model.errors import MISTAKE, ConfigError, LivError
from liv_model.progress_bar import progress_bar
from liv_model.whole_file import replace_json
from proofs import circle_plan
from proofs.circle_plan import NEW_TASKS, Command, Plan, Stores

ROOT = Path(__file__).parents[1]
INTERRUPTED = 130
DEPLOY_WITHIN_S = 300.0
_EXAMPLES = """examples:
  make loop                                the first model from nothing: hours of simulation
  make loop ARGS="--train data/metaworld/train --validation data/metaworld/validation"   the episodes of `make bundle`
  make loop QUICK=1                        every step, in minutes; docs stay as they are
Ctrl-C at any time; the same command goes on.
"""


class Work:
    """The folder of the proof: what is made stays, and is not made again."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "done").mkdir(parents=True, exist_ok=True)

    def liv(self, command: Command) -> dict[str, Any]:
        """Run a command of ``liv`` unless it was done; returns what is remembered of it."""
        return self.once(command.name, lambda: self._run(command))

    def once(self, name: str, make: Any) -> dict[str, Any]:
        """What ``make`` returns (plain types), made once."""
        file = self.folder / "done" / f"{name}.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
        began_s = time.monotonic()
        found = {**make(), "seconds": round(time.monotonic() - began_s, 1)}
        replace_json(file, found)
        return found

    def _run(self, command: Command) -> dict[str, Any]:
        print(f"$ liv {shlex.join(command.words)}", file=sys.stderr, flush=True)
        call = [sys.executable, "-m", "liv_model.cli", *command.words]
        code = subprocess.run(call, cwd=ROOT, stdout=sys.stderr, check=False).returncode  # stdout is for the result
        if code and not (command.may_fail and code == 1):
            raise LivError(
                f"liv {command.words[0]}", expected="to end well", got=f"exit code {code}", remedy="see above"
            )
        return {"command": f"liv {shlex.join(command.words)}", "code": code}


def circle(plan: Plan, folder: Path, given: Stores | None) -> dict[str, Any]:
    """Go through it with every seed; the findings as plain types."""
    work = Work(folder)
    for command in (*circle_plan.base(plan, folder, given), *circle_plan.attempts(plan, folder)):
        work.liv(command)
    seeds = []
    for seed in plan.seeds:
        recorded = work.once(f"bag{seed}", lambda seed=seed: _record(folder, seed))
        made = work.liv(circle_plan.finetune(plan, folder, seed))
        live = work.once(f"live{seed}", lambda seed=seed, made=made: _live(folder, seed, force=bool(made["code"])))
        told = json.loads((folder / f"mine{seed}.work" / "report.json").read_text(encoding="utf-8"))
        seeds.append({"seed": seed, "recorded": recorded, "finetune": {**made, "told": told}, "live": live})
    return {"seeds": seeds}


def _record(folder: Path, seed: int) -> dict[str, Any]:
    """The robot's afternoon: every attempt with its goal and verdict, into a bag."""
    from proofs.circle_robot import Robot
    from training.episodes import EpisodeStore

    bag = folder / f"bag{seed}"
    shutil.rmtree(bag, ignore_errors=True)  # of a call that was cut
    store = EpisodeStore(folder / f"robot{seed}")
    with Robot(folder / "log" / f"record{seed}", folder / "base", _texts(store), record=bag) as robot:
        attempts = _play(robot, store, "the robot's afternoon")
    return {"attempts": len(attempts), "frames": sum(len(a["values"]) for a in attempts)}


def _live(folder: Path, seed: int, *, force: bool) -> dict[str, Any]:
    """Unseen attempts under the first model; the better one is swapped in; the same attempts again."""
    from proofs.circle_robot import Robot
    from training.episodes import EpisodeStore

    store = EpisodeStore(folder / "unseen")
    with Robot(folder / "log" / f"live{seed}", folder / "base", _texts(store)) as robot:
        before = _play(robot, store, "before")
        deployed = _deploy(robot, folder / f"mine{seed}", force=force)
        after = _play(robot, store, "after")
    return {"before": before, "after": after, "deployed": deployed}


def _play(robot: Any, store: Any, what: str) -> list[dict[str, Any]]:
    with progress_bar(what, len(store), unit="attempts") as done:
        attempts = []
        for number in range(len(store)):
            attempts.append(robot.play(store[number]).plain())
            done(1)
    return attempts


def _deploy(robot: Any, bundle: Path, *, force: bool) -> dict[str, Any]:
    words = ["deploy", str(bundle), "--namespace", robot.namespace, "--json", *(["--force"] if force else [])]
    print(f"$ liv {shlex.join(words)}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "liv_model.cli", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        robot.while_running(lambda: process.poll() is not None, "liv deploy", DEPLOY_WITHIN_S)
        told = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise LivError("liv deploy", expected="to end well", got=f"exit code {process.returncode}", remedy="see above")
    return json.loads(told)


def _texts(store: Any) -> list[str]:
    return sorted({record.text for record in store.records if record.task in NEW_TASKS})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(argv)
    plan = circle_plan.QUICK if arguments.quick else circle_plan.FULL
    given = Stores(arguments.train.resolve(), arguments.validation.resolve()) if arguments.train else None
    if bool(arguments.train) != bool(arguments.validation):
        print("make loop: expected --train and --validation, got one of them", file=sys.stderr)
        return MISTAKE
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from liv_ros.demo import isolate

    isolate()  # before anything reads the environment that this sets
    try:
        machine, about = results.machine(), results.about(quick=arguments.quick)
        found = {"machine": machine, "about": about, **circle(plan, arguments.work.resolve(), given)}
    except LivError as error:
        print(f"make loop: {error}", file=sys.stderr)
        return MISTAKE if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        print("make loop: stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    from proofs import circle_page

    found["compared"] = circle_page.compared(found)
    if not arguments.quick:
        circle_page.write(found, plan)
    print(json.dumps(found["compared"], indent=1) if arguments.json else circle_page.table(found["compared"]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make loop",
        description="Record, fine-tune, deploy and judge, through real ROS, on tasks kept out of training.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=Path("build/loop"), help="folder (default: build/loop)")
    parser.add_argument("--train", type=Path, metavar="STORE", help="episodes that are there, for the first model")
    parser.add_argument("--validation", type=Path, metavar="STORE", help="likewise")
    parser.add_argument("--quick", action="store_true", help="every step, small")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
