# SPDX-License-Identifier: Apache-2.0
"""A recorded bag as a Source: any goal, at once, from the embeddings; the pictures are only shown."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from liv_model.errors import LivError
from liv_model.goal import Goal
from liv_model.image_message import message_to_rgb
from liv_model.loaded_model import LoadedModel
from liv_model.reward import NANOSECONDS
from liv_web import wire
from liv_web.episode_log import EpisodeLog
from liv_web.goal_answer import goal_answer, known_instructions, refused_goal
from liv_web.jpeg import message_to_jpeg, to_jpeg
from liv_web.recorded_curve import RecordedCurve, recorded_curve
from liv_web.recorded_embeddings import CameraEmbeddings
from liv_web.recorded_notes import RecordedNotes
from liv_web.recorded_pictures import RecordedPictures
from liv_web.sample_history import number
from liv_web.source import Listener, NotOfferedError, Picture, Sample, UnknownError

THUMBNAIL_SIDE = 320
MOST_HISTORY = 30


@dataclass(frozen=True)
class _Scored:
    """The goal that counts, and every camera's curve for it."""

    answer: wire.Goal
    goal: Goal
    curves: dict[str, RecordedCurve]
    others: dict[str, dict[str, np.ndarray]]  # values by camera and text


class RecordedSource:
    """One recording, one model.

    Args:
        title: of the recording, for people.
        model: loaded; closed with this.
        cameras: what they saw.
        pictures: by topic.
        notes: of those who recorded.
        goal: to begin with; None = the last one of the recording, if any.
    """

    def __init__(
        self,
        title: str,
        model: LoadedModel,
        cameras: Sequence[CameraEmbeddings],
        pictures: dict[str, RecordedPictures],
        notes: RecordedNotes,
        goal: Goal | None = None,
    ):
        self._title, self._model, self._notes = title, model, notes
        self._cameras = {camera.camera: camera for camera in cameras}
        self._pictures = pictures
        self._zero_ns = min(int(camera.stamps_ns[0]) for camera in cameras)
        self._lock = threading.Lock()  # of the encoder
        self._history: list[str] = []
        for recorded in notes.goals:
            self._remember(recorded.goal.text)
        self._listener: Listener | None = None
        self._scored: _Scored | None = None
        self._episodes = self._find_episodes()
        first = goal or (notes.goals[-1].goal if notes.goals else None)
        if first is not None:
            self._set(first)

    # --- what there is ---

    def status(self) -> wire.Status:
        """See Source."""
        end_ns = max(int(camera.stamps_ns[-1]) for camera in self._cameras.values())
        scored = self._scored
        return wire.Status(
            kind="recorded",
            title=self._title,
            model=self._model.identity,
            cameras=[wire.Camera(name=name, topic=seen.topic) for name, seen in self._cameras.items()],
            instructions=known_instructions(self._model.bundle),
            goal=scored.answer if scored else None,
            goal_set=[],
            history=list(self._history),
            can=wire.Abilities(
                goal_text=True, goal_image=True, goal_camera=any(map(self._has_pictures, self._cameras))
            ),
            duration_s=(end_ns - self._zero_ns) / NANOSECONDS,
        )

    def curve(self, camera: str) -> wire.Curve:
        """See Source; without a goal there are no values."""
        seen, scored = self._camera(camera), self._scored
        t = ((seen.stamps_ns - self._zero_ns) / NANOSECONDS).round(6).tolist()
        is_first = seen.is_first.tolist()
        if scored is None:
            nothing: list[Any] = [None] * len(t)
            idle = ["idle"] * len(t)
            return wire.Curve(
                camera=camera, t=t, value=nothing, reward=nothing, progress=nothing, is_first=is_first, state=idle
            )
        found = scored.curves[camera]
        return wire.Curve(
            camera=camera,
            t=t,
            value=_numbers(found.value),
            reward=_numbers(found.reward),
            progress=_numbers(found.progress),
            is_first=is_first,
            state=found.state,
            others=[wire.ThinLine(text=text, value=_numbers(v)) for text, v in scored.others[camera].items()],
        )

    def frame(self, camera: str, time_s: float) -> bytes:
        """See Source."""
        return message_to_jpeg(self._message(camera, time_s))

    def episodes(self) -> list[wire.Episode]:
        """See Source; sparks are of the present goal."""
        return self._episodes.told()

    def health(self) -> wire.Health:
        """See Source."""
        encoder = self._model.encoder
        return wire.Health(
            cameras=[wire.CameraHealth(name=name) for name in self._cameras],
            device=encoder.device,
            engine=f"{encoder.backend} {encoder.precision}",
            gate="passed" if encoder.gate and encoder.gate.passed else "none, this is the network itself",
            model=self._model.identity,
            hints=[] if any(map(self._has_pictures, self._cameras)) else ["This recording holds no pictures."],
        )

    # --- goals ---

    def set_goal_text(self, text: str) -> wire.Goal:
        """See Source."""
        return self._set_or_refuse(lambda: Goal(text), text)

    def set_goal_image(self, rgb: np.ndarray) -> wire.Goal:
        """See Source."""
        return self._set_or_refuse(lambda: Goal(image=rgb), "")

    def set_goal_from_camera(self, camera: str, time_s: float | None) -> wire.Goal:
        """See Source; without a time, the end of the recording."""
        seen = self._camera(camera)
        end_s = (int(seen.stamps_ns[-1]) - self._zero_ns) / NANOSECONDS
        message = self._message(camera, end_s if time_s is None else time_s)
        return self._set_or_refuse(lambda: Goal(image=message_to_rgb(message)), "")

    def goal_image(self) -> bytes | None:
        """See Source."""
        scored = self._scored
        return to_jpeg(scored.goal.image, THUMBNAIL_SIDE) if scored and scored.goal.image is not None else None

    # --- events ---

    def listen(self, listener: Listener) -> None:
        """See Source."""
        self._listener = listener

    def opening(self) -> list[dict[str, Any]]:
        """See Source: curves are asked for, not sent."""
        told: list[dict[str, Any]] = []
        if self._scored is not None:
            told.append({"type": "goal", "goal": self._scored.answer.model_dump(mode="json")})
        episodes = [episode.model_dump(mode="json") for episode in self.episodes()]
        return [*told, {"type": "episodes", "episodes": episodes}]

    # --- what a recording cannot do ---

    def begin_episode(self) -> None:
        """NotOfferedError."""
        raise _not_offered("episodes")

    def give_verdict(self, verdict: wire.VerdictName) -> None:
        """NotOfferedError."""
        raise _not_offered("verdicts")

    def record(self, on: bool) -> wire.Recording:
        """NotOfferedError."""
        raise _not_offered("recording")

    def models(self) -> list[wire.Model]:
        """See Source: the one."""
        return [wire.Model(name=self._model.bundle.name, identity=self._model.identity, active=True)]

    def load_model(self, name: str) -> wire.ModelAnswer:
        """NotOfferedError."""
        raise _not_offered("models")

    def roll_back(self) -> wire.ModelAnswer:
        """NotOfferedError."""
        raise _not_offered("models")

    def watch(self, camera: str, on_picture: Callable[[Picture], None]) -> Callable[[], None]:
        """NotOfferedError."""
        self._camera(camera)
        raise NotOfferedError("a recording's camera", expected="pictures by their time", remedy="GET api/frame")

    def close(self) -> None:
        """Close the bag and release the device."""
        for pictures in self._pictures.values():
            pictures.close()
        with self._lock:
            self._model.close()

    # --- inside ---

    def _set_or_refuse(self, read: Callable[[], Goal], text: str) -> wire.Goal:
        try:
            answer = self._set(read())
        except LivError as error:
            return refused_goal(text, error)
        if self._listener is not None:
            self._listener.tell("goal", goal=answer.model_dump(mode="json"))
            self._listener.tell("episodes", episodes=[e.model_dump(mode="json") for e in self.episodes()])
        return answer

    def _set(self, goal: Goal) -> wire.Goal:
        with self._lock:
            resolved = self._model.resolver.resolve(goal)
            opposite = self._opposite(goal.text)
            vectors = self._model.encoder.encode_texts([opposite]) if opposite else np.zeros((0, 1), np.float32)
        thresholds = self._model.bundle.task_state
        curves = {name: recorded_curve(seen, resolved, thresholds) for name, seen in self._cameras.items()}
        others = {
            name: {opposite: seen.vectors.astype(np.float64) @ vectors[0].astype(np.float64)} if opposite else {}
            for name, seen in self._cameras.items()
        }
        answer = goal_answer(uuid.uuid4().hex[:12], goal, resolved, self._model.bundle.familiarity, time.time())
        self._scored = _Scored(answer, goal, curves, others)
        self._remember(goal.text)
        self._episodes = self._find_episodes()
        return answer

    def _opposite(self, text: str) -> str | None:
        """What undoes a known instruction."""
        said = " ".join(text.split())
        known = self._model.bundle.instructions
        return next((k.opposite for k in known if k.opposite and said in (k.text, *k.paraphrases)), None) or next(
            (k.text for k in known if k.opposite == said and said), None
        )

    def _remember(self, text: str) -> None:
        if text:
            self._history = [text, *(known for known in self._history if known != text)][:MOST_HISTORY]

    def _find_episodes(self) -> EpisodeLog:
        log, scored = EpisodeLog(), self._scored
        for name, seen in self._cameras.items():
            value = scored.curves[name].value if scored else np.full(len(seen.stamps_ns), np.nan)
            t = (seen.stamps_ns - self._zero_ns) / NANOSECONDS
            for stamp, time_s, v, first in zip(
                seen.stamps_ns.tolist(), t.tolist(), value.tolist(), seen.is_first.tolist(), strict=True
            ):
                was = self._notes.goal_at(stamp) if first else None
                sample = Sample(time_s, v, 0.0, np.nan, first)
                log.add(name, was.id if was else "", was.goal.text if was else "", sample)
            break  # one camera tells the episodes of all
        for verdict in self._notes.verdicts:
            log.judge((verdict.stamp_ns - self._zero_ns) / NANOSECONDS, verdict.goal_id, verdict.verdict)
        return log

    def _camera(self, name: str) -> CameraEmbeddings:
        if name not in self._cameras:
            raise UnknownError("camera", expected=f"one of {', '.join(self._cameras)}", got=repr(name[:40]))
        return self._cameras[name]

    def _has_pictures(self, camera: str) -> bool:
        pictures = self._pictures.get(self._cameras[camera].topic)
        return pictures is not None and len(pictures.stamps_ns) > 0

    def _message(self, camera: str, time_s: float) -> Any:
        seen = self._camera(camera)
        if not self._has_pictures(camera):
            raise UnknownError(f"pictures of {camera}", expected="some in the recording", got="none")
        return self._pictures[seen.topic].at(self._zero_ns + round(time_s * NANOSECONDS))


def _numbers(values: np.ndarray) -> list[float | None]:
    return [number(value) for value in values.tolist()]


def _not_offered(what: str) -> NotOfferedError:
    return NotOfferedError(what, expected="a running robot", got="a recording", remedy="launch with dashboard:=true")
