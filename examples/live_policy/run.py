# SPDX-License-Identifier: Apache-2.0
"""A cloned policy closes the loop through ROS: simulator, LIV nodes, policy, monitor, each a process of its own.

The simulator publishes its camera, encoder_node the embeddings, reward_node the rewards, policy_node acts on the
embeddings, and monitor_node says when the task has succeeded. Everything is recorded as a bag; an animation is made of
that.

    make live
    scripts/run python3 -m examples.live_policy.run --task window-close --seed 100003 -o live_out

Exit code: 0 when monitor_node said "succeeded" and the simulator saw the task done too, 1 when not both did, 2 for a
mistake. Needs `make train-env`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from examples.live_policy.report import report
from liv_model.bundle import Bundle
from liv_model.cloned_policy import Policy
from liv_model.errors import MISTAKE, ConfigError, LivError, MediaError, first_few
from liv_ros.demo import isolate
from training.least_value import require_least
from training.tasks import task as find_task
from training.writable import require_folder

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE, CAMERA = "/liv", "camera"
IMAGES = "/camera/image/compressed"
RECORDED = (
    IMAGES,
    "/arm/state",
    "/arm/command",
    "/arm/done",
    *(f"{NAMESPACE}/{name}" for name in ("active_goal", f"{CAMERA}/embedding", f"{CAMERA}/reward")),
    f"{NAMESPACE}/{CAMERA}/task_state",
)
READY_WITHIN_S, QUIET_S = 120.0, 30.0
MARKER = ".live_policy"  # in the folder of a run
OUTPUTS = {MARKER, "bag", "log", "live.webp", "summary.json"}


def play(task: str, goal: str, seed: int, output: Path, policy: Path, steps: int) -> bool:
    """Run the graph until monitor_node says succeeded or the simulator has ended; whether it said so."""
    import rclpy
    from liv_ros.msg import ActiveGoal, TaskState
    from rclpy.executors import SingleThreadedExecutor

    from liv_ros.messages import LATCHED_QOS, STREAM_QOS
    from liv_ros.node_process import NodeProcess
    from liv_ros.run import init_rclpy

    heard: dict[str, object] = {"state": None}
    with ExitStack() as stack:
        init_rclpy([])
        stack.callback(rclpy.try_shutdown)
        node = rclpy.create_node("live_policy")
        stack.callback(node.destroy_node)
        node.create_subscription(ActiveGoal, f"{NAMESPACE}/active_goal", lambda m: heard.update(goal=m), LATCHED_QOS)

        def on_state(message: TaskState) -> None:
            if heard["state"] is None or message.state != heard["state"].state:
                print(f"monitor: {message.message}", file=sys.stderr, flush=True)
            heard.update(state=message, at=time.monotonic())

        node.create_subscription(TaskState, f"{NAMESPACE}/{CAMERA}/task_state", on_state, STREAM_QOS)
        executor = SingleThreadedExecutor()
        executor.add_node(node)

        def start(name: str, package: str = "liv_ros", **parameters: object) -> NodeProcess:
            log = output / "log" / f"{name}.log"
            process = NodeProcess(name, parameters, log, namespace=NAMESPACE, package=package)
            stack.callback(process.stop)
            return process

        nodes = [
            start(
                "encoder_node",
                goal=goal,
                state_folder=str(output / "log"),
                **{"camera.topic": IMAGES, "camera.transport": "compressed", "camera.reliability": "reliable"},
            ),
            start("reward_node", state_folder=str(output / "log")),
            start("monitor_node", blind_s=QUIET_S),
            start("recorder_node", output=str(output / "bag"), topics=list(RECORDED)),
            start("policy_node", "examples.live_policy", policy=str(policy)),
        ]
        _wait(executor, nodes, lambda: "goal" in heard and _connected(node), READY_WITHIN_S)
        nodes.append(
            start("simulator_node", "examples.live_policy", task=task, seed=seed, steps=steps, wait_for_subscribers=2)
        )
        simulator = nodes[-1]

        def is_over() -> bool:
            return heard["state"] is not None and heard["state"].state == TaskState.SUCCEEDED

        while not is_over() and simulator.is_running:
            executor.spin_once(timeout_sec=0.05)
            for process in nodes[:-1]:
                process.require_running()
        deadline = time.monotonic() + 1.0  # what was said last
        while not is_over() and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
        if not is_over() and simulator.wait(1.0):
            raise LivError("simulator_node", got=simulator.last_line, remedy=f"see {simulator.log}")
        return is_over()


def _connected(node) -> bool:
    """Whether embeddings and rewards have all their listeners: reward, recorder, policy; monitor, recorder."""
    prefix = f"{NAMESPACE}/{CAMERA}"
    return node.count_subscribers(f"{prefix}/embedding") >= 3 and node.count_subscribers(f"{prefix}/reward") >= 2


def _wait(executor, nodes, ready, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        executor.spin_once(timeout_sec=0.05)
        for process in nodes:
            process.require_running()
        if time.monotonic() > deadline:
            raise LivError("the graph", expected=f"ready within {within_s:.0f} s", got="not", remedy="see the logs")


def make_output(folder: Path) -> Path:
    """Make the output folder anew.

    Raises:
        ConfigError: there can be none.
        MediaError: it holds anything but what an earlier run made; nothing is removed then.
    """
    require_folder(folder, "-o")
    try:
        found = {path.name: path for path in folder.iterdir()}
        if found and not (MARKER in found and found.keys() <= OUTPUTS):
            raise MediaError(
                str(folder),
                expected="a new folder, or one of an earlier run",
                got="other files: " + first_few(sorted(found.keys() - OUTPUTS or found), 3),
                remedy="empty it, or name another with -o",
            )
        (folder / MARKER).touch()  # before all else: the folder of a run that failed is one of an earlier run
        for path in found.values():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != MARKER:
                path.unlink()
        (folder / "log").mkdir()
    except OSError as error:
        raise MediaError(str(folder), expected="a folder to write into", got=error.strerror) from error
    return folder


def require_known(policy: Policy, task: str) -> None:
    """ConfigError unless a policy was cloned on a task, and on the embeddings that encoder_node will send."""
    served = Bundle.load().identity
    if policy.model != served:
        remedy = "clone it on that: liv imitate --encoder models/metaworld --policy FILE"
        raise ConfigError("--policy", expected=f"one cloned on {served}", got=policy.model, remedy=remedy)
    text = find_task(task).text
    if text not in policy.instructions:
        known = " | ".join(policy.instructions)
        remedy = "name another task, or clone a policy on this one (liv imitate)"
        raise ConfigError(f"--task {task}", expected=f"one that the policy knows: {known}", got=text, remedy=remedy)


def verdict(task: str, monitor_succeeded: bool, simulator_done_s: float | None) -> int:
    """The exit code; what the monitor and the simulator disagree on is told."""
    is_done = simulator_done_s is not None
    if is_done != monitor_succeeded:
        said = "said" if monitor_succeeded else "did not say"
        saw = f"saw {task} done at {simulator_done_s} s" if is_done else f"did not see {task} done"
        print(f"live_policy: monitor_node {said} succeeded, but the simulator {saw}", file=sys.stderr)
    return 0 if is_done and monitor_succeeded else 1


def main(argv: list[str] | None = None) -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="drawer-close", help="that the policy knows (default: %(default)s)")
    parser.add_argument("--goal", help="in words (default: the task's instruction)")
    parser.add_argument("--seed", type=int, default=100_000, help="of the scene (default: %(default)s)")
    parser.add_argument("--policy", type=Path, default=Path(__file__).with_name("policy.npz"), help="its .npz file")
    parser.add_argument("--steps", type=int, default=150, help="pictures at most (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("live_out"), help="folder (default: live_out)")
    arguments = parser.parse_args(argv)
    try:
        require_least(arguments, steps=1, seed=0)
        goal = arguments.goal or find_task(arguments.task).text
        policy = arguments.policy.resolve()
        require_known(Policy.load(policy), arguments.task)
        output = make_output(arguments.output)
        isolate()
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ.setdefault("MUJOCO_GL", "osmesa")
        succeeded = play(arguments.task, goal, arguments.seed, output, policy, arguments.steps)
        summary = report(output, goal)
        print(json.dumps({"monitor_succeeded": succeeded, **summary}, indent=2))
        return verdict(arguments.task, succeeded, summary["simulator_done_s"])
    except LivError as error:
        print(f"live_policy: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
