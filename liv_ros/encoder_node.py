# SPDX-License-Identifier: Apache-2.0
"""encoder_node: cameras and goals in, embeddings and the active goal out. The only node that holds a model."""

from __future__ import annotations

import sys
import uuid
from concurrent.futures import Future, wait

import numpy as np
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header

from liv_model.bundle import Bundle
from liv_model.bundle_choice import BundleChoice
from liv_model.encoder import BACKENDS, PRECISIONS, open_encoder
from liv_model.errors import BackendError, LivError
from liv_model.goal_store import GoalStore
from liv_model.loaded_model import LoadedModel, warm
from liv_model.worker import EncoderWorker, PendingFrame
from liv_ros.build_report import BuildReport
from liv_ros.bundle_input import BundleInput
from liv_ros.camera_input import CameraInput, CameraMessage
from liv_ros.diagnostics import PERIOD_S, Diagnostics
from liv_ros.encoder_health import EncoderHealth
from liv_ros.goal_input import GoalInput
from liv_ros.goal_set_input import GoalSetInput
from liv_ros.lifecycle import ManagedNode
from liv_ros.messages import STREAM_QOS, embedding_message, stamp_ns
from liv_ros.msg import Embedding
from liv_ros.parameters import camera_names, parameter
from liv_ros.python_log import PythonLog
from liv_ros.run import run_node
from liv_ros.state_file import state_file


