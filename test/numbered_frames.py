# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos whose frames tell their number."""

from __future__ import annotations

import cv2
import numpy as np


def numbered(i, height=32, width=40):
    """A picture that tells its number: eight stripes, one for each bit."""
    bits = [255 * (i >> bit & 1) for bit in range(8)]
    rows = np.repeat(np.array(bits, np.uint8), height // 8)
    return np.ascontiguousarray(np.broadcast_to(rows[:, None, None], (height, width, 3)))


def numbers(frames):
    """Which frame each is."""
    return [sum(1 << bit for bit in range(8) if frame[2 * bit : 2 * bit + 2].mean() > 127) for frame in frames]


def write_video(path, count, rate_hz=20.0):
    codec = cv2.VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), codec, rate_hz, (40, 32))
    for i in range(count):
        writer.write(numbered(i))
    writer.release()
    return path


def write_pictures(folder, which, suffix=".jpg", name="{}"):
    folder.mkdir(parents=True, exist_ok=True)
    for i in which:
        cv2.imwrite(str(folder / (name.format(i) + suffix)), numbered(i))
    return folder
