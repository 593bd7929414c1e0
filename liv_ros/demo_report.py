# SPDX-License-Identifier: Apache-2.0
"""What came of a demo, read from its bag: the picture, and the figures.

The opposite goal is scored from the embeddings in the bag: no image is decoded for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from liv_model.bags import read_messages
from liv_model.bundle import Bundle
from liv_model.calibration import Calibration
from liv_model.curve_picture import draw_curves
from liv_model.encoder import open_encoder
from liv_model.errors import MediaError
from liv_model.image_message import compressed_to_rgb
from liv_model.media import Media
from liv_model.metrics import voc
from liv_model.reward import NANOSECONDS
from liv_model.score import Curve, score
from liv_model.thumbnails import evenly, thumbnail
from liv_model.timings import percentiles
from liv_ros.demo_graph import CAMERA, IMAGES, NAMESPACE, LiveRun
from liv_ros.messages import stamp_ns


def report(output: Path, media: Media, run: LiveRun, goal: str, bundle: Bundle) -> dict:
    """Write ``reward.png`` and ``summary.json`` beside the bag, and return the summary."""
    bag = output / "bag"
    active, times, embeddings = _read(bag)
    opposite = opposite_of(bundle, active)
    vectors = {goal: np.asarray(active.embedding)}
    if opposite:
        encoder = open_encoder(bundle, run.backend, precision=run.precision)  # the very engine that ran
        vectors[opposite] = encoder.encode_texts([opposite])[0]
        encoder.close()
    curves = score({name: (vector, Calibration()) for name, vector in vectors.items()}, times, embeddings)
    frame_count, pictures = _pictures(bag, int(times[0]))
    draw_curves(curves, pictures, output / "reward.png", title=f"How far has the robot come?  Goal: “{goal}”")
    summary = {
        "goal": goal,
        "opposite": opposite,
        "frames": frame_count,
        "frames_dropped": frame_count - len(run.rewards),
        "voc": _voc(curves[0]),
        "voc_opposite": _voc(curves[1]) if opposite else None,
        "latency_ms": percentiles((reward.latency_ms for reward in run.rewards), 50, 95, 99),
        "encode_ms": run.encode_ms,
        "backend": run.backend,
        "precision": run.precision,
        "model": bundle.identity,
        "message": active.message,
        "video": media.path.name,
    }
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def opposite_of(bundle: Bundle, active) -> str | None:
    """The instruction that undoes the active goal, where the goal is familiar and its instruction has one."""
    if active.message or not active.nearest:
        return None
    return next(known.opposite for known in bundle.instructions if known.text == active.nearest[0])


def _read(bag: Path) -> tuple[object, np.ndarray, np.ndarray]:
    """The ActiveGoal, and of the embeddings their stamps in ns int64 (T,) and themselves float32 (T, D)."""
    goal_topic, embedding_topic = f"{NAMESPACE}/active_goal", f"{NAMESPACE}/{CAMERA}/embedding"
    messages = [(topic, message) for topic, _, message in read_messages(bag, [goal_topic, embedding_topic])]
    goals = [message for topic, message in messages if topic == goal_topic]
    embeddings = [message for topic, message in messages if topic == embedding_topic]
    if not goals or not embeddings:
        raise MediaError(
            str(bag), expected="a goal and embeddings", got="a bag without", remedy="see the logs beside it"
        )
    times = np.asarray([stamp_ns(message.header) for message in embeddings], np.int64)
    return goals[-1], times, np.stack([message.data for message in embeddings])


def _pictures(bag: Path, first_ns: int) -> tuple[int, tuple[tuple[float, np.ndarray], ...]]:
    """How many frames were played, and some of them with their times in seconds since the first."""
    frames = [message for _, _, message in read_messages(bag, [IMAGES])]
    chosen = evenly(frames)
    pictures = [((stamp_ns(f.header) - first_ns) / NANOSECONDS, thumbnail(compressed_to_rgb(f))) for f in chosen]
    return len(frames), tuple(pictures)


def _voc(curve: Curve) -> float:
    return round(float(voc(curve.value)), 4)
