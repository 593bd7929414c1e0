# SPDX-License-Identifier: Apache-2.0
"""Serves the page: on a port of this machine, in a thread of its own."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

import uvicorn

from liv_model.errors import ConfigError, LivError
from liv_web.access import Access, is_loopback, make_access
from liv_web.app import make_app
from liv_web.event_hub import EventHub
from liv_web.source import Source

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8642
START_WITHIN_S = 10.0
STOP_WITHIN_S = 5.0
_LARGEST_MESSAGE = 1024  # that a page may send on a websocket: it says ok
_LARGEST_HEAD = 32 * 1024


class WebServer:
    """Serves a source until it is stopped.

    Args:
        source: a robot or a recording.
        host: address to listen on.
        port: to listen on; 0 = any that is free.
        token: "" = one is made where others can reach the address.

    Raises:
        ConfigError: the address cannot be listened on, or the token can be guessed.
    """

    def __init__(self, source: Source, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, token: str = ""):
        self._socket = _listen(host, port)
        self._host, self._port = host, self._socket.getsockname()[1]
        try:
            self._access = make_access(host, self._port, token)
        except ValueError as error:
            self._socket.close()
            raise ConfigError("token", expected=str(error), got=f"{len(token)} characters") from error
        self._hub = EventHub()
        self._server = _Server(_config(source, self._access, self._hub))
        self._thread = threading.Thread(target=self._run, name="liv_web", daemon=True)

    @property
    def address(self) -> str:
        """What to open in a browser, with the token where one is asked for."""
        name = self._host
        if name in ("0.0.0.0", "::"):
            name = socket.gethostname()
        elif is_loopback(self._host):
            name = "localhost"
        name = f"[{name}]" if ":" in name else name
        query = f"?token={self._access.token}" if self._access.token else ""
        return f"http://{name}:{self._port}/{query}"

    @property
    def port(self) -> int:
        """That it listens on."""
        return self._port

    @property
    def viewers(self) -> int:
        """Pages that look."""
        return self._hub.viewers

    def start(self) -> None:
        """Serve from now on; LivError if it does not come up."""
        self._thread.start()
        if not self._server.is_up.wait(START_WITHIN_S):
            raise LivError("the page's server", expected=f"up within {START_WITHIN_S:.0f} s", got="not")

    def stop(self) -> None:
        """Close every connection; idempotent."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # whom it cuts off is no error from now on
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN_S)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """Says when it is up. Signals are the business of who started it: this one is never in the main thread."""

    def __init__(self, config: uvicorn.Config):
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


def _config(source: Source, access: Access, hub: EventHub) -> uvicorn.Config:
    options: dict[str, Any] = {
        "log_level": "warning",
        "access_log": False,  # it would have the token in it
        "server_header": False,
        "proxy_headers": False,
        "ws_max_size": _LARGEST_MESSAGE,
        "ws_per_message_deflate": False,  # JPEG does not shrink, and fifty pages would cost a core
        "h11_max_incomplete_event_size": _LARGEST_HEAD,
        "timeout_graceful_shutdown": 1,
        "timeout_keep_alive": 20,
        "limit_concurrency": 400,
    }
    return uvicorn.Config(make_app(source, access, hub), http="h11", ws="websockets-sansio", **options)


def is_free(port: int, host: str = DEFAULT_HOST) -> bool:
    """Whether a port can be listened on."""
    try:
        _listen(host, port).close()
    except ConfigError:
        return False
    return True


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host.strip("[]"), port))
            listening.listen()  # only that says, of two servers, that the port is taken
        except BaseException:
            listening.close()
            raise
        return listening
    except (OSError, OverflowError) as error:
        remedy = "end what listens there, or choose another port"
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{host}:{port}", expected="an address to listen on", got=reason, remedy=remedy) from error
