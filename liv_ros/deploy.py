# SPDX-License-Identifier: Apache-2.0
"""``liv deploy``: take a bundle into use on the running robot, between two frames, or go back to the one before."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from liv_model.bundle import Bundle
from liv_model.errors import BundleError, ConfigError, LivError
from liv_model.folders import state_folder
from liv_model.whole_file import replace_json
from liv_ros.messages import LATCHED_QOS
from liv_ros.msg import ActiveGoal
from liv_ros.run import init_rclpy
from liv_ros.srv import LoadBundle

FIND_WITHIN_S = 15.0
_PARAMETER_WITHIN_S = 5.0
_EXAMPLES = """examples:
  liv deploy models/mine
  liv deploy models/mine --namespace /robot1/liv
  liv deploy --rollback

The robot goes on with the model before until the new one is loaded and judged; an episode begins then. It stays in use
as long as this launch lasts: start the next one with bundle:=models/mine.
"""


@dataclass(frozen=True)
class Deployed:
    """What a deployment did.

    Attributes:
        before: model in use before, ``name@digest``; "" where the encoder had none.
        after: model in use now.
        took_s: until the answer, seconds.
        folder_before: of the model before; "" where nobody knows it, and there is no way back.
    """

    before: str
    after: str
    took_s: float
    folder_before: str


class History:
    """Which folder each model of an encoder_node was loaded from, and which model was in use before: one file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        self._path = path

    def load(self) -> dict[str, Any]:
        """``folders``: model to folder, and ``before``: the model to go back to. Empty where nothing is kept."""
        with suppress(OSError, ValueError):
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(content, dict) and isinstance(content.get("folders"), dict):
                return content
        return {"folders": {}, "before": ""}

    def save(self, before: str, folder_before: str, after: str, folder: str) -> None:
        """Remember a deployment; OSError if the file cannot be written."""
        folders = {model: place for model, place in ((before, folder_before), (after, folder)) if model and place}
        content = {"folders": {**self.load()["folders"], **folders}, "before": before}
        replace_json(self._path, content)


