# SPDX-License-Identifier: Apache-2.0
"""A cloned policy closes the loop through ROS: simulator, LIV nodes, policy, monitor, each a process of its own.

The simulator publishes its camera, encoder_node the embeddings, reward_node the rewards, policy_node acts on the
embeddings, and monitor_node says when the task has succeeded. Everything is recorded as a bag; an animation is made of
that.

    make live
    scripts/run python3 -m examples.live_policy.run --task window-close --seed 100003 -o live_out

Exit code: 0 when monitor_node said "succeeded", 1 when it did not, 2 for a mistake. Needs `make train-env`.
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
from liv_model.errors import MISTAKE, LivError, MediaError
from liv_ros.demo import isolate
from training.tasks import task as find_task

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
    """Make the output folder anew; MediaError if it is anything but that of an earlier run."""
    if folder.exists() and not folder.is_dir():
        raise MediaError(str(folder), expected="a folder", got="a file")
    if folder.exists() and not (folder / "log" / "simulator_node.log").is_file() and any(folder.iterdir()):
        raise MediaError(str(folder), expected="a new folder, or one of an earlier run", got="other files")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "log").mkdir(parents=True)
    return folder


def main() -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="drawer-close", help="that the policy knows (default: %(default)s)")
    parser.add_argument("--goal", help="in words (default: the task's instruction)")
    parser.add_argument("--seed", type=int, default=100_000, help="of the scene (default: %(default)s)")
    parser.add_argument("--policy", type=Path, default=Path(__file__).with_name("policy.npz"), help="its .npz file")
    parser.add_argument("--steps", type=int, default=150, help="pictures at most (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=Path("live_out"), help="folder (default: live_out)")
    arguments = parser.parse_args()
    try:
        goal = arguments.goal or find_task(arguments.task).text
        isolate()
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ.setdefault("MUJOCO_GL", "osmesa")
        output = make_output(arguments.output)
        succeeded = play(arguments.task, goal, arguments.seed, output, arguments.policy.resolve(), arguments.steps)
        print(json.dumps({"succeeded": succeeded, **report(output, goal)}, indent=2))
        return 0 if succeeded else 1
    except LivError as error:
        print(f"live_policy: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
