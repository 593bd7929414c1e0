# SPDX-License-Identifier: Apache-2.0
"""Pages that look, without browsers: websockets of events, and of pictures, in one process.

They would be on other machines. Here they give way to everything else (nice 19), and look at nothing that they get.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from websockets.asyncio.client import ClientConnection, connect

LEAST_URGENT = 19
CONNECT_WITHIN_S = 30.0


async def look(port: int, events: int, pictures: int, camera: str) -> None:
    """Say ``ready`` once all are connected, and how many messages came once standard input ends."""
    wanted = [("events", None)] * events + [(f"camera/{camera}", "ok")] * pictures
    got = 0

    async def page(socket: ClientConnection, answer: str | None) -> None:
        nonlocal got
        async for _ in socket:
            got += 1
            if answer is not None:
                await socket.send(answer)

    jobs = []
    for path, answer in wanted:  # one after the other: a start is not what is measured
        socket = await connect(
            f"ws://127.0.0.1:{port}/api/{path}", max_size=None, compression=None, open_timeout=CONNECT_WITHIN_S
        )
        jobs.append(asyncio.create_task(page(socket, answer)))
    print("ready", flush=True)
    before = got
    await asyncio.to_thread(sys.stdin.read)
    if ended := [job for job in jobs if job.done()]:
        sys.exit(f"{len(ended)} of {len(jobs)} pages lost their connection")
    print(got - before, flush=True)
    for job in jobs:
        job.cancel()


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m bench.pages", description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--events", type=int, default=50, help="websockets of events (default: 50)")
    parser.add_argument("--pictures", type=int, default=0, help="websockets of pictures (default: 0)")
    parser.add_argument("--camera", default="camera", help="whose pictures (default: camera)")
    arguments = parser.parse_args(argv)
    os.nice(LEAST_URGENT)
    asyncio.run(look(arguments.port, arguments.events, arguments.pictures, arguments.camera))
    return 0


if __name__ == "__main__":
    sys.exit(main())