class Robot:
    """The running encoder_node, as seen from a node of our own. A context manager.

    Args:
        namespace: of the encoder_node.
        name: of the encoder_node.
    """

    def __init__(self, namespace: str, name: str):
        self.path = f"{namespace.rstrip('/')}/{name}"
        self._model = ""
        self._node = Node("liv_deploy", namespace=namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._service = f"{namespace.rstrip('/')}/load_bundle"
        self._client = self._node.create_client(LoadBundle, self._service)
        self._parameters = self._node.create_client(GetParameters, f"{self.path}/get_parameters")
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._node.create_subscription(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)

    def __enter__(self) -> Robot:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()

    def find(self, within_s: float = FIND_WITHIN_S) -> None:
        """Wait for its service; LivError where it does not come."""
        if not self._spin(self._client.service_is_ready, within_s):
            raise LivError(
                self._service,
                expected="the service of a running encoder_node",
                got=f"none within {within_s:g} s",
                remedy="start it (ros2 launch liv_ros reward.launch.py), or say --namespace; and look at ROS_DOMAIN_ID",
            )

    def model(self, within_s: float = _PARAMETER_WITHIN_S) -> str:
        """The model in use, as it tells on /diagnostics; "" where it tells none."""
        self._spin(lambda: self._model, within_s)
        return self._model

    def given_folder(self) -> str | None:
        """The bundle that it was started with ("" is the shipped one); None where it does not answer."""
        if not self._spin(self._parameters.service_is_ready, _PARAMETER_WITHIN_S):
            return None
        future = self._parameters.call_async(GetParameters.Request(names=["bundle"]))
        self._spin(future.done, _PARAMETER_WITHIN_S)
        return future.result().values[0].string_value if future.done() else None

    def load(self, folder: Path, within_s: float) -> str:
        """Take a bundle into use; the model that is in use then. LivError says why it is not."""
        future = self._client.call_async(LoadBundle.Request(path=str(folder)))
        if not self._spin(future.done, within_s):
            raise LivError(
                f"load_bundle {folder}",
                expected=f"an answer within {within_s:g} s",
                got="none",
                remedy="an engine may still be building: /diagnostics says how far it is; or give more --timeout-s",
            )
        answer = future.result()
        if not answer.success:
            raise LivError(f"{folder} is not in use", got=answer.message, remedy=f"{answer.model or 'nothing'} goes on")
        return answer.model

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == self.path.lstrip("/"):
                self._model = {pair.key: pair.value for pair in status.values}.get("model", self._model)

    def _on_goal(self, goal: ActiveGoal) -> None:
        self._model = goal.model or self._model

    def _spin(self, condition: Callable[[], object], within_s: float) -> bool:
        until = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > until:
                return False
            self._executor.spin_once(timeout_sec=0.05)
        return True


def require_recommended(bundle: Bundle, *, force: bool) -> None:
    """BundleError for a bundle whose own provenance says that the one before it is better, unless ``force``."""
    provenance = bundle.manifest.get("provenance") or {}
    if force or provenance.get("recommended", True):
        return
    found = provenance.get("finetuned") or {}
    raise BundleError(
        f"{bundle.path} ({bundle.identity})",
        expected=f"a bundle that is no worse than {found.get('old', 'the one before')}",
        got="; ".join(found.get("against", ())) or "one marked as not recommended",
        remedy="--force takes it all the same",
    )


def deploy(robot: Robot, history: History, bundle: Bundle, *, within_s: float) -> Deployed:
    """Take a bundle into use, and remember the one before; LivError says why it is not.

    Args:
        robot: that was found.
        history: to remember in.
        bundle: on a disk that the robot sees at the same place.
        within_s: for the answer: engines may have to be built.
    """
    before = robot.model()
    folder_before = history.load()["folders"].get(before) or _folder_of(robot, before)
    began = time.monotonic()
    after = robot.load(bundle.path, within_s)
    took_s = round(time.monotonic() - began, 1)
    if after != before:
        history.save(before, folder_before, after, str(bundle.path))
    return Deployed(before, after, took_s, folder_before)


def _folder_of(robot: Robot, model: str) -> str:
    """The folder that the encoder was started with, if the model in use is the one that lies there."""
    given = robot.given_folder()
    if given is None:
        return ""
    with suppress(LivError):
        bundle = Bundle.load(given, verify=False)
        return str(bundle.path.resolve()) if bundle.identity == model else ""
    return ""


def _to_roll_back_to(history: History) -> Bundle:
    known = history.load()
    folder = known["folders"].get(known["before"])
    if not folder:
        raise ConfigError(
            "--rollback",
            expected="an earlier `liv deploy` from this machine",
            got=f"no known folder of {known['before']}" if known["before"] else "none",
            remedy="name the bundle: liv deploy BUNDLE",
        )
    bundle = Bundle.load(folder)
    if bundle.identity != known["before"]:
        raise BundleError(
            folder, expected=known["before"], got=bundle.identity, remedy="it was replaced; name a bundle"
        )
    return bundle


def main(argv: list[str] | None = None) -> int:
    """Run ``liv deploy``."""
    arguments = _parser().parse_args(argv)
    if bool(arguments.bundle) == arguments.rollback:
        raise ConfigError(
            "liv deploy", expected="a bundle or --rollback", got="both" if arguments.bundle else "neither"
        )
    namespace = "/" + arguments.namespace.strip("/")
    history = History(
        state_folder() / ((namespace.strip("/") + "_" + arguments.node).replace("/", "_") + "_deploy.json")
    )
    bundle = _to_roll_back_to(history) if arguments.rollback else Bundle.load(Path(arguments.bundle).resolve())
    require_recommended(bundle, force=arguments.force or arguments.rollback)
    init_rclpy([])
    try:
        with Robot(namespace, arguments.node) as robot:
            robot.find()
            done = deploy(robot, history, bundle, within_s=arguments.timeout_s)
    finally:
        rclpy.try_shutdown()
    _tell(done, as_json=arguments.json)
    return 0


def _tell(done: Deployed, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(vars(done)))
        return
    print(f"before: {done.before or 'unknown'}\nafter:  {done.after}, in {done.took_s} s")
    if done.before == done.after:
        print("it was in use already")
    elif done.folder_before:
        print("`liv deploy --rollback` goes back")
    else:
        print("no way back by --rollback: nobody knows the folder of the model before")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv deploy",
        description="Take a bundle into use on the running robot (the service load_bundle of encoder_node).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("bundle", nargs="?", help="folder of the bundle, on a disk that the robot sees at the same place")
    add("--rollback", action="store_true", help="go back to the model that was in use before the last deployment")
    add("--force", action="store_true", help="also a bundle that `liv finetune` does not recommend")
    add("--namespace", default="/liv", help="of encoder_node (default: %(default)s)")
    add("--node", default="encoder_node", help="its name (default: %(default)s)")
    add("--timeout-s", type=float, default=600.0, metavar="S", help="for loading and judging (default: 600)")
    add("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
