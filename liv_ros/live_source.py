# SPDX-License-Identifier: Apache-2.0
"""A running robot as the page's Source: topics in, services out. The executor's thread only takes notes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_model.folders import state_folder
from liv_model.reward import NANOSECONDS
from liv_model.task_state import TaskState as TaskStateName
from liv_ros.deploy import History, require_recommended
from liv_ros.image_conversion import to_rgb
from liv_ros.live_camera import LiveCamera
from liv_ros.live_health import LiveHealth
from liv_ros.live_news import LiveNews
from liv_ros.live_wire import dumped, recording, seconds, wire_goal
from liv_ros.messages import LATCHED_QOS, STREAM_QOS, image_message
from liv_ros.model_shelf import ModelShelf
from liv_ros.msg import ActiveGoal, GoalScores, GoalSet, Reward, TaskState, Verdict
from liv_ros.msg import Goal as GoalMessage
from liv_ros.service_call import call
from liv_ros.srv import GoalFromCamera, LoadBundle, SetGoal
from liv_web import wire
from liv_web.goal_answer import is_unfamiliar, known_instructions
from liv_web.jpeg import reduced, to_jpeg
from liv_web.source import Listener, NotOfferedError, Picture, Sample, UnknownError

THUMBNAIL_SIDE = 320
MOST_HISTORY = 30
LOAD_WITHIN_S = 600.0  # an engine may be built first
VERDICTS: dict[str, int] = {"success": Verdict.SUCCESS, "failure": Verdict.FAILURE, "discard": Verdict.DISCARD}
_NAMES: dict[int, Any] = {number: name for name, number in VERDICTS.items()}
_PICTURE = "(a picture)"


class LiveSource:
    """See :class:`liv_web.source.Source`.

    Args:
        node: of the page; subscribes and calls.
        cameras: by name.
        shelf: of the models to choose from.
    """

    def __init__(self, node: Node, cameras: dict[str, LiveCamera], shelf: ModelShelf):
        self._node, self._cameras, self._shelf = node, cameras, shelf
        namespace = node.get_namespace().strip("/")
        self._health = LiveHealth(namespace, {name: camera.topic for name, camera in cameras.items()})
        self._news = LiveNews(list(cameras))
        self._lock = threading.Lock()  # of what follows, where more than one thing changes
        self._listener: Listener | None = None
        self._goal: ActiveGoal | None = None
        self._goal_set: list[str] = []
        self._history: list[str] = []
        self._record = wire.Recording(on=False)
        self._model = ""
        self._title = f"/{namespace}"
        self._deployed = History(state_folder() / f"{namespace.replace('/', '_')}_encoder_node_deploy.json")
        self._subscribe(node)
        self._set_goal = node.create_client(SetGoal, "set_goal")
        self._from_camera = node.create_client(GoalFromCamera, "goal/from_camera")
        self._load_bundle = node.create_client(LoadBundle, "load_bundle")
        self._reset = node.create_client(Trigger, "reset")
        self._recorder = node.create_client(SetBool, "record")
        self._verdicts = node.create_publisher(Verdict, "verdict", 10)

    def _subscribe(self, node: Node) -> None:
        listen = node.create_subscription
        listen(ActiveGoal, "active_goal", self._on_goal, LATCHED_QOS)
        listen(GoalSet, "active_goal_set", self._on_goal_set, LATCHED_QOS)
        listen(Verdict, "verdict", self._on_verdict, 10)
        listen(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        for name in self._cameras:
            listen(Reward, f"{name}/reward", lambda m, name=name: self._on_reward(name, m), STREAM_QOS)
            listen(TaskState, f"{name}/task_state", lambda m, name=name: self._on_task_state(name, m), STREAM_QOS)
            listen(GoalScores, f"{name}/goal_scores", lambda m, name=name: self._on_scores(name, m), STREAM_QOS)

    # --- what there is ---

    def status(self) -> wire.Status:
        """See Source."""
        bundle = self._shelf.of(self._model)
        has_recorder = self._recorder.service_is_ready()
        return wire.Status(
            kind="live",
            title=self._title,
            model=self._model,
            cameras=[wire.Camera(name=name, topic=camera.topic) for name, camera in self._cameras.items()],
            instructions=known_instructions(bundle) if bundle else [],
            goal=self._told_goal(),
            goal_set=list(self._goal_set),
            history=list(self._history),
            can=wire.Abilities(
                goal_text=True,
                goal_image=True,
                goal_camera=True,
                verdict=True,
                episode=True,
                record=has_recorder,
                models=bool(self._shelf.bundles()),
            ),
            record=self._record if has_recorder else None,
        )

    def health(self) -> wire.Health:
        """See Source."""
        with self._lock:
            told = self._health.told(self._news.states())
        return told if told.model else told.model_copy(update={"model": self._model})

    def episodes(self) -> list[wire.Episode]:
        """See Source."""
        return self._news.episodes()

    def goal_image(self) -> bytes | None:
        """See Source."""
        goal = self._goal
        if goal is None or not goal.goal.image.width:
            return None
        return to_jpeg(to_rgb(goal.goal.image), THUMBNAIL_SIDE)

    def listen(self, listener: Listener) -> None:
        """See Source."""
        self._listener = listener

    def opening(self) -> list[dict[str, Any]]:
        """See Source."""
        goal = self._told_goal()
        told = [("goal", "goal", goal.model_dump(mode="json") if goal else None)]
        told.append(("episodes", "episodes", dumped(self.episodes())))
        told.append(("health", "health", self.health().model_dump(mode="json")))
        events = [{"type": kind, key: content} for kind, key, content in told]
        if self._recorder.service_is_ready():
            events.append({"type": "record", **self._record.model_dump(mode="json")})
        return [*self._news.opening(), *events, {"type": "model", "model": self._model, "message": ""}]

    def watch(self, camera: str, on_picture: Callable[[Picture], None]) -> Callable[[], None]:
        """See Source."""
        return self._camera(camera).watch(on_picture)

    # --- what is asked for ---

    def set_goal_text(self, text: str) -> wire.Goal:
        """See Source."""
        answer = self._ask_goal(GoalMessage(text=text))
        return self._goal_answer(answer, text)

    def set_goal_image(self, rgb: np.ndarray) -> wire.Goal:
        """See Source."""
        return self._goal_answer(self._ask_goal(GoalMessage(image=image_message(Header(), reduced(rgb)))), "")

    def set_goal_from_camera(self, camera: str, time_s: float | None) -> wire.Goal:
        """See Source; what it sees now, whatever the time."""
        self._camera(camera)
        answer = call(self._from_camera, GoalFromCamera.Request(camera=camera), who="encoder_node")
        return self._goal_answer(answer, "")

    def begin_episode(self) -> None:
        """See Source."""
        answer = call(self._reset, Trigger.Request(), who="reward_node")
        if not answer.success:
            raise NotOfferedError("episode", expected="an active goal", got="none", remedy="set one first")

    def give_verdict(self, verdict: wire.VerdictName) -> None:
        """See Source: a Verdict message, which bags hold and fine-tuning learns from."""
        goal = self._goal
        if goal is None:
            raise NotOfferedError("verdict", expected="an episode of a goal", got="no goal", remedy="set one first")
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._verdicts.publish(Verdict(header=header, goal_id=goal.goal.id, verdict=VERDICTS[verdict]))

    def record(self, on: bool) -> wire.Recording:
        """See Source."""
        answer = call(self._recorder, SetBool.Request(data=on), who="recorder_node")
        before = self._record
        if not answer.success:
            return before.model_copy(update={"message": answer.message})
        record = before.model_copy(update={"on": on, "folder": answer.message, "message": ""})
        self._keep_record(record)
        return record  # what is kept may be an older diagnostic again by now

    def models(self) -> list[wire.Model]:
        """See Source."""
        bundles = self._shelf.bundles()
        return [
            wire.Model(name=name, identity=bundle.identity, active=bundle.identity == self._model)
            for name, bundle in bundles.items()
        ]

    def load_model(self, name: str) -> wire.ModelAnswer:
        """See Source; one that `liv finetune` does not recommend is not taken."""
        bundle = self._shelf.bundles().get(name)
        if bundle is None:
            raise UnknownError("model", expected="one of api/models", got=repr(name[:80]))
        return self._load(bundle, force=False)

    def roll_back(self) -> wire.ModelAnswer:
        """See Source: to the model before the last swap, by this page or by `liv deploy`."""
        known = self._deployed.load()
        folder = known["folders"].get(known["before"])
        if not folder:
            raise NotOfferedError("rollback", expected="an earlier swap of models", got="none")
        try:
            return self._load(Bundle.load(folder, verify=False), force=True)
        except LivError as error:
            return wire.ModelAnswer(accepted=False, message=str(error), model=self._model)

    # --- what a running robot cannot do ---

    def curve(self, camera: str) -> wire.Curve:
        """NotOfferedError: curves come as events."""
        self._camera(camera)
        raise _only_recorded("curve", "the events of api/events")

    def frame(self, camera: str, time_s: float) -> bytes:
        """NotOfferedError: pictures come by websocket."""
        self._camera(camera)
        raise _only_recorded("frame", "the websocket api/camera/<name>")

    # --- messages, on the executor's thread ---

    def _on_goal(self, message: ActiveGoal) -> None:
        self._goal = message if message.goal.id else None
        if self._goal is not None:
            self._remember(message.goal.text)
        self._see_model(message.model)
        goal = self._told_goal()
        self._tell("goal", goal=goal.model_dump(mode="json") if goal else None)

    def _on_goal_set(self, message: GoalSet) -> None:
        self._goal_set = list(message.texts)

    def _on_reward(self, camera: str, message: Reward) -> None:
        sample = Sample(seconds(message), message.value, message.reward, message.progress, message.is_first)
        begins = self._news.add_sample(camera, message.goal_id, self._goal_text(message.goal_id), sample)
        if self._listener is not None:
            self._listener.sample(camera, sample)
        if begins:
            self._tell_episodes()

    def _on_task_state(self, camera: str, message: TaskState) -> None:
        state = TaskStateName(message.state).name.lower() if message.state in list(TaskStateName) else "idle"
        event = {"t": seconds(message), "state": state, "message": message.message}
        self._news.add_state(camera, event)
        self._tell("task_state", camera=camera, **event)

    def _on_scores(self, camera: str, message: GoalScores) -> None:
        if self._listener is not None and len(message.texts) == len(message.values):
            self._listener.scores(camera, seconds(message), list(message.texts), list(message.values))

    def _on_verdict(self, message: Verdict) -> None:
        name = _NAMES.get(message.verdict)
        if name is None:
            return
        t = seconds(message) or self._node.get_clock().now().nanoseconds / NANOSECONDS
        self._news.add_verdict(t, message.goal_id, name)
        self._tell("verdict", t=t, verdict=name, goal_id=message.goal_id)
        self._tell_episodes()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            with self._lock:
                name = self._health.add(status)
            line = self._health.line(name) if name else None
            if line is None:
                continue
            if name == "encoder_node":
                self._see_model(line.values.get("model", ""))
            elif name == "recorder_node":
                self._keep_record(recording(line.values, line.message))

    # --- inside ---

    def _ask_goal(self, goal: GoalMessage) -> SetGoal.Response:
        return call(self._set_goal, SetGoal.Request(goal=goal), who="encoder_node")

    def _goal_answer(self, answer: SetGoal.Response | GoalFromCamera.Response, text: str) -> wire.Goal:
        """What the encoder has answered."""
        now_s = self._node.get_clock().now().nanoseconds / NANOSECONDS
        unfamiliar = answer.accepted and self._is_unfamiliar(not text, answer.familiarity)
        return wire_goal(answer, answer.goal_id, text, set_at=now_s, unfamiliar=unfamiliar, accepted=answer.accepted)

    def _told_goal(self) -> wire.Goal | None:
        message = self._goal
        if message is None:
            return None
        goal = message.goal
        unfamiliar = self._is_unfamiliar(not goal.text, message.familiarity)
        return wire_goal(message, goal.id, goal.text, set_at=seconds(goal), unfamiliar=unfamiliar)

    def _is_unfamiliar(self, is_image: bool, familiarity: float) -> bool:
        bundle = self._shelf.of(self._model)
        return bundle is not None and is_unfamiliar(is_image, familiarity, bundle.familiarity)

    def _goal_text(self, goal_id: str) -> str:
        goal = self._goal
        return (goal.goal.text or _PICTURE) if goal is not None and goal.goal.id == goal_id else ""

    def _load(self, bundle: Bundle, *, force: bool) -> wire.ModelAnswer:
        before = self._model
        try:
            require_recommended(bundle, force=force)
        except LivError as error:
            return wire.ModelAnswer(accepted=False, message=str(error), model=before)
        known = self._shelf.of(before)
        request = LoadBundle.Request(path=str(bundle.path.resolve()))
        answer = call(self._load_bundle, request, who="encoder_node", within_s=LOAD_WITHIN_S)
        if answer.success and answer.model != before:
            folder_before = str(known.path.resolve()) if known else self._deployed.load()["folders"].get(before, "")
            with suppress(OSError):  # then there is no way back
                self._deployed.save(before, folder_before, answer.model, str(bundle.path.resolve()))
            self._see_model(answer.model)
        return wire.ModelAnswer(accepted=answer.success, message=answer.message, model=answer.model)

    def _see_model(self, model: str) -> None:
        with self._lock:
            changed = bool(model) and model != self._model
            if changed:
                self._model = model
        if changed:
            self._tell("model", model=model, message="")

    def _keep_record(self, record: wire.Recording) -> None:
        changed, self._record = record != self._record, record
        if changed:
            self._tell("record", **record.model_dump(mode="json"))

    def _remember(self, text: str) -> None:
        if text:
            self._history = [text, *(known for known in self._history if known != text)][:MOST_HISTORY]

    def _tell(self, kind: str, **content: Any) -> None:
        if self._listener is not None:
            self._listener.tell(kind, **content)

    def _tell_episodes(self) -> None:
        self._tell("episodes", episodes=dumped(self.episodes()))

    def _camera(self, name: str) -> LiveCamera:
        if name not in self._cameras:
            raise UnknownError("camera", expected=f"one of {', '.join(self._cameras)}", got=repr(name[:40]))
        return self._cameras[name]


def _only_recorded(what: str, instead: str) -> NotOfferedError:
    return NotOfferedError(what, expected="a recording (liv view)", got="a running robot", remedy=f"use {instead}")
