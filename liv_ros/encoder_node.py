# SPDX-License-Identifier: Apache-2.0
"""encoder_node: cameras and goals in, embeddings and the active goal out. The only node that holds a model."""

from __future__ import annotations

import sys
import uuid

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from liv_model.bundle import Bundle
from liv_model.encoder import BACKENDS, PRECISIONS, Encoder, open_encoder
from liv_model.errors import LivError
from liv_model.goal import GoalResolver
from liv_model.image import to_square
from liv_model.timings import percentiles
from liv_model.worker import CameraCounts, EncoderWorker, PendingFrame
from liv_ros.build_report import BuildReport
from liv_ros.camera_input import CameraInput
from liv_ros.diagnostics import OK, WARN, Diagnostics
from liv_ros.goal_input import GoalInput
from liv_ros.image_conversion import to_rgb
from liv_ros.messages import STREAM_QOS, embedding_message
from liv_ros.msg import Embedding
from liv_ros.parameters import camera_names, parameter
from liv_ros.python_log import PythonLog
from liv_ros.run import run_node


class EncoderNode(Node):
    """Encodes the latest frame of every camera, and goals, on one thread that owns the device."""

    def __init__(self) -> None:
        super().__init__("encoder_node")
        folder = parameter(self, "bundle", "", "model bundle, a folder; empty = the shipped models/metaworld")
        backend = parameter(self, "backend", "auto", "what runs the model", choices=BACKENDS)
        device = parameter(self, "device", "auto", "the backend's name of a device, or auto")
        threads = parameter(self, "threads", 0, "CPU threads of the backend; 0 = it decides", least=0, most=256)
        precision = parameter(self, "precision", "auto", "of the engine that runs the model", choices=PRECISIONS)
        max_batch = parameter(
            self, "max_batch", 4, "pictures per call that an engine is built for (TensorRT)", least=1, most=64
        )
        names = camera_names(self)
        # Cameras before goals: of what waits at the same time, the executor hands on the frames first, so that they
        # do not count for the goal.
        self._cameras = [CameraInput(self, name, self._on_image) for name in names]
        self._embeddings = {name: self.create_publisher(Embedding, f"{name}/embedding", STREAM_QOS) for name in names}
        self._bundle = Bundle.load(folder)
        self._python_log = PythonLog(self)
        self._encoder = open_encoder(
            self._bundle, backend, device, threads, precision, max_batch=max_batch, report=BuildReport(self)
        )
        self._warm_up({1, len(names)})
        self._activation = uuid.uuid4().hex[:12]
        self._last_refusal = ""
        self._reported: dict[str, int] = {}
        self._worker = EncoderWorker(self._encoder, self._on_embedding, self._on_refused)
        try:
            resolver = GoalResolver(self._bundle, self._encoder)
            self._goals = GoalInput(self, resolver, self._bundle.identity, self._activation, self._worker)
            self._goals.restore()
        except BaseException:
            self._worker.close()  # a thread left running would abort the process at its end
            raise
        self._diagnostics = Diagnostics(self, self._health)
        self.get_logger().info(
            f"{self._bundle.identity} on {self._encoder.backend} {self._encoder.device} {self._encoder.precision}, "
            f"cameras: {', '.join(camera.topic for camera in self._cameras)}"
        )

    def _warm_up(self, batches: set[int]) -> None:
        """Do once what every frame will need: first calls import, compile and allocate."""
        square = to_square(np.zeros((480, 640, 3), np.uint8), self._bundle.image)
        for batch in batches:
            self._encoder.encode_images(np.stack([square] * batch))

    def _on_image(self, camera: str, message: Image | CompressedImage) -> None:
        """Hand a frame to the worker; what it costs to read it is spent there, and only if it is not replaced."""
        frame = PendingFrame(lambda: to_square(to_rgb(message), self._bundle.image), message.header)
        self._worker.offer(camera, frame)

    def _on_embedding(self, camera: str, header: Header, sequence: int, embedding: np.ndarray) -> None:
        self._embeddings[camera].publish(
            embedding_message(header, camera, self._bundle.identity, self._activation, sequence, embedding)
        )

    def _on_refused(self, camera: str, error: LivError) -> None:
        self._last_refusal = f"{camera}: {error}"
        self.get_logger().error(f"frame refused: {self._last_refusal}", throttle_duration_sec=1.0)

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        goal = self._goals.active.goal if self._goals.active else None
        values: dict[str, object] = {
            "model": self._bundle.identity,
            "backend": self._encoder.backend,
            "device": self._encoder.device,
            "precision": self._encoder.precision,
            **_gate(self._encoder),
            "activation": self._activation,
            "goal": (goal.text or "an image") if goal else "none",
            "last goal refused": self._goals.last_refusal,
            "last frame refused": self._last_refusal,
        }
        timings = percentiles(list(self._worker.encode_ms), 50, 99)
        values.update({f"encode {name} (ms)": value for name, value in timings.items()})
        counts = self._counts()
        problems = self._problems(counts)
        self._reported = counts
        return (WARN if problems else OK), "; ".join(problems) or "encoding", {**values, **counts}

    def _counts(self) -> dict[str, int]:
        counts = {"goals refused": self._goals.refused}
        for camera in self._cameras:
            frames = vars(self._worker.counts.get(camera.name, CameraCounts()))
            counts.update({f"{camera.name}: frames {what}": number for what, number in frames.items()})
            counts[f"{camera.name}: frames lost in transport"] = camera.lost_in_transport
        return counts

    def _problems(self, counts: dict[str, int]) -> list[str]:
        """What went wrong since the last report."""
        rise = {name: number - self._reported.get(name, 0) for name, number in counts.items()}
        problems = ["goal refused"] if rise["goals refused"] else []
        for camera in self._cameras:
            if not rise[f"{camera.name}: frames received"]:
                problems.append(f"{camera.name}: no frames on {camera.topic}")
            if rise[f"{camera.name}: frames refused"]:
                problems.append(f"{camera.name}: frames refused")
            if rise[f"{camera.name}: frames lost in transport"]:
                problems.append(f"{camera.name}: frames lost on the way here")
        return problems

    def destroy_node(self) -> None:
        """End the worker before the publishers it uses."""
        self._worker.close()
        self._goals.close()
        self._encoder.close()
        self._python_log.close()
        super().destroy_node()


def _gate(encoder: Encoder) -> dict[str, object]:
    """What the gate found of the engine."""
    found = encoder.gate
    if found is None:
        return {"gate": "none, this is the network itself"}
    return {
        "gate": f"{'passed' if found.passed else 'refused'}, {found.judged_at} on {found.place.device}",
        "gate: least cosine of images": f"{found.least_image_cosine:.6f}",
        "gate: least cosine of texts": f"{found.least_text_cosine:.6f}",
        "gate: VOC of the clip": "no clip" if found.voc is None else f"{found.voc:.4f}",
        "gate: VOC of the reference": "no clip" if found.voc_reference is None else f"{found.voc_reference:.4f}",
    }


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(EncoderNode, argv)


if __name__ == "__main__":
    sys.exit(main())
