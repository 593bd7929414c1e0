# SPDX-License-Identifier: Apache-2.0
import threading

import numpy as np
import pytest

from liv_model.errors import ImageError
from liv_model.worker import EncoderWorker, PendingFrame


class GatedEncoder:
    """A double of a slow device: encodes only when let; the embedding is the first pixel of the frame."""

    model, backend, device, precision, gate = "double@0", "double", "none", "fp32", None

    def __init__(self):
        self.entered, self.let_go, self.batches = threading.Semaphore(0), threading.Semaphore(0), []

    def encode_images(self, rgb):
        self.batches.append(len(rgb))
        self.entered.release()
        assert self.let_go.acquire(timeout=10)
        return rgb[:, 0, 0, :1].astype(np.float32)

    def encode_texts(self, texts):
        raise NotImplementedError

    def close(self):
        pass


@pytest.fixture
def setup():
    encoder, out, refused = GatedEncoder(), [], []
    worker = EncoderWorker(
        encoder,
        lambda camera, meta, sequence, embedding: out.append((camera, meta, sequence, int(embedding[0]))),
        lambda camera, error: refused.append((camera, str(error))),
    )
    yield encoder, worker, out, refused
    encoder.let_go.release(100)
    worker.close()


def frame(number: int) -> PendingFrame:
    return PendingFrame(lambda: np.full((4, 4, 3), number, np.uint8), f"frame {number}")


def bad() -> np.ndarray:
    raise ImageError("image", expected="a picture", got="noise")


def worse() -> np.ndarray:
    raise MemoryError("a frame too large")


def done(worker) -> None:
    worker.submit(lambda: None).result(10)


def test_latest_frame_wins_and_replaced_frames_are_counted(setup):
    encoder, worker, out, _ = setup
    worker.offer("a", frame(1))
    assert encoder.entered.acquire(timeout=10)  # 1 is on the device
    for number in (2, 3, 4):
        worker.offer("a", frame(number))
    encoder.let_go.release(2)
    done(worker)
    assert out == [("a", "frame 1", 0, 1), ("a", "frame 4", 1, 4)]
    counts = worker.counts["a"]
    assert (counts.received, counts.encoded, counts.replaced, counts.refused) == (4, 2, 2, 0)


def test_pending_cameras_are_one_batch(setup):
    encoder, worker, out, _ = setup
    worker.offer("a", frame(1))
    assert encoder.entered.acquire(timeout=10)
    for camera in ("a", "b", "c"):
        worker.offer(camera, frame(7))
    encoder.let_go.release(2)
    done(worker)
    assert encoder.batches == [1, 3]
    assert [(camera, sequence) for camera, _, sequence, _ in out] == [("a", 0), ("a", 1), ("b", 0), ("c", 0)]


def test_a_job_can_ask_for_the_first_frame_that_is_still_to_come(setup):
    encoder, worker, out, _ = setup
    taken_up, ask = threading.Event(), threading.Event()

    def job():
        taken_up.set()
        assert ask.wait(10)
        return worker.first_sequence()

    worker.offer("a", frame(1))
    assert encoder.entered.acquire(timeout=10)  # 1 is on the device, 2 waits: both came before the job
    worker.offer("a", frame(2))
    answer = worker.submit(job)
    encoder.let_go.release(2)
    assert taken_up.wait(10)
    worker.offer("b", frame(9))  # comes while the job is under way, and before it asks
    ask.set()
    assert answer.result(10) == {"a": 2, "b": 1}
    encoder.let_go.release(2)
    done(worker)
    worker.offer("a", frame(3))
    done(worker)
    assert out[-1] == ("a", "frame 3", 2, 3)


def test_bad_frames_use_up_no_sequence_and_stop_nothing(setup):
    encoder, worker, out, refused = setup
    encoder.let_go.release(10)
    worker.offer("a", PendingFrame(bad, "bad"))
    done(worker)
    worker.offer("a", PendingFrame(worse, "worse"))
    done(worker)
    worker.offer("a", frame(5))
    done(worker)
    assert refused[0] == ("a", "image: expected a picture, got noise")
    assert "a frame too large" in refused[1][1]
    assert out == [("a", "frame 5", 0, 5)]


def test_a_failing_device_is_reported_and_the_worker_goes_on(setup):
    encoder, worker, out, refused = setup
    encoder.let_go.release(10)
    works = encoder.encode_images
    encoder.encode_images = lambda rgb: 1 / 0
    worker.offer("a", frame(1))
    done(worker)
    encoder.encode_images = works
    worker.offer("a", frame(2))
    done(worker)
    assert "division by zero" in refused[0][1]
    assert [number for *_, number in out] == [2]


def test_errors_of_a_job_reach_its_caller(setup):
    _, worker, _, _ = setup
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 / 0).result(10)


def test_close_cancels_waiting_jobs(setup):
    _, worker, _, _ = setup
    worker.close()
    assert worker.submit(lambda: None).cancelled()
