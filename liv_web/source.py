# SPDX-License-Identifier: Apache-2.0
"""What the page is shown: a running robot or a recorded bag, as one interface. Nothing here knows ROS or HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from liv_model.errors import LivError
from liv_web import wire


class NotOfferedError(LivError):
    """This source cannot do that, such as record in a recording."""


class UnknownError(LivError):
    """There is no camera, picture or model of that name."""


class UnavailableError(LivError):
    """What would have to answer is not there, or does not answer in time."""


class Sample(NamedTuple):
    """One reward.

    Attributes:
        t: stamp of its picture, seconds.
        value: in [-1, 1].
        reward: in [-2, 2].
        progress: in [0, 1], or NaN.
        is_first: whether it begins an episode.
    """

    t: float
    value: float
    reward: float
    progress: float
    is_first: bool


class Picture:
    """A camera's picture, made a JPEG when the first viewer wants it, and once for all of them.

    Args:
        stamp_s: of the picture.
        make: gives the JPEG.
    """

    def __init__(self, stamp_s: float, make: Callable[[], bytes]):
        self.stamp_s = stamp_s
        self._make: Callable[[], bytes] | None = make
        self._jpeg = b""
        self._lock = threading.Lock()

    def jpeg(self) -> bytes:
        """The JPEG; b"" where the picture is none. On any thread."""
        with self._lock:
            if self._make is not None:
                try:
                    self._jpeg = self._make()
                except LivError:
                    self._jpeg = b""
                self._make = None  # and with it the message
            return self._jpeg


class Listener(Protocol):
    """Who is told what happens, on any thread, and never waits."""

    def sample(self, camera: str, sample: Sample) -> None:
        """A reward has come."""
        ...

    def scores(self, camera: str, t: float, texts: list[str], values: list[float]) -> None:
        """The goal set has been scored."""
        ...

    def tell(self, kind: str, **content: Any) -> None:
        """Something else has happened; ``content`` as the event of that type has it."""
        ...


class Source(Protocol):
    """A robot or a recording. Every method may be called on any thread, and may wait for an answer.

    Each may raise a LivError: :class:`NotOfferedError`, :class:`UnknownError`, :class:`UnavailableError`, or what is
    wrong with what was asked. A goal that the model does not take is no error: the answer is not ``accepted``.
    """

    def status(self) -> wire.Status:
        """What the page shows first."""
        ...

    def set_goal_text(self, text: str) -> wire.Goal:
        """Set a goal in words."""
        ...

    def set_goal_image(self, rgb: np.ndarray) -> wire.Goal:
        """Set a goal as a picture, uint8 (H, W, 3)."""
        ...

    def set_goal_from_camera(self, camera: str, time_s: float | None) -> wire.Goal:
        """Take what a camera sees as the goal; ``time_s`` in a recording."""
        ...

    def goal_image(self) -> bytes | None:
        """The goal's picture as a small JPEG; None where it is none."""
        ...

    def begin_episode(self) -> None:
        """Begin an episode with the next picture."""
        ...

    def give_verdict(self, verdict: wire.VerdictName) -> None:
        """Judge the episode that runs, or ended last."""
        ...

    def episodes(self) -> list[wire.Episode]:
        """The latest, oldest first."""
        ...

    def record(self, on: bool) -> wire.Recording:
        """Begin a new bag, or finish it."""
        ...

    def models(self) -> list[wire.Model]:
        """Those that can be taken into use."""
        ...

    def load_model(self, name: str) -> wire.ModelAnswer:
        """Take one into use."""
        ...

    def roll_back(self) -> wire.ModelAnswer:
        """Take the one before into use again."""
        ...

    def curve(self, camera: str) -> wire.Curve:
        """A recorded curve under the present goal."""
        ...

    def frame(self, camera: str, time_s: float) -> bytes:
        """A recorded picture, the last one at a time or before it, as JPEG."""
        ...

    def health(self) -> wire.Health:
        """How all is; ``viewers`` is for the server to fill in."""
        ...

    def listen(self, listener: Listener) -> None:
        """Tell from now on what happens."""
        ...

    def opening(self) -> list[dict[str, Any]]:
        """The events that a page needs which comes now: what has been, then what is."""
        ...

    def watch(self, camera: str, on_picture: Callable[[Picture], None]) -> Callable[[], None]:
        """Have a camera's pictures from now on, on any thread; what is returned ends it. UnknownError."""
        ...
