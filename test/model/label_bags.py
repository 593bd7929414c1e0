# SPDX-License-Identifier: Apache-2.0
"""Bags to label: as reward_node would have recorded them, and as other tools write them; and what is in them then."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE, IMAGE, message_types, read_messages
from liv_model.calibration import Calibration
from liv_model.label_messages import ACTIVE_GOAL, EMBEDDING, REWARD, header
from liv_model.label_messages import GOAL as GOAL_TYPE
from liv_model.label_reading import open_recording
from liv_model.reward import NANOSECONDS, RewardStream

T0 = 1_700_000_000 * NANOSECONDS
STEP_NS = 50_000_000
TYPES = message_types().types
STRING = "std_msgs/msg/String"
GOAL = "open the drawer"


def cdr(msgtype, **fields):
    return bytes(message_types().serialize_cdr(TYPES[msgtype](**fields), msgtype))


def unit(count, dim, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def embedding(model, sequence, vector, *, stamp_ns, camera="camera", activation="one"):
    head = header(stamp_ns, "lens")
    fields = {"header": head, "camera": camera, "model": model, "activation": activation}
    return cdr(EMBEDDING, **fields, sequence=sequence, data=vector)


def no_picture(stamp_ns=0):
    empty = {"height": 0, "width": 0, "encoding": "", "is_bigendian": 0, "step": 0, "data": np.zeros(0, np.uint8)}
    return TYPES[IMAGE](header=header(stamp_ns, ""), **empty)


def active_goal(goal_id, text, model, vector, *, activation="one", first=None, scale=(0.0, 1.0)):
    goal = TYPES[GOAL_TYPE](header=header(T0, ""), id=goal_id, text=text, image=no_picture())
    first = first or {}
    return cdr(
        ACTIVE_GOAL,
        goal=goal,
        model=model,
        activation=activation,
        embedding=vector,
        familiarity=0.9,
        cameras=list(first),
        first_sequence=np.array(list(first.values()), np.uint64),
        value_at_start=scale[0],
        value_at_goal=scale[1],
        stall_s=1.0,
        hold_s=1.0,
        success_progress=0.9,
        nearest=["open the drawer"],
        nearest_familiarity=np.array([0.9], np.float32),
        message="",
    )


def reward(seen_stamp_ns, goal_id, model, sample, camera="camera"):
    fields = {"step": sample.step, "is_first": sample.is_first, "value": sample.value}
    return cdr(
        REWARD,
        header=header(seen_stamp_ns, "lens"),
        camera=camera,
        goal_id=goal_id,
        model=model,
        **fields,
        reward=sample.reward,
        progress=sample.progress,
    )


def write_embeddings(path, model, count=30, dim=8, *, cameras=("camera",), goal=None):
    """A bag of embeddings, with something else beside them; a goal's text and vector, if it is to have one."""
    with BagWriter(path) as bag:
        bag.write("/other", STRING, T0 - 1, cdr(STRING, data="beside"))
        if goal is not None:
            text, vector = goal
            bag.write("/liv/active_goal", ACTIVE_GOAL, T0 - 1, active_goal("g", text, model, vector))
        for i, vector in enumerate(unit(count, dim)):
            for camera in cameras:
                stamp = T0 + i * STEP_NS
                raw = embedding(model, i, vector, stamp_ns=stamp, camera=camera)
                bag.write(f"/liv/{camera}/embedding", EMBEDDING, stamp + 1000, raw)


class LiveRecording:
    """What a recorder hears of an encoder_node and a reward_node."""

    def __init__(self, bag, model, dim):
        self._bag, self._model, self._vectors = bag, model, iter(unit(1000, dim, seed=7))
        self._now_ns, self._stream, self._goal = T0, None, ("", "", 0)
        self.rewards = []

    def say(self, topic, msgtype, raw):
        self._now_ns += 1000
        self._bag.write(topic, msgtype, self._now_ns, raw)

    def set_goal(self, goal_id, text, *, activation="one", first=0, scale=(-0.5, 0.5)):
        vector = next(self._vectors)
        raw = active_goal(
            goal_id, text, self._model, vector, activation=activation, first={"camera": first}, scale=scale
        )
        self.say("/liv/active_goal", ACTIVE_GOAL, raw)
        self._goal = (goal_id, activation, first)
        self._stream = RewardStream(vector, Calibration(*scale)) if goal_id else None

    def reset(self):
        self._stream.reset()

    def see(self, sequence, stamp_ns, *, activation="one"):
        vector = next(self._vectors)
        self.say(
            "/liv/camera/embedding",
            EMBEDDING,
            embedding(self._model, sequence, vector, stamp_ns=stamp_ns, activation=activation),
        )
        goal_id, of, first = self._goal
        if self._stream is None or activation != of or sequence < first:
            return
        sample = self._stream.update(vector, stamp_ns)
        if sample is not None:
            raw = reward(stamp_ns, goal_id, self._model, sample)
            self.say("/liv/camera/reward", REWARD, raw)
            self.rewards.append(raw)


