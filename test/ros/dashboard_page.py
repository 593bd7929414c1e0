# SPDX-License-Identifier: Apache-2.0
"""A client of dashboard_node, for tests."""

import json
import re
import time


class Page:
    """dashboard_node and a client of its API."""

    def __init__(self, probe, process):
        import httpx

        self.process = process
        self.port = int(probe.wait(lambda: re.search(r"the page: http://localhost:(\d+)/", process.output), "page")[1])
        self.client = httpx.Client(base_url=f"http://localhost:{self.port}", timeout=30)

    def get(self, path, **query):
        return self.client.get(f"/api/{path}", params=query)

    def post(self, path, **content):
        return self.client.post(f"/api/{path}", json=content)

    def connect(self, name="events"):
        from websockets.sync.client import connect

        return connect(f"ws://localhost:{self.port}/api/{name}")


def told(socket, kind, where=lambda event: True, within_s=30.0):
    """The next event of a type; others, such as health, come all the time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        event = json.loads(socket.recv(timeout=within_s))
        if event["type"] == kind and where(event):
            return event
    raise AssertionError(f"no {kind} of those that are waited for within {within_s} s")
