# SPDX-License-Identifier: Apache-2.0
"""The page's server on a free port of this machine: over a recording, or over a made-up robot."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from page_server import served

pytest.importorskip("fastapi", reason="requirements/web.txt is not installed")


@pytest.fixture
def serve():
    """Serve sources until the end of the test: ``serve(source, token="...")``."""
    with ExitStack() as stack:
        yield lambda source, **options: stack.enter_context(served(source, **options))


@pytest.fixture
def robot():
    """A made-up robot that stands still: its answers are as real as its form."""
    from web.still_robot import StillRobot

    return StillRobot()


@pytest.fixture
def ask():
    """An HTTP client of a server."""
    import httpx

    with ExitStack() as stack:

        def client(server, **options):
            address = f"http://localhost:{server.port}"
            return stack.enter_context(httpx.Client(base_url=address, timeout=20, **options))

        yield client


@pytest.fixture
def no_limits(monkeypatch):
    """As many requests as a test likes, as long as it likes: 413 is no answer that schemathesis takes for a refusal."""
    from liv_web import guard, limits

    for name in ("REQUESTS_PER_S", "REQUESTS_AT_ONCE", "CHANGES_PER_S", "CHANGES_AT_ONCE"):
        monkeypatch.setattr(guard, name, 1e9)
    monkeypatch.setattr(limits, "LARGEST_BODY", limits.LARGEST_PICTURE)
