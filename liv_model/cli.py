# SPDX-License-Identifier: Apache-2.0
"""``liv``: a table from words to the modules that do it, each imported only when called."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys

from liv_model.errors import MISTAKE, LivError

# words -> (module with a main(argv) -> int, what it does). The one place that may name all sides.
COMMANDS = {
    "reward": ("liv_model.reward_video", "score a video, a folder of frames or a bag for goals, without ROS"),
    "demo": ("liv_ros.demo", "a live ROS graph over a recording, with the curve at the end"),
    "doctor": ("liv_model.doctor.command", "what this machine can do, what is wrong with it, and the remedy"),
    "bundle": ("liv_model.bundle_command", "show what a bundle holds, and verify it"),
    "engine": ("liv_model.engines.command", "build engines (TensorRT, OpenVINO int8) ahead, list and remove them"),
    "label": ("liv_model.label_command", "put rewards into bags: for another goal, or by another model"),
    "view": ("liv_web.view_command", "a recorded bag in the browser: scrub it, and type other goals"),
    "bag recover": ("liv_model.bag_command", "make a whole bag from one that was cut short"),
    "episodes simulate": ("training.simulate", "record episodes of simulated robot arms (Meta-World)"),
    "episodes import": ("training.import_episodes", "bring other people's recordings into a store of episodes"),
    "episodes show": ("training.show_episodes", "what a store of episodes holds, and whether it is whole"),
    "episodes record-demo": ("training.record_demo", "record one simulated success as a bag of camera images"),
    "import": ("training.import_checkpoint", "take weights that others trained: LIV, CLIP, a vision backbone"),
    "train": ("training.train", "train LIV on a store of episodes"),
    "export": ("training.export", "turn a training run into a bundle for the robot"),
    "evaluate": ("training.evaluate", "measure how good a bundle's rewards are on held-out episodes"),
    "finetune": ("training.finetune", "a better bundle from the robot's own bags, judged against the one before"),
    "deploy": ("liv_ros.deploy", "take a bundle into use on the running robot, or go back to the one before"),
    "imitate": ("training.imitate", "clone scripted policies on a frozen representation, and count successes"),
    "plan": ("training.plan", "plan in the simulator with the value of the rendered picture as the only objective"),
    "uses": ("training.uses.command", "imitation and planning, small: writes docs/uses.md"),
    "results": ("training.results.command", "the paper's comparisons, small: writes docs/results.md"),
}

INTERRUPTED = 128 + signal.SIGINT


def main(argv: list[str] | None = None) -> int:
    """Dispatch a command line; returns the exit code: 0, 2 for a user's mistake, 130 for Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    _log_to_stderr()
    try:
        return _dispatch(words)
    except BrokenPipeError:  # `liv ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_help(), flush=True)
        return 0
    name = next((n for n in COMMANDS if words[: len(n.split())] == n.split()), None)
    if name is None:
        return _mistake(f"liv: expected one of {', '.join(COMMANDS)}, got {' '.join(words[:2])!r}; see `liv --help`")
    try:
        return _run(name, words[len(name.split()) :])
    except LivError as error:
        return _mistake(f"liv {name}: {error}")
    except KeyboardInterrupt:
        print(f"liv {name}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(name: str, words: list[str]) -> int:
    module = COMMANDS[name][0]
    try:
        return importlib.import_module(module).main(words)
    except ModuleNotFoundError as error:
        needs = {"training": "a checkout with `make train-env`", "liv_ros": "a sourced ROS 2 with liv_ros built"}
        remedy = needs.get(module.split(".")[0], "install the package")
        raise LivError(
            f"module {error.name!r}", expected="installed", got="missing", remedy=f"this needs {remedy}"
        ) from error


def _log_to_stderr() -> None:
    """What liv_model tells as it goes, such as which engine serves; results go to standard output."""
    ours = logging.getLogger("liv_model")
    if not ours.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        ours.addHandler(handler)
        ours.setLevel(logging.INFO)


def _mistake(message: str) -> int:
    print(message, file=sys.stderr)
    return MISTAKE


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  liv {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items())
    return (
        "liv: how far has the robot come with the task?\n\n"
        f"{rows}\n\n`liv COMMAND --help` tells the rest. On the robot: `ros2 launch liv_ros reward.launch.py`."
    )


if __name__ == "__main__":
    sys.exit(main())
