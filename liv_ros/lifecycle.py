# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node whose transitions fail with a reason, and that no request can bring down."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from liv_model.errors import BackendError, LivError


class ManagedNode(LifecycleNode):
    """What rclpy's lifecycle node lacks.

    Attributes:
        failure: why the last transition failed, or None.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self.failure: LivError | None = None
        self._is_starting = False
        self._refuse_impossible_transitions()

    def start(self) -> None:
        """Configure and activate; what stands in the way is raised, and the node destroyed."""
        self._is_starting = True
        try:
            for transition in (self.trigger_configure, self.trigger_activate):
                if transition() != TransitionCallbackReturn.SUCCESS:
                    raise self.failure or BackendError(self.get_name(), expected="to start", got="a failure of rclpy")
        except BaseException:
            self.destroy_node()  # a thread left running would abort the process at its end
            raise
        self._is_starting = False

    def transition(self, change: Callable[[], None]) -> TransitionCallbackReturn:
        """Do what a transition asks for; a failure is kept, and logged unless it is raised by :meth:`start`."""
        self.failure = None
        try:
            change()
        except LivError as error:
            self.failure = error
            if not self._is_starting:
                self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would swallow it
            self.failure = LivError(f"{self.get_name()}: {error!r}")
            self.get_logger().error(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _refuse_impossible_transitions(self) -> None:
        """Answer a transition that the state does not allow with "no": rclpy lets its own error end the executor."""
        service = self._service_change_state
        make_transition = service.callback

        def answer(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            try:
                return make_transition(request, response)
            except Exception as error:  # rclpy's has no public name
                self.get_logger().error(f"transition {request.transition.id} refused: {error}")
                response.success = False
                return response

        service.callback = answer
