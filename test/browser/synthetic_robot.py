# SPDX-License-Identifier: Apache-2.0
"""A double of a running robot: a Source whose cameras, rewards and answers are made up, for tests of the page alone."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

import cv2
import numpy as np

from liv_model.errors import GoalError
from liv_web import wire
from liv_web.source import Picture, Sample, UnknownError

KNOWN = ["open the door", "close the door", "open the drawer", "close the drawer", "press the button"]
GOAL_SET = KNOWN[:3]
RATE_HZ = 20.0
EPISODE_FRAMES = 80
LONGEST_GOAL = 500  # characters


def value_of(frame: int, text: str) -> float:
    """A made-up curve: what is opened rises, all else falls."""
    part = (frame % EPISODE_FRAMES) / EPISODE_FRAMES
    rising = 0.85 / (1 + math.exp(-9 * (part - 0.5)))
    return rising if text.startswith("open") else 0.8 - rising


class SyntheticRobot:
    """Two cameras at 20 Hz; everything that a page can ask is answered at once.

    Attributes:
        verdicts: that were given.
        goals: texts that were accepted.
        pictures: goal pictures that came, as arrays.
        is_blind: whether no pictures and no rewards come.
        hints: of its health.
    """

    cameras = ("front", "wrist")

    def __init__(self, history_s: float = 0.0):
        self.verdicts: list[str] = []
        self.goals: list[str] = []
        self.pictures: list[np.ndarray] = []
        self.is_blind = False
        self.hints: list[str] = []
        self._history_s = history_s
        self._goal = self._answer("open the door")
        self._listeners: list = []
        self._watchers: dict[str, list] = {name: [] for name in self.cameras}
        self._samples: deque[Sample] = deque(maxlen=20_000)
        self._episodes: deque[wire.Episode] = deque(maxlen=50)
        self._model = "metaworld@f1e59240359a"
        self._recording = wire.Recording(on=False, free_bytes=217_400_000_000)
        self._frame = 0
        self._is_first = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    # --- its life ---

    def start(self) -> SyntheticRobot:
        """Begin to see and to reward."""
        now = time.time()
        for i in range(int(self._history_s * RATE_HZ)):
            self._step(now - self._history_s + i / RATE_HZ, tell=False)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._stop.wait(1 / RATE_HZ):
            if self.is_blind:
                continue
            now = time.time()
            self._step(now, tell=True)
            for watchers in self._watchers.values():
                for on_picture in list(watchers):
                    on_picture(Picture(now, self._jpeg))
            if self._frame % 20 == 0:
                self._tell("episodes", episodes=[e.model_dump() for e in self.episodes()])

    def _step(self, now: float, *, tell: bool) -> None:
        if self._frame % EPISODE_FRAMES == 0:
            self._is_first = True
        value = value_of(self._frame, self._goal.text)
        before = self._samples[-1].value if self._samples else value
        progress = math.nan if self._goal.unfamiliar else min(max(value / 0.85, 0.0), 1.0)
        sample = Sample(now, value, 0.0 if self._is_first else value - before, progress, self._is_first)
        self._samples.append(sample)
        if self._is_first:
            self._begin(now)
        running = self._episodes[-1]
        self._episodes[-1] = running.model_copy(update={"end_s": now, "spark": [*running.spark, value][-40:]})
        self._is_first = False
        self._frame += 1
        if not tell:
            return
        for listener in self._listeners:
            for camera in self.cameras:
                listener.sample(camera, sample)
                listener.scores(camera, now, GOAL_SET, [value_of(self._frame, text) for text in GOAL_SET])
        state = "progressing" if value > before else "stalled"
        self._tell("task_state", camera="front", t=now, state=state, message=f"{state}, as made up")

    def _begin(self, now: float) -> None:
        episode_id = str(int(self._episodes[-1].id) + 1) if self._episodes else "1"
        self._episodes.append(wire.Episode(id=episode_id, goal=self._goal.text, begin_s=now, end_s=now, camera="front"))

    def _tell(self, kind: str, **content) -> None:
        for listener in self._listeners:
            listener.tell(kind, **content)

    def _jpeg(self) -> bytes:
        picture = np.full((240, 320, 3), 40, np.uint8)
        cv2.circle(picture, (20 + self._frame * 3 % 280, 120), 18, (60, 180, 240), -1)
        return cv2.imencode(".jpg", picture)[1].tobytes()

    # --- a Source ---

    def status(self) -> wire.Status:
        return wire.Status(
            kind="live",
            title="a made-up robot",
            model=self._model,
            cameras=[wire.Camera(name=name, topic=f"/{name}/image_raw") for name in self.cameras],
            instructions=[wire.Instruction(text=text) for text in KNOWN],
            goal=self._goal,
            goal_set=GOAL_SET,
            history=self.goals[::-1],
            can=wire.Abilities(**dict.fromkeys(wire.Abilities.model_fields, True)),
        )

    def _answer(self, text: str, *, image: bool = False) -> wire.Goal:
        is_known = text in KNOWN
        nearest = [wire.NearGoal(text=known, similarity=0.6 - 0.1 * i) for i, known in enumerate(KNOWN[:3])]
        return wire.Goal(
            id=f"goal-{time.monotonic_ns()}",
            text=text,
            image=image,
            familiarity=None if image else 1.0 if is_known else 0.41,
            unfamiliar=not (image or is_known),
            nearest=[] if image else nearest,
            message="" if image or is_known else "unfamiliar: progress is not calibrated",
            set_at=time.time(),
        )

    def _take_up(self, goal: wire.Goal) -> wire.Goal:
        self._goal, self._is_first, self._frame = goal, True, 0
        self._tell("goal", goal=goal.model_dump())
        return goal

    def set_goal_text(self, text: str) -> wire.Goal:
        if len(text) > LONGEST_GOAL:
            refused = self._answer(text).model_copy(update={"id": "", "accepted": False})
            return refused.model_copy(update={"message": "goal text: expected at most 32 tokens, got 2000; shorten it"})
        self.goals.append(text)
        return self._take_up(self._answer(text))

    def set_goal_image(self, rgb: np.ndarray) -> wire.Goal:
        self.pictures.append(rgb)
        return self._take_up(self._answer("", image=True))

    def set_goal_from_camera(self, camera: str, time_s: float | None) -> wire.Goal:
        if camera not in self.cameras:
            raise UnknownError("camera", expected=", ".join(self.cameras), got=camera)
        return self.set_goal_image(np.zeros((2, 2, 3), np.uint8))

    def goal_image(self) -> bytes | None:
        return self._jpeg() if self._goal.image else None

    def begin_episode(self) -> None:
        self._is_first, self._frame = True, 0

    def give_verdict(self, verdict: wire.VerdictName) -> None:
        if not self._episodes:
            raise GoalError("verdict", expected="an episode", got="none yet")
        self.verdicts.append(verdict)
        self._episodes[-1] = self._episodes[-1].model_copy(update={"verdict": verdict})
        self._tell("verdict", t=time.time(), verdict=verdict, goal_id=self._goal.id)
        self._tell("episodes", episodes=[e.model_dump() for e in self.episodes()])

    def episodes(self) -> list[wire.Episode]:
        return list(self._episodes)

    def record(self, on: bool) -> wire.Recording:
        self._recording = self._recording.model_copy(update={"on": on, "folder": "/bags/one" if on else ""})
        self._tell("record", **self._recording.model_dump())
        return self._recording

    def models(self) -> list[wire.Model]:
        names = ("metaworld@f1e59240359a", "kitchen@0a77b1c2d3e4")
        return [wire.Model(name=n.split("@")[0], identity=n, active=n == self._model) for n in names]

    def load_model(self, name: str) -> wire.ModelAnswer:
        self._model = next(model.identity for model in self.models() if model.name == name)
        self._tell("model", model=self._model, message="")
        return wire.ModelAnswer(accepted=True, model=self._model)

    def roll_back(self) -> wire.ModelAnswer:
        return wire.ModelAnswer(accepted=False, message="there is no model before this one", model=self._model)

    def curve(self, camera: str) -> wire.Curve:
        raise NotImplementedError

    def frame(self, camera: str, time_s: float) -> bytes:
        raise NotImplementedError

    def health(self) -> wire.Health:
        cameras = [
            wire.CameraHealth(name=n, received_hz=20.0, encoded_hz=20.0, latency_p50_ms=6.5, latency_p99_ms=11.0)
            for n in self.cameras
        ]
        level = "warn" if self.hints else "ok"
        return wire.Health(
            cameras=cameras, device="CPU", engine="none, made up", gate="passed", level=level, hints=self.hints
        )

    def listen(self, listener) -> None:
        self._listeners.append(listener)

    def opening(self) -> list[dict]:
        from liv_web.sample_history import columns

        samples = list(self._samples)
        past = [columns(camera, samples) for camera in self.cameras] if samples else []
        return [
            *({"type": "samples", **event} for event in past),
            {"type": "goal", "goal": self._goal.model_dump()},
            {"type": "episodes", "episodes": [e.model_dump() for e in self.episodes()]},
            {"type": "record", **self._recording.model_dump()},
        ]

    def watch(self, camera: str, on_picture):
        if camera not in self._watchers:
            raise UnknownError("camera", expected=", ".join(self.cameras), got=camera)
        self._watchers[camera].append(on_picture)
        return lambda: self._watchers[camera].remove(on_picture)
