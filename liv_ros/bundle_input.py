# SPDX-License-Identifier: Apache-2.0
"""How another model comes into use: loaded and judged in the background, taken between two frames."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from liv_model.bundle_choice import BundleChoice
from liv_model.errors import BackendError, LivError
from liv_model.loaded_model import LoadedModel
from liv_ros.awaitable import awaitable
from liv_ros.goal_input import Serving
from liv_ros.srv import LoadBundle


class BundleInput:
    """The service ``load_bundle``: one bundle after the other, while the model in use goes on.

    Args:
        node: the encoder.
        serving: the encoder, too.
        load: makes a bundle's folder into a model that is ready; called on a thread of its own.
        use: takes a model into use, or closes it; its future is done then.
        choice: where the bundle that came into use is kept.
    """

    def __init__(
        self,
        node: Node,
        serving: Serving,
        load: Callable[[str], LoadedModel],
        use: Callable[[LoadedModel], Future],
        choice: BundleChoice,
    ):
        self._node, self._serving, self._load, self._use, self._choice = node, serving, load, use, choice
        self._loading = ThreadPoolExecutor(1, "liv_loader")
        node.create_service(LoadBundle, "load_bundle", self._on_load, callback_group=ReentrantCallbackGroup())

    def load_first(self, given: str) -> Future:
        """Load the bundle to begin with, in the background: the last one of this launch, else the one given.

        The future gives the model.
        """
        return self._loading.submit(self._load_first, given)

    def _load_first(self, given: str) -> LoadedModel:
        chosen = self._choice.load()
        if chosen is None:
            return self._load(given)
        try:
            return self._load(chosen)
        except LivError as error:
            self._node.get_logger().warning(f"{error}; going on with {given or 'the shipped bundle'}")
            return self._load(given)

    async def _on_load(self, request: LoadBundle.Request, response: LoadBundle.Response) -> LoadBundle.Response:
        log = self._node.get_logger()
        log.info(f"loading {request.path or 'the shipped bundle'}")
        try:
            model = await awaitable(self._loading.submit(self._load, request.path), self._node)
            await awaitable(self._use(model), self._node)
            response.success = True
            self._loading.submit(self._settle, str(model.bundle.path))
        except Exception as error:  # whatever a bundle or a device does, the model before goes on
            response.message = str(error if isinstance(error, LivError) else BackendError(f"bundle: {error!r}"))
            log.error(f"{request.path} is not taken into use: {response.message}")
        response.model = self._serving.model.identity if self._serving.model else ""
        return response

    def _settle(self, folder: str) -> None:
        gc.collect()  # a model that was closed is a cycle: its memory would wait for the collector, half a MB a swap
        try:
            self._choice.save(folder)
        except OSError as error:
            self._node.get_logger().warning(f"a respawned encoder will begin with the bundle before: {error}")

    def finish(self) -> None:
        """Wait for what is being loaded; nothing more is."""
        self._loading.shutdown(cancel_futures=True)
