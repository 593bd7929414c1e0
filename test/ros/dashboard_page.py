# SPDX-License-Identifier: Apache-2.0
"""A client of dashboard_node, for tests."""

import json
import re


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


def told(socket, kind, where=lambda event: True):
    """The next event of a type."""
    while True:
        event = json.loads(socket.recv(timeout=20))
        if event["type"] == kind and where(event):
            return event
