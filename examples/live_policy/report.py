# SPDX-License-Identifier: Apache-2.0
"""What came of a live run, read from its bag: the animation, and when the simulator and the monitor saw it done."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from liv_model.bags import read_messages
from liv_model.errors import MediaError
from liv_model.image_message import compressed_to_rgb
from liv_model.reward import NANOSECONDS
from liv_model.task_state import TaskState
from training.animation import animate
from training.episodes import Episode
from training.exhibits import Exhibit

IMAGES, DONE, REWARD = "/camera/image/compressed", "/arm/done", "/liv/camera/reward"
TASK_STATE, COMMAND = "/liv/camera/task_state", "/arm/command"
_COLOURS = {TaskState.SUCCEEDED: (60, 200, 90), TaskState.PROGRESSING: (250, 250, 250)}


def report(output: Path, goal: str) -> dict:
    """Write ``live.webp`` and ``summary.json`` beside the bag, and return the summary."""
    messages = list(read_messages(output / "bag", [IMAGES, DONE, REWARD, TASK_STATE, COMMAND]))
    frames = {_stamp(m): compressed_to_rgb(m) for topic, _, m in messages if topic == IMAGES}
    rewards = {_stamp(m): m for topic, _, m in messages if topic == REWARD}
    shown = sorted(set(frames) & set(rewards))
    if not shown:
        raise MediaError(str(output / "bag"), expected="pictures and rewards", got="none", remedy="see the logs")
    time_s = (np.array(shown) - shown[0]) / NANOSECONDS
    states = _states(messages)
    pictures = np.stack([_labelled(frames[stamp], states.get(stamp)) for stamp in shown])
    value = np.array([rewards[stamp].value for stamp in shown])
    episode = Episode(pictures, time_s, goal, "live", "success", 0, "camera", "examples/live_policy")
    animate(Exhibit(episode, goal, value), output / "live.webp")
    done = min((_ns(m.stamp) for topic, _, m in messages if topic == DONE), default=None)
    said = next((stamp for stamp in shown if states.get(stamp) == TaskState.SUCCEEDED), None)
    summary = {
        "goal": goal,
        "pictures": len(frames),
        "commands": sum(topic == COMMAND for topic, _, _ in messages),
        "value": [round(float(value[0]), 3), round(float(value[-1]), 3)],
        "simulator_done_s": None if done is None else round((done - shown[0]) / NANOSECONDS, 2),
        "monitor_succeeded_s": None if said is None else round((said - shown[0]) / NANOSECONDS, 2),
    }
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def _states(messages: list) -> dict[int, TaskState]:
    """Stamp of each picture to the state that was told last before the next picture came."""
    found, last, state = {}, None, None
    for topic, _, message in messages:
        if topic == IMAGES:
            last = _stamp(message)
        elif topic == TASK_STATE:
            state = TaskState(message.state)
        if last is not None and state is not None:
            found[last] = state
    return found


def _labelled(rgb: np.ndarray, state: TaskState | None) -> np.ndarray:
    """The picture with the monitor's word in its corner."""
    picture = rgb.copy()
    if state is not None:
        place, font = (6, picture.shape[0] - 8), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, state.name.lower(), place, font, 0.5, (20, 20, 20), 4, cv2.LINE_AA)
        cv2.putText(picture, state.name.lower(), place, font, 0.5, _COLOURS.get(state, (240, 180, 60)), 1, cv2.LINE_AA)
    return picture


def _stamp(message) -> int:
    return _ns(message.header.stamp)


def _ns(time) -> int:
    return time.sec * NANOSECONDS + time.nanosec
