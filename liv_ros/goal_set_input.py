# SPDX-License-Identifier: Apache-2.0
"""The goal set: instructions that are scored side by side with every embedding, so that one sees which task is done."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from liv_model.encoder import Encoder
from liv_model.errors import ConfigError, GoalError, LivError
from liv_model.tokenizer import clean_text
from liv_model.value import values
from liv_ros.messages import LATCHED_QOS, STREAM_QOS
from liv_ros.msg import GoalScores, GoalSet
from liv_ros.parameters import parameter

MOST_TEXTS = 256  # they are encoded in one go, and frames wait meanwhile


class GoalSetInput:
    """Takes goal sets up on the device's thread, tells the accepted one, and scores embeddings against it.

    A set with a text that is refused is refused whole, with the reason; the one before stays.

    Args:
        node: the encoder; gets the parameter ``goal_set``, the topics ``goal_set`` and ``active_goal_set``, and
            ``<camera>/goal_scores`` of every camera.
        cameras: their names.
        on_change: called on the executor's thread when a set waits for :meth:`encode`. Not called for the set that
            the parameter gives: encode once when there is an encoder.

    Attributes:
        texts: the set that is scored.
        refused: how many sets were refused.
        last_refusal: why the last one was, or "".

    Raises:
        ConfigError: the parameter holds a text that cannot be a goal, or too many.
    """

    def __init__(self, node: Node, cameras: Sequence[str], on_change: Callable[[], None]):
        self._node = node
        self._on_change = on_change
        self._asking = threading.Lock()
        self.texts: tuple[str, ...] = ()
        self.refused, self.last_refusal = 0, ""
        self._model = ""
        self._embeddings = np.zeros((0, 0), np.float32)  # (texts, D)
        self._told: tuple[str, ...] | None = None
        given = parameter(node, "goal_set", [""], "instructions to score with every embedding; [''] = none")
        try:
            self._asked: tuple[str, ...] | None = _checked(() if list(given) == [""] else given)
        except GoalError as error:
            raise ConfigError(f"parameter goal_set: {error}") from error
        self._accepted = node.create_publisher(GoalSet, "active_goal_set", LATCHED_QOS)
        self._scores = {name: node.create_publisher(GoalScores, f"{name}/goal_scores", STREAM_QOS) for name in cameras}
        node.create_subscription(GoalSet, "goal_set", self._on_goal_set, 10)

    def encode(self, encoder: Encoder) -> None:
        """Take up the set that waits, or encode the present one anew for another model; on the device's thread.

        Raises nothing: what the model refuses is logged. A present set that a new model cannot read is dropped.
        """
        with self._asking:
            asked, self._asked = self._asked, None
        for texts in (asked, self.texts, ()):
            if texts is not None and self._take_up(texts, encoder):
                break

    def score(self, camera: str, header: Header, model: str, embedding: np.ndarray) -> None:
        """Publish the values of one embedding for every text of the set, if there is one; on the device's thread.

        Args:
            camera: one of the names given at the start.
            header: of the picture.
            model: identity of the model that made the embedding; of another model than the set's, nothing is told.
            embedding: float32 (D,), unit norm.
        """
        if not self.texts or model != self._model:
            return
        scores = array("d", values(embedding[None], self._embeddings)[0].tobytes())
        message = GoalScores(header=header, camera=camera, model=model, texts=self.texts, values=scores)
        self._scores[camera].publish(message)

    def _on_goal_set(self, message: GoalSet) -> None:
        try:
            asked = _checked(message.texts)
        except GoalError as error:
            self._refuse(error)
            return
        with self._asking:
            self._asked = asked
        self._on_change()

    def _take_up(self, texts: tuple[str, ...], encoder: Encoder) -> bool:
        """Make a set the present one; False if it was refused."""
        try:
            embeddings = encoder.encode_texts(list(texts)) if texts else np.zeros((0, 0), np.float32)
        except Exception as error:  # also what a device may raise: the thread it is raised on must go on
            self._refuse(error)
            return False
        self.texts, self._embeddings, self._model = texts, embeddings, encoder.model
        if texts != self._told:
            self._told = texts
            self._accepted.publish(GoalSet(texts=texts))
            self._node.get_logger().info(f"goal set: {', '.join(map(repr, texts)) or 'none'}")
        return True

    def _refuse(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, LivError) else repr(error)
        with self._asking:
            self.refused += 1
            self.last_refusal = reason
        self._node.get_logger().error(f"goal set refused: {reason}", throttle_duration_sec=1.0)


def _checked(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts, if they can be goals as far as one can see without a model; else GoalError."""
    if len(texts) > MOST_TEXTS:
        raise GoalError("goal set", expected=f"at most {MOST_TEXTS} texts", got=len(texts))
    for text in texts:
        clean_text(text)
    return tuple(texts)
