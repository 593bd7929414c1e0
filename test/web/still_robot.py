# SPDX-License-Identifier: Apache-2.0
"""A double of a running robot of which only the form is real: what is asked is noted, nothing happens by itself."""

from __future__ import annotations

import time

import numpy as np

from liv_web import wire
from liv_web.source import NotOfferedError, Picture, Sample, UnknownError


class StillRobot:
    """A Source with one camera.

    Attributes:
        goals: texts and pictures that came.
        verdicts: that were given.
        watchers: who wants pictures.
        listener: of its events.
    """

    def __init__(self):
        self.goals, self.verdicts, self.watchers, self.listener = [], [], [], None
        self.past = []

    def sample(self, value, t=0.0):
        self.listener.sample("camera", Sample(t, value, 0.0, float("nan"), False))

    def show(self, stamp_s, jpeg=b"\xff\xd8jpeg"):
        for watcher in list(self.watchers):
            watcher(Picture(stamp_s, lambda: jpeg))

    # --- a Source ---

    def status(self):
        return wire.Status(
            kind="live",
            title="still",
            model="test@0",
            cameras=[wire.Camera(name="camera", topic="/image")],
            instructions=[],
            goal=None,
            goal_set=[],
            history=[],
            can=wire.Abilities(goal_text=True),
        )

    def _goal(self, what):
        self.goals.append(what)
        is_text = isinstance(what, str)
        return wire.Goal(id="g", text=what if is_text else "", image=not is_text, set_at=time.time())

    def set_goal_text(self, text):
        return self._goal(text)

    def set_goal_image(self, rgb):
        return self._goal(rgb)

    def set_goal_from_camera(self, camera, time_s):
        self._known(camera)
        return self._goal(np.zeros((1, 1, 3), np.uint8))

    def goal_image(self):
        return None

    def begin_episode(self):
        pass

    def give_verdict(self, verdict):
        self.verdicts.append(verdict)

    def episodes(self):
        return [wire.Episode(id="1", goal="a", begin_s=0.0, end_s=1.0, camera="camera", spark=[0.1])]

    def record(self, on):
        return wire.Recording(on=on)

    def models(self):
        return [wire.Model(name="test", identity="test@0", active=True)]

    def load_model(self, name):
        if name != "test":
            raise UnknownError("model", expected="test", got=name)
        return wire.ModelAnswer(accepted=True, model="test@0")

    def roll_back(self):
        return wire.ModelAnswer(accepted=False, message="none before", model="test@0")

    def curve(self, camera):
        self._known(camera)
        raise NotOfferedError("curve", expected="a recording", got="a robot")

    def frame(self, camera, time_s):
        self._known(camera)
        raise NotOfferedError("frame", expected="a recording", got="a robot")

    def health(self):
        return wire.Health(cameras=[wire.CameraHealth(name="camera", latency_p99_ms=float("nan"))])

    def listen(self, listener):
        self.listener = listener

    def opening(self):
        return list(self.past)

    def watch(self, camera, on_picture):
        self._known(camera)
        self.watchers.append(on_picture)
        return lambda: self.watchers.remove(on_picture)

    def _known(self, camera):
        if camera != "camera":
            raise UnknownError("camera", expected="camera", got=repr(camera))
