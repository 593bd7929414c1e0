# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the device: frames in, embeddings out, goals between frames. No ROS.

Every camera has a slot for one frame: a newer frame replaces one that still waits (latest wins, nothing queues).
What waits in all slots is encoded as one batch. A job, such as taking up a goal, runs between two batches and can
ask which embedding of each camera will be the first whose frame is still to come.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np

from liv_model.encoder import Encoder
from liv_model.errors import LivError

Meta = TypeVar("Meta")
Job = Callable[[], Any]
_TIMINGS_KEPT = 1000


@dataclass(frozen=True)
class PendingFrame(Generic[Meta]):
    """A frame on its way to the device.

    Attributes:
        square: brings the frame to uint8 (S, S, 3); called on the worker's thread, so that frames which are
            replaced cost nothing; raises if the frame is bad.
        meta: handed through.
    """

    square: Callable[[], np.ndarray]
    meta: Meta


@dataclass
class CameraCounts:
    """What became of the frames of one camera."""

    received: int = 0
    encoded: int = 0
    replaced: int = 0
    refused: int = 0


class EncoderWorker(Generic[Meta]):
    """Runs an encoder on a thread of its own.

    Args:
        encoder: used by this thread alone; not closed. :meth:`begin_anew` takes another one.
        on_embedding: called on the worker's thread as ``(camera, meta, sequence, embedding float32 (D,))``;
            ``sequence`` counts the embeddings of each camera from 0.
        on_refused: called on the worker's thread as ``(camera, error)`` for a bad frame.

    Attributes:
        counts: what became of the frames, by camera.
        encode_ms: wall times of the latest ``encode_images`` calls.
    """

    def __init__(
        self,
        encoder: Encoder,
        on_embedding: Callable[[str, Meta, int, np.ndarray], None],
        on_refused: Callable[[str, LivError], None],
    ):
        self._encoder = encoder
        self._on_embedding = on_embedding
        self._on_refused = on_refused
        self._wake = threading.Condition()
        self._slots: dict[str, PendingFrame[Meta]] = {}
        self._jobs: deque[tuple[Job, Future]] = deque()
        self._next_sequence: dict[str, int] = {}
        self._closed = False
        self.counts: dict[str, CameraCounts] = {}
        self.encode_ms: deque[float] = deque(maxlen=_TIMINGS_KEPT)
        self._thread = threading.Thread(target=self._run, name="liv_encoder", daemon=True)
        self._thread.start()

    def offer(self, camera: str, frame: PendingFrame[Meta]) -> None:
        """Put a frame into its camera's slot, in place of one that still waits there."""
        with self._wake:
            counts = self.counts.setdefault(camera, CameraCounts())
            counts.received += 1
            counts.replaced += camera in self._slots
            self._slots[camera] = frame
            self._wake.notify()

    def submit(self, job: Job) -> Future:
        """Run a job on the device's thread, after the frames that are already here; its result is the future's."""
        future: Future = Future()
        with self._wake:
            if self._closed:
                future.cancel()
            else:
                self._jobs.append((job, future))
                self._wake.notify()
        return future

    def begin_anew(self, encoder: Encoder) -> None:
        """Count embeddings from 0 again, by this encoder from now on. To be called by a job."""
        with self._wake:
            self._encoder = encoder
            self._next_sequence = {}
            self.encode_ms.clear()

    def first_sequence(self) -> dict[str, int]:
        """By camera, the sequence from which on embeddings are surely of frames that come after this call.

        To be called by a job. A camera that is not in it begins at 0.
        """
        with self._wake:
            return {camera: self._next_sequence.get(camera, 0) + (camera in self._slots) for camera in self.counts}

    def close(self) -> None:
        """Finish the batch under way and end the thread; waiting jobs are cancelled."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while (work := self._take()) is not None:
            frames, job = work
            if frames:
                self._encode(frames)
            if job is not None:
                self._do(*job)
        for _, future in self._jobs:
            future.cancel()

    def _take(self) -> tuple[dict[str, PendingFrame[Meta]], tuple[Job, Future] | None] | None:
        """Wait for work and take all frames and one job at the same instant: these frames came before the job."""
        with self._wake:
            self._wake.wait_for(lambda: self._closed or self._slots or self._jobs)
            if self._closed:
                return None
            frames, self._slots = self._slots, {}
            return frames, self._jobs.popleft() if self._jobs else None

    def _encode(self, frames: dict[str, PendingFrame[Meta]]) -> None:
        cameras, squares = [], []
        for camera, frame in frames.items():
            try:
                squares.append(frame.square())
                cameras.append(camera)
            except Exception as error:  # whatever a frame does must not take the thread, and with it the goals, away
                self._refuse(camera, error)
        if not squares:
            return
        begin_s = perf_counter()
        try:
            embeddings = self._encoder.encode_images(np.stack(squares))
        except Exception as error:  # nor a failing device
            for camera in cameras:
                self._refuse(camera, error)
            return
        self.encode_ms.append((perf_counter() - begin_s) * 1e3)
        for camera, embedding in zip(cameras, embeddings, strict=True):
            sequence = self._next_sequence.get(camera, 0)
            self._next_sequence[camera] = sequence + 1
            self.counts[camera].encoded += 1
            self._on_embedding(camera, frames[camera].meta, sequence, embedding)

    def _refuse(self, camera: str, error: Exception) -> None:
        self.counts[camera].refused += 1
        self._on_refused(camera, error if isinstance(error, LivError) else LivError(f"encoding failed: {error!r}"))

    def _do(self, job: Job, future: Future) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(job())
        except Exception as error:  # the caller's, through the future
            future.set_exception(error)