class EncoderNode(ManagedNode):
    """Encodes the latest frame of every camera, and goals, on one thread that owns the device.

    *configure* loads the model, has its engine pass the gate and warms it; *activate* subscribes and takes up the goal,
    under a new activation; *deactivate* subscribes no longer; *cleanup* releases the device.

    Attributes:
        cameras: by name.
        worker: the thread that owns the device; None unless configured.
        model: in use; None unless configured. Changes on the device's thread.
        activation: names one activation, in every embedding.
        report: how far the build of an engine is.
        is_open: whether it is active.
    """

    def __init__(self) -> None:
        super().__init__("encoder_node")
        self.worker: EncoderWorker | None = None
        self.model: LoadedModel | None = None
        self.activation = ""
        self.is_open = False
        self._declare()
        names = camera_names(self)
        self.cameras = {name: CameraInput(self, name, self._on_image) for name in names}
        self._embeddings = {name: self.create_publisher(Embedding, f"{name}/embedding", STREAM_QOS) for name in names}
        store = GoalStore(state_file(self, self._state_folder, "goal"))
        self.goals = GoalInput(self, self, self.cameras, store, self._session)
        self.goal_set = GoalSetInput(self, names, self._on_goal_set)
        self._python_log = PythonLog(self)
        self.report = BuildReport(self)
        choice = BundleChoice(state_file(self, self._state_folder, "bundle"), self._session)
        self._bundles = BundleInput(self, self, self._load, self._use, choice)
        self._health = EncoderHealth(self)
        self._diagnostics = Diagnostics(self, self._health.collect)
        if parameter(self, "autostart", True, "whether it configures and activates itself; else something else does"):
            self.start()

    def _declare(self) -> None:
        self._folder = parameter(self, "bundle", "", "model bundle, a folder; empty = the shipped models/metaworld")
        self._backend = parameter(self, "backend", "auto", "what runs the model", choices=BACKENDS)
        self._device = parameter(self, "device", "auto", "the backend's name of a device, or auto")
        self._threads = parameter(self, "threads", 0, "CPU threads of the backend; 0 = it decides", least=0, most=256)
        self._precision = parameter(self, "precision", "auto", "of the engine that runs the model", choices=PRECISIONS)
        self._max_batch = parameter(
            self, "max_batch", 4, "pictures per call that an engine is built for (TensorRT)", least=1, most=64
        )
        self._session = parameter(
            self, "session", "", "names one launch: a respawn within it keeps the last goal and the last bundle"
        )
        self._state_folder = parameter(
            self, "state_folder", "", "where the last goal and bundle are kept; empty = ~/.local/state/liv_ros"
        )

    # --- transitions ---

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model. Minutes, where an engine is built: /diagnostics tells meanwhile how far it is."""
        return self.transition(self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe, cameras before goals, and take up the goal under a new activation."""
        return self.transition(self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe no longer; the model stays on the device."""
        return self.transition(self._deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the device."""
        return self.transition(self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release all."""
        self._deactivate()
        return self.transition(self._release)

    def _configure(self) -> None:
        loading = self._bundles.load_first(self._folder)
        while not wait([loading], timeout=PERIOD_S).done:
            self._diagnostics.publish()
        self.model = loading.result()
        self.worker = EncoderWorker(self.model.encoder, self._on_embedding, self._on_refused)
        encoder = self.model.encoder
        self.get_logger().info(
            f"{self.model.identity} on {encoder.backend} {encoder.device} {encoder.precision}, "
            f"cameras: {', '.join(camera.topic for camera in self.cameras.values())}"
        )

    def _activate(self) -> None:
        self.worker.submit(self._begin_anew).result()
        # Of what waits at the same time the executor hands on first what was subscribed first: frames that came before
        # a goal do not count for it.
        for camera in self.cameras.values():
            camera.open()
        self.goals.open()
        self.is_open = True

    def _deactivate(self) -> None:
        self.is_open = False
        for camera in self.cameras.values():
            camera.close()
        self.goals.close()

    def _release(self) -> None:
        if self.worker is not None:
            self.worker.close()
            self.model.close()
        self.worker = self.model = None

    # --- the model ---

    def _load(self, folder: str) -> LoadedModel:
        bundle = Bundle.load(folder)
        wish = (self._backend, self._device, self._threads, self._precision)
        encoder = open_encoder(bundle, *wish, max_batch=self._max_batch, report=self.report)
        return warm(bundle, encoder, len(self.cameras))

    def _use(self, model: LoadedModel) -> Future:
        """Take another model into use between two frames, and the goal with it; the model is closed if it cannot."""

        def swap() -> None:
            try:
                resolved = self.goals.resolve_by(model)
            except BaseException:
                model.close()
                raise
            before, self.model = self.model, model
            self._begin_anew()
            self.goals.publish_again(resolved)
            before.close()
            self.get_logger().info(f"{model.identity} is in use, {before.identity} no longer")

        if self.worker is None:
            model.close()
            raise BackendError("load_bundle", expected="an encoder_node that is configured", got="one that is not")
        return self.worker.submit(swap)

    def _begin_anew(self) -> None:
        """Begin an activation; on the device's thread."""
        self.activation = uuid.uuid4().hex[:12]
        self.worker.begin_anew(self.model.encoder)
        self.goal_set.encode(self.model.encoder)

    def _on_goal_set(self) -> None:
        if self.worker is not None:  # else it waits until there is a model
            self.worker.submit(lambda: self.goal_set.encode(self.model.encoder))

    # --- frames ---

    def _on_image(self, camera: CameraInput, message: CameraMessage) -> None:
        """Hand a frame to the worker; what it costs to read it is spent there, and only if it is not replaced."""
        frame = PendingFrame(lambda: camera.square(message, self.model.bundle.image), message.header)
        self.worker.offer(camera.name, frame)

    def _on_embedding(self, camera: str, header: Header, sequence: int, embedding: np.ndarray) -> None:
        message = embedding_message(header, camera, self.model.identity, self.activation, sequence, embedding)
        self._embeddings[camera].publish(message)
        self._health.encoded(camera, stamp_ns(header))
        self.goal_set.score(camera, header, self.model.identity, embedding)

    def _on_refused(self, camera: str, error: LivError) -> None:
        self._health.last_refusal = f"{camera}: {error}"
        self.get_logger().error(f"frame refused: {self._health.last_refusal}", throttle_duration_sec=1.0)

    def destroy_node(self) -> None:
        """End the worker before the publishers it uses."""
        self._deactivate()
        self._bundles.finish()
        self._release()
        self.goals.finish()
        self._python_log.close()
        super().destroy_node()


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(EncoderNode, argv)


if __name__ == "__main__":
    sys.exit(main())
