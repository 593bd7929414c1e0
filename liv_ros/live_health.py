# SPDX-License-Identifier: Apache-2.0
"""From /diagnostics to what the page says: how each camera does, and what is wrong in plain words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from liv_web import wire

SILENT_S = 5.0
KEEPS_UP = 0.7
_DROPPED = ("frames replaced", "frames refused", "frames lost in transport")
_LEVELS = ("ok", "warn", "error")


@dataclass(frozen=True)
class Line:
    """What a node said of itself.

    Attributes:
        level: 0 ok, 1 warn, 2 error.
        message: in words.
        values: by name.
        at_s: when, by the steady clock.
    """

    level: int
    message: str
    values: dict[str, str]
    at_s: float


class LiveHealth:
    """Keeps the newest line of each node. Not safe to share.

    Args:
        namespace: of the nodes, without slashes at its ends.
        topics: by camera.
        clock: seconds, steady.
    """

    def __init__(self, namespace: str, topics: Mapping[str, str], clock: Callable[[], float] = time.monotonic):
        self._prefix = f"{namespace}/" if namespace else ""
        self._topics, self._clock = dict(topics), clock
        self._lines: dict[str, Line] = {}

    def add(self, status: DiagnosticStatus) -> str | None:
        """Take note of a node's line; its name, None where it is not one of ours."""
        name = status.name.removeprefix(self._prefix)
        if not status.name.startswith(self._prefix) or "/" in name:
            return None
        values = {pair.key: pair.value for pair in status.values}
        level = min(2, int.from_bytes(status.level, "little") if isinstance(status.level, bytes) else status.level)
        self._lines[name] = Line(level, status.message, values, self._clock())
        return name

    def line(self, name: str) -> Line | None:
        """The newest line of a node; None where it has been silent for five seconds."""
        line = self._lines.get(name)
        return line if line is not None and self._clock() - line.at_s <= SILENT_S else None

    def told(self, states: Mapping[str, str]) -> wire.Health:
        """How all is.

        Args:
            states: names of the task states by camera.
        """
        encoder, reward = self.line("encoder_node"), self.line("reward_node")
        told = encoder.values if encoder else {}
        cameras = [_camera(name, told, reward.values if reward else {}, states.get(name, "")) for name in self._topics]
        hints = self._hints(encoder, reward, cameras)
        errors = encoder is None or reward is None or max(encoder.level, reward.level) == 2
        return wire.Health(
            cameras=cameras,
            device=told.get("device", ""),
            engine=" ".join(filter(None, (told.get("backend"), told.get("precision")))),
            gate=told.get("gate", ""),
            model=told.get("model", ""),
            level="error" if errors else "warn" if hints else "ok",
            hints=hints,
        )

    def _hints(self, encoder: Line | None, reward: Line | None, cameras: Sequence[wire.CameraHealth]) -> list[str]:
        hints = []
        if encoder is None:
            hints.append("The encoder does not answer: is encoder_node running, in the same namespace and ROS domain?")
        elif not encoder.values:
            hints.append(f"The encoder is not ready yet: {encoder.message}.")
        else:
            hints += self._of_frames(encoder.message, cameras, encoder.values.get("device", "this device"))
        if reward is None:
            hints.append("No rewards are computed: is reward_node running?")
        elif encoder is not None and reward.message == "no goal":
            hints.append("No goal is set yet: type one above.")
        recorder = self._lines.get("recorder_node")
        if recorder is not None and recorder.level == 2:
            hints.append(f"{recorder.message[:1].upper()}{recorder.message[1:]}.")
        return hints

    def _of_frames(self, message: str, cameras: Sequence[wire.CameraHealth], device: str) -> list[str]:
        hints = []
        for camera in cameras:
            if f"{camera.name}: no frames" in message:
                topic = self._topics[camera.name]
                hints.append(f"No pictures from {camera.name}: is its driver running, and does it publish on {topic}?")
            elif f"{camera.name}: frames lost" in message:
                hints.append(
                    f"Pictures of {camera.name} are lost on the way: check the network, and that the Fast DDS profile"
                    " of this package is used (docs/install.md)."
                )
            elif f"{camera.name}: frames refused" in message:
                hints.append(f"Pictures of {camera.name} cannot be read: see the log of encoder_node.")
            elif _lags(camera):
                hints.append(
                    f"{device} encodes {camera.encoded_hz:.0f} of {camera.received_hz:.0f} pictures a second of"
                    f" {camera.name}: a GPU, or a smaller model, would keep up."
                )
        if "not active" in message:
            hints.append("The encoder is not active: activate it (ros2 lifecycle set ... activate).")
        return hints


def _camera(name: str, encoder: Mapping[str, str], reward: Mapping[str, str], state: str) -> wire.CameraHealth:
    return wire.CameraHealth(
        name=name,
        received_hz=_number(encoder, f"{name}: received (Hz)"),
        encoded_hz=_number(encoder, f"{name}: encoded (Hz)"),
        dropped=sum(int(_number(encoder, f"{name}: {what}") or 0) for what in _DROPPED),
        latency_p50_ms=_number(reward, f"{name}: latency p50 (ms)"),
        latency_p99_ms=_number(reward, f"{name}: latency p99 (ms)"),
        state=state,
    )


def _lags(camera: wire.CameraHealth) -> bool:
    received, encoded = camera.received_hz or 0.0, camera.encoded_hz or 0.0
    return received > 1.0 and 0 < encoded < KEEPS_UP * received


def _number(values: Mapping[str, str], key: str) -> float | None:
    try:
        found = float(values[key])
    except (KeyError, ValueError):
        return None
    return found if math.isfinite(found) else None
