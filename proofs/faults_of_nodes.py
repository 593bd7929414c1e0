# SPDX-License-Identifier: Apache-2.0
"""Faults of nodes, models and machines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from liv_ros.srv import LoadBundle

from liv_model.bundle import MANIFEST, Bundle, seal
from proofs.apart import WITHIN_S, prove_apart
from proofs.fault import RATE_HZ, Fault, NotHereError, Site, firsts, require
from proofs.graph import Graph

MakeGraph = Callable[..., Graph]
_INSIDE = "LIV_PROOF_FULL_SHM"


def bundle_swaps(site: Site, make: MakeGraph) -> str:
    """Two bundles in turn, while pictures come."""
    bundles = [site.bundle, str(other_bundle(Bundle.load(site.bundle), site.folder / "other").path)]
    with make() as graph:
        graph.start_all()
        graph.cameras["camera"].play(RATE_HZ)
        rewards, goal_id = graph.rewards["camera"], graph.goals[-1].goal.id
        client = graph.node.create_client(LoadBundle, "load_bundle")
        graph.wait(client.service_is_ready, "the service load_bundle")
        gaps_s = []
        for number in range(1, 6):
            begun, before = firsts(rewards), len(rewards)
            load_bundle(graph, client, bundles[number % 2])
            graph.wait(lambda begun=begun: firsts(rewards) > begun, "an episode of the new model")
            times_s = [reward.header.stamp.sec + reward.header.stamp.nanosec / 1e9 for reward in rewards[before - 1 :]]
            gaps_s.append(float(np.diff(times_s).max()))
            require(rewards[-1].goal_id == goal_id, "the goal stays", rewards[-1].goal_id)
        models = {reward.model for reward in rewards}
        require(len(models) == 2, "rewards of both models", models)
    return f"{len(gaps_s)} swaps, the longest time without a scored picture {max(gaps_s) * 1e3:.0f} ms"


def load_bundle(graph: Graph, client, path: str) -> None:
    """Have another bundle taken into use; BrokenError if it is not."""
    future = client.call_async(LoadBundle.Request(path=path))
    graph.wait(future.done, "an answer of load_bundle", 120.0)
    require(future.result().success, "load_bundle", future.result().message)


def other_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """The same model under another name, and so of another identity."""
    shutil.copytree(bundle.path, folder)
    manifest = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))
    del manifest["format"], manifest["files"]
    return seal(folder, {**manifest, "name": f"{manifest['name']}-other"})


def two_encoders(site: Site, make: MakeGraph) -> str:
    """A second encoder of the same name comes, and goes."""
    with make() as graph:
        graph.start_all()
        graph.cameras["camera"].play(RATE_HZ)
        graph.spin(site.seconds)
        alone = graph.goals[-1].activation
        second = graph.start("encoder_node")
        graph.wait(lambda: graph.goals[-1].activation != alone, "the goal of the second one")
        graph.spin(site.seconds)
        goal_id = graph.ask("close the drawer")
        graph.wait(lambda: graph.rewards["camera"][-1].goal_id == goal_id, "rewards while there are two")
        graph.spin(site.seconds)
        graph.kill(second)
        goal_id = graph.ask("open the drawer")
        graph.wait(lambda: graph.rewards["camera"][-1].goal_id == goal_id, "rewards when there is one again")
    return "each reward is of one of them; the one that took the goal up last is scored"


def encoder_killed(site: Site, make: MakeGraph) -> str:
    """kill -9, and a respawn."""
    with make() as graph:
        encoder, _ = graph.start_all(session="one")
        graph.cameras["camera"].play(RATE_HZ)
        graph.spin(site.seconds)
        before, rewards = graph.goals[-1], graph.rewards["camera"]
        graph.kill(encoder)
        begin_s, begun = time.monotonic(), firsts(rewards)
        graph.start("encoder_node", session="one", goal="open the door")
        after = graph.wait(lambda: graph.goals[-1] is not before and graph.goals[-1], "the goal again", 120.0)
        require(after.goal.id == before.goal.id, "6: the same goal", after.goal.text)
        require(after.activation != before.activation, "6: another activation", after.activation)
        graph.wait(lambda: firsts(rewards) > begun, "6: a new episode")
        again_s = time.monotonic() - begin_s
        require(firsts(rewards) == begun + 1, "6: one new episode", firsts(rewards) - begun)
    return f"the same goal, another activation, one new episode, {again_s:.1f} s after the kill"


def reward_node_killed(site: Site, make: MakeGraph) -> str:
    """kill -9, and a respawn."""
    with make() as graph:
        _, reward_node = graph.start_all()
        camera = graph.cameras["camera"]
        camera.play(RATE_HZ)
        graph.spin(site.seconds)
        rewards, goal_id = graph.rewards["camera"], graph.goals[-1].goal.id
        graph.kill(reward_node)
        graph.spin(0.2)  # what was on its way
        begin_s, before, shown = time.monotonic(), len(rewards), camera.count
        graph.rules.reset()
        graph.start("reward_node")
        graph.wait(lambda: len(rewards) > before, "rewards again", 60.0)
        again_s = time.monotonic() - begin_s
        require(rewards[-1].goal_id == goal_id, "the goal stays", rewards[-1].goal_id)
        graph.spin(site.seconds / 2)
        # a consumer that is still finding the new publisher misses its first rewards, which counted pictures since
        steps = [reward.step for reward in rewards[before:]]
        since = camera.count - shown
        require(steps == sorted(steps) and steps[-1] < since, f"one new episode, of at most {since} steps", steps)
    return f"the latched goal, one new episode from step {steps[0]} on, {again_s:.1f} s after the kill"


def cpu_starved(site: Site, make: MakeGraph) -> str:
    """The encoder gets the processor a quarter of the time, in pieces."""
    piece_s, away_s, bound_ms = 0.06, 0.18, 700.0
    with make() as graph:
        encoder, _ = graph.start_all()
        camera, rewards = graph.cameras["camera"], graph.rewards["camera"]
        camera.play(RATE_HZ)
        graph.spin(site.seconds)
        before = len(rewards)
        with _stopped_now_and_then(encoder.pid, piece_s, away_s):
            graph.spin(2 * site.seconds)
            starved = len(rewards) - before
            worst_ms = max(graph.latency_ms["camera"][before : before + starved])
        rate_hz = starved / (2 * site.seconds)
        require(rate_hz < 0.8 * RATE_HZ, "the rate falls", f"{rate_hz:.1f} Hz")
        require(worst_ms < bound_ms, f"latency below {bound_ms:.0f} ms", f"{worst_ms:.0f} ms")
        dropped = graph.wait(lambda: _dropped(graph), "drops on /diagnostics")
        before = len(rewards)
        graph.spin(site.seconds)
        again_hz = (len(rewards) - before) / site.seconds
        require(again_hz > rate_hz, "the rate comes back", f"{again_hz:.1f} Hz")
    kept = f"{rate_hz:.0f} of {RATE_HZ:.0f} Hz, latency at most {worst_ms:.0f} ms"
    return f"{kept}, {dropped} drops told; afterwards {again_hz:.0f} Hz"


@contextmanager
def _stopped_now_and_then(pid: int, piece_s: float, away_s: float) -> Iterator[None]:
    over = threading.Event()

    def starve() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            over.wait(away_s)
            os.kill(pid, signal.SIGCONT)
            over.wait(piece_s)

    thread = threading.Thread(target=starve, name="starve", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _dropped(graph: Graph) -> int:
    """Frames that the encoder says were dropped, for whatever cause."""
    told = graph.health["encoder_node"]
    causes = ("replaced", "lost in transport", "missing by their stamps")
    return sum(int(told.get(f"camera: frames {cause}", 0)) for cause in causes)


def unwritable_state(site: Site, make: MakeGraph) -> str:
    """Where the goal should be kept is a file."""
    file = site.folder / "no_folder"
    file.write_text("")
    with make() as graph:
        encoder, _ = graph.start_all(state_folder=str(file / "state"))
        graph.wait(lambda: "will not survive" in encoder.output, "a warning")
        graph.ask("close the drawer")
        graph.wait_for_rewards()
    return "goals are taken up and rewarded; a warning says that they will not survive a restart"


def full_shared_memory(site: Site, make: MakeGraph) -> str:
    """In a mount namespace with a /dev/shm of its own, of a container's 64 MB, that is then full."""
    if os.environ.get(_INSIDE):
        return _with_full_shared_memory(site, make)
    mount = "mount -t tmpfs -o size=64m tmpfs /dev/shm"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "sh", "-c", mount]).returncode:
        raise NotHereError("/dev/shm", expected="the right to mount one", got="none", remedy="run it as root")
    wrapper = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    fault = next(fault for fault in FAULTS if fault.prove is full_shared_memory)
    row = prove_apart(fault, replace(site, folder=site.folder / "apart"), wrapper, WITHIN_S / 2, **{_INSIDE: "1"})
    require(row["passed"], "with a full /dev/shm", "; ".join([*row["crashes"], *row["violations"]]))
    return f"{row['found']} ({row['judged']} judged)"


