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
from liv_model.encoder import BACKENDS, open_encoder
from liv_model.errors import LivError
from liv_model.folders import shipped
from liv_model.goal import GoalResolver
from liv_model.image import to_square
from liv_model.score import percentiles
from liv_model.worker import EncoderWorker, PendingFrame
from liv_ros.camera_input import CameraInput
from liv_ros.diagnostics import OK, WARN, Diagnostics
from liv_ros.goal_input import GoalInput
from liv_ros.image_conversion import to_rgb
from liv_ros.messages import STREAM_QOS, embedding_message
from liv_ros.msg import Embedding
from liv_ros.parameters import camera_names, parameter
from liv_ros.run import run_node


class EncoderNode(Node):
    """Encodes the latest frame of every camera, and goals, on one thread that owns the device."""

    def __init__(self) -> None:
        super().__init__("encoder_node")
        folder = parameter(self, "bundle", "", "model bundle, a folder; empty = the shipped models/metaworld")
        backend = parameter(self, "backend", "auto", "what runs the model", choices=BACKENDS)
        device = parameter(self, "device", "auto", "the backend's name of a device, or auto")
        threads = parameter(self, "threads", 0, "CPU threads of the backend; 0 = it decides", least=0, most=256)
        self._bundle = Bundle.load(folder or shipped("models/metaworld"))
        self._encoder = open_encoder(self._bundle, backend, device, threads)
        self._encoder.encode_images(np.zeros((1, self._bundle.image.size, self._bundle.image.size, 3), np.uint8))
        self._activation = uuid.uuid4().hex[:12]
        self._worker = EncoderWorker(self._encoder, self._on_embedding, self._on_refused)
        resolver = GoalResolver(self._bundle, self._encoder)
        self._goals = GoalInput(self, resolver, self._bundle.identity, self._activation, self._worker.submit)
        names = camera_names(self)
        self._embeddings = {name: self.create_publisher(Embedding, f"{name}/embedding", STREAM_QOS) for name in names}
        self._last_refusal = ""
        self._goals.restore()
        self._cameras = [CameraInput(self, name, self._on_image) for name in names]
        self._diagnostics = Diagnostics(self, self._health)
        self.get_logger().info(
            f"{self._bundle.identity} on {self._encoder.backend} {self._encoder.device}, "
            f"cameras: {', '.join(camera.topic for camera in self._cameras)}"
        )

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
            "activation": self._activation,
            "goal": (goal.text or "an image") if goal else "none",
            "goals refused": self._goals.refused,
            "last goal refused": self._goals.last_refusal,
        }
        timings = percentiles(np.asarray(self._worker.encode_ms), 50, 99)
        values.update({f"encode {name} (ms)": value for name, value in timings.items()})
        for camera in self._cameras:
            values.update(self._camera_health(camera))
        values["last frame refused"] = self._last_refusal
        refused = self._goals.refused or self._last_refusal
        lost = any(camera.lost_in_transport for camera in self._cameras)
        if refused or lost:
            return WARN, "input refused" if refused else "frames lost on the way here", values
        return OK, "encoding", values

    def _camera_health(self, camera: CameraInput) -> dict[str, object]:
        counts = self._worker.counts.get(camera.name)
        named = vars(counts) if counts else {"received": 0}
        rows = {f"{camera.name}: frames {what}": number for what, number in named.items()}
        return {**rows, f"{camera.name}: frames lost in transport": camera.lost_in_transport}

    def destroy_node(self) -> None:
        """End the worker before the publishers it uses."""
        self._worker.close()
        self._encoder.close()
        super().destroy_node()


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(EncoderNode, argv)


if __name__ == "__main__":
    sys.exit(main())
