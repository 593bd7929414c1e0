# SPDX-License-Identifier: Apache-2.0
"""The page over a source, for the tests."""

from contextlib import contextmanager


@contextmanager
def served(source, **options):
    """A running WebServer on a free port, unless ``options`` name one."""
    from liv_web.server import WebServer

    server = WebServer(source, **{"port": 0, **options})
    server.start()
    try:
        yield server
    finally:
        server.stop()