def _with_full_shared_memory(site: Site, make: MakeGraph) -> str:
    with make() as graph:
        _, reward_node = graph.start_all()
        graph.cameras["camera"].play(RATE_HZ)
        graph.spin(site.seconds)
        rewards = graph.rewards["camera"]
        filler = Path("/dev/shm/filler")
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass  # it is full
        try:
            before = len(rewards)
            graph.spin(site.seconds)
            running_hz = (len(rewards) - before) / site.seconds
            require(running_hz > RATE_HZ / 6, "rewards of nodes that run", f"{running_hz:.1f} Hz")
            graph.kill(reward_node)
            graph.rules.reset()
            before = len(rewards)
            graph.start("reward_node")
            graph.wait(lambda: len(rewards) > before, "rewards of a node that starts", 60.0)
        finally:
            filler.unlink()
    return f"nodes that run go on at {running_hz:.0f} Hz; one that starts without shared memory earns rewards too"


FAULTS = (
    Fault("another bundle, 5 times, at 30 Hz", "2, 6: new activation and episode, same goal", bundle_swaps),
    Fault("two encoders of one name", "2: no reward mixes their activations", two_encoders),
    Fault("the encoder is killed (-9) and respawned", "6: the goal survives, a new episode", encoder_killed),
    Fault("reward_node is killed (-9) and respawned", "1: a new episode of the same goal", reward_node_killed),
    Fault("the encoder is starved of CPU", "3: the rate falls, latency is bounded, drops are told", cpu_starved),
    Fault("the state folder cannot be written", "the goal is taken up, and it is told", unwritable_state),
    Fault("/dev/shm is full", "rewards go on", full_shared_memory),
)
