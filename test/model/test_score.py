# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liv_model.calibration import Calibration
from liv_model.errors import MediaError
from liv_model.image import Preprocessing
from liv_model.media import Frame
from liv_model.reward import RewardStream
from liv_model.score import encode_frames, score

SCALES = (
    Calibration(),
    Calibration(0.1, 0.6),
    Calibration(goal=0.7),
    Calibration(0.3, 0.3),
    Calibration(start=0.2),
)
# seconds since the stamp before: forward, equal, a little back, a bag's loop
STEPS = st.lists(st.sampled_from([0.1, 0.2, 0.0, -0.1, -0.45, -0.5, -0.7, -30.0]), min_size=1, max_size=60)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(STEPS, st.integers(0, 2**31))
def test_a_recording_scores_as_its_stream_does(steps, seed):
    random = np.random.default_rng(seed)
    time_ns = (np.cumsum(steps) * 1e9).round().astype(np.int64)
    embeddings, goals = unit(random.normal(size=(len(steps), 8))), unit(random.normal(size=(len(SCALES), 8)))
    named = {f"goal {i}": (goal, scale) for i, (goal, scale) in enumerate(zip(goals, SCALES, strict=True))}
    curves = score(named, time_ns, embeddings)
    assert [curve.goal for curve in curves] == list(named)
    for curve, (goal, scale) in zip(curves, named.values(), strict=True):
        stream = RewardStream(goal, scale)
        samples = [stream.update(row, int(stamp)) for row, stamp in zip(embeddings, time_ns, strict=True)]
        kept = [index for index, sample in enumerate(samples) if sample is not None]
        assert curve.frame.tolist() == kept
        np.testing.assert_array_equal(curve.time_s, (time_ns[kept] - time_ns[0]) / 1e9)
        for name in ("value", "reward", "progress"):
            expected = [getattr(samples[index], name) for index in kept]
            np.testing.assert_allclose(getattr(curve, name), expected, rtol=0, atol=1e-9)


def test_rewards_telescope_in_every_episode():
    embeddings = unit(np.random.default_rng(0).normal(size=(9, 4)))
    stamps = np.array([5, 6, 7, 8, 1, 2, 3, 4, 5]) * 10**9
    [curve] = score({"goal": (embeddings[0], Calibration())}, stamps, embeddings)
    for episode in (slice(0, 4), slice(4, 9)):
        value, reward = curve.value[episode], curve.reward[episode]
        assert reward[0] == 0
        np.testing.assert_allclose(np.cumsum(reward), value - value[0], atol=1e-12)


class CountingEncoder:
    """A double: the embedding of a picture is its first pixel's red."""

    model, backend, device = "test@0", "test", "CPU"

    def encode_images(self, rgb):
        return rgb[:, 0, 0, :1].astype(np.float32)


def frames(count, error_at=None):
    for number in range(count):
        if number == error_at:
            raise MediaError("a.mp4: frame 5")
        yield Frame(number * 10**8, np.full((20, 24, 3), number, np.uint8))


def test_every_frame_is_encoded_once_and_in_order():
    done = []
    recording = encode_frames(frames(30), CountingEncoder(), Preprocessing(16), done.append)
    np.testing.assert_array_equal(recording.embeddings[:, 0], np.arange(30))
    np.testing.assert_array_equal(recording.time_ns, np.arange(30) * 10**8)
    assert recording.encode_ms.shape == (30,) and sum(done) == 30
    assert math.isclose(recording.thumbnails[-1][0], 2.9)


def test_a_broken_frame_stops_it():
    done = []
    with pytest.raises(MediaError, match="frame 5"):
        encode_frames(frames(30, error_at=5), CountingEncoder(), Preprocessing(16), done.append)
    assert sum(done) == 5
