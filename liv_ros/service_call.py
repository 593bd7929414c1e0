# SPDX-License-Identifier: Apache-2.0
"""A service called from another thread than the executor's, which waits for the answer."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.client import Client

from liv_web.source import UnavailableError

ANSWER_WITHIN_S = 15.0


def call(client: Client, request: Any, *, who: str, within_s: float = ANSWER_WITHIN_S) -> Any:
    """Call a service and return its response.

    Args:
        client: whose node an executor spins, on another thread.
        request: of the service's type.
        who: answers it, such as ``encoder_node``.
        within_s: for the answer.

    Raises:
        UnavailableError: nobody offers it, or nobody answers in time.
    """
    if not client.service_is_ready():
        remedy = f"is {who} running, in this namespace?"
        raise UnavailableError(client.srv_name, expected=f"a running {who}", got="none", remedy=remedy)
    answered = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: answered.set())
    if not answered.wait(within_s):
        client.remove_pending_request(future)
        expected = f"an answer of {who} within {within_s:g} s"
        raise UnavailableError(client.srv_name, expected=expected, got="none", remedy="see /diagnostics")
    return future.result()