def picture(i, size=(48, 64)):
    rgb = np.full((*size, 3), 30, np.uint8)
    cv2.circle(rgb, (8 + 4 * i, size[0] // 2), 6, (255, 200, 0), -1)
    return rgb


def compressed(i, stamp_ns, *, size=(48, 64), cut=False, types=TYPES, head=None):
    data = cv2.imencode(".jpg", picture(i, size)[..., ::-1])[1].reshape(-1)
    data = data[: len(data) // 2] if cut else data
    return types[COMPRESSED_IMAGE](header=head or header(stamp_ns, "lens"), format="jpeg", data=data)


def write_pictures(path, count=12, *, topics=("/camera/image_raw/compressed",), sizes=((48, 64),), cut=(), said=()):
    """A bag of JPEG pictures; ``said``: (index, text) goals that are set while it is recorded."""
    with BagWriter(path) as bag:
        for i in range(count):
            stamp = T0 + i * STEP_NS
            for text in (text for index, text in said if index == i):
                bag.write("/liv/goal/text", STRING, stamp - 1, cdr(STRING, data=text))
            for topic in topics:
                message = compressed(i, stamp, size=sizes[i % len(sizes)], cut=i in cut)
                raw = bytes(message_types().serialize_cdr(message, COMPRESSED_IMAGE))
                bag.write(topic, COMPRESSED_IMAGE, stamp + 1000, raw)


def write_by_rosbags(path, distribution, storage, count=6):
    """Pictures, raw and compressed, and a text, as another tool writes them."""
    store = get_typestore(Stores[f"ROS2_{distribution}"])
    types, names = store.types, {"front": IMAGE, "wrist": COMPRESSED_IMAGE}
    with Writer(path, version=8 if distribution == "HUMBLE" else 9, storage_plugin=StoragePlugin[storage]) as bag:
        lines = {n: bag.add_connection(f"/{n}/image_raw", t, typestore=store) for n, t in names.items()}
        chatter = bag.add_connection("/chatter", STRING, typestore=store)
        for i in range(count):
            stamp = T0 + i * STEP_NS
            time = types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
            head, rgb = types["std_msgs/msg/Header"](stamp=time, frame_id="lens"), picture(i)
            size = {"height": rgb.shape[0], "width": rgb.shape[1], "step": rgb.shape[1] * 3}
            raw = types[IMAGE](header=head, **size, encoding="rgb8", is_bigendian=0, data=rgb.reshape(-1))
            said = types[STRING](data=str(i))
            messages = ((lines["front"], raw), (lines["wrist"], compressed(i, stamp, types=types, head=head)))
            for line, message in (*messages, (chatter, said)):
                bag.write(line, stamp, store.serialize_cdr(message, line.msgtype))


def contents(path, topics=None):
    """(topic, time, message) of a bag."""
    return list(read_messages(path, topics))


def messages(path, topic):
    return [message for _, _, message in read_messages(path, [topic])]


def rewards(path):
    return messages(path, "/liv/camera/reward")


def raw(path, topic=None):
    """(topic, time, bytes) of a bag."""
    with open_recording(path) as recording:
        return [tuple(m) for m in recording.messages() if topic in (None, m.topic)]


def told_by(capsys):
    """What ``liv label --json`` said of its one bag."""
    return json.loads(capsys.readouterr().out)["bags"][0]


def is_writing(pid, name):
    """Whether a process has the file open that a bag of this name is written to."""
    try:
        return any(f"/{name}_0.mcap" in os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
