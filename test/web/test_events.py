# SPDX-License-Identifier: Apache-2.0
"""Events and pictures on their way to the pages: nothing is queued for who is slow, nobody else waits."""

import asyncio
import json
import struct
import threading

import pytest
from websockets.sync.client import connect

from liv_web import event_hub
from liv_web.camera_feed import CameraFeed
from liv_web.event_hub import EventHub
from liv_web.source import Picture, Sample


def sample(t, value=0.5, first=False):
    return Sample(t, value, 0.1, float("nan"), first)


def events(viewer):
    return [json.loads(text) for text in viewer._waiting]


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_samples_are_told_as_columns_without_nan():
    async def told():
        hub = EventHub()
        viewer = hub.join()
        hub.sample("front", sample(1.0, first=True))
        hub.sample("wrist", sample(1.0))
        hub.sample("front", sample(1.1, value=float("inf")))
        hub.turn()
        return events(viewer)

    front, wrist = run(told())
    assert front == {
        "type": "samples",
        "camera": "front",
        "t": [1.0, 1.1],
        "value": [0.5, None],
        "reward": [0.1, 0.1],
        "progress": [None, None],
        "is_first": [True, False],
    }
    assert (wrist["camera"], wrist["t"]) == ("wrist", [1.0])


def test_what_came_before_an_event_is_told_before_it():
    async def told():
        hub = EventHub()
        viewer = hub.join()
        hub.sample("a", sample(1.0))
        hub.scores("a", 1.0, ["x", "y"], [0.1, float("nan")])
        hub.scores("a", 1.1, ["x", "y"], [0.2, 0.3])
        hub.scores("a", 1.2, ["x"], [0.4])
        hub.tell("goal", goal=None)
        hub.sample("a", sample(2.0))
        hub.turn()
        return events(viewer)

    found = run(told())
    assert [event["type"] for event in found] == ["scores", "samples", "scores", "goal", "samples"]
    assert found[0]["values"] == [[0.1, None], [0.2, 0.3]]


def test_a_page_that_does_not_read_loses_its_oldest_and_no_other():
    async def told():
        hub = EventHub()
        slow, quick = hub.join(), hub.join()
        got = []
        for i in range(event_hub.MOST_WAITING + 10):
            hub.tell("tick", i=i)
            hub.turn()
            got.append(json.loads(await quick.next())["i"])
        return slow, got

    slow, got = run(told())
    assert got == list(range(event_hub.MOST_WAITING + 10))
    assert slow.dropped == 10
    assert events(slow)[0]["i"] == 10


def test_an_event_that_is_no_json_is_left_out_alone():
    async def told():
        hub = EventHub()
        viewer = hub.join()
        hub.tell("bad", number=float("nan"))
        hub.tell("worse", thing=object())
        hub.tell("good", number=1)
        hub.turn()
        return events(viewer)

    assert run(told()) == [{"type": "good", "number": 1}]


def test_a_source_that_fails_once_is_asked_again(serve, robot, monkeypatch):
    answers = [RuntimeError("not now"), robot.health()]

    def health():
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(robot, "health", health)
    with connect(f"ws://localhost:{serve(robot).port}/api/events") as page:
        first, second = (json.loads(page.recv(timeout=10))["health"] for _ in range(2))
    assert (first["level"], second["level"]) == ("error", "ok")


def test_nothing_is_kept_while_nobody_looks():
    hub = EventHub()
    for i in range(1000):
        hub.sample("a", sample(i))
        hub.tell("tick")
    assert hub._take() == []


def test_what_waits_between_two_turns_has_an_end(monkeypatch):
    monkeypatch.setattr(event_hub, "MOST_PENDING", 50)

    async def told():
        hub = EventHub()
        viewer = hub.join()
        for i in range(200):
            hub.sample("a", sample(i))
        hub.turn()
        return events(viewer)

    [event] = run(told())
    assert len(event["t"]) == 50


def test_many_pages_are_told_less_often():
    assert max(event_hub.FASTEST_S, event_hub.PER_VIEWER_S * 50) == pytest.approx(0.1)


def test_a_page_gets_what_has_been_then_what_happens(serve, robot):
    robot.past = [{"type": "goal", "goal": None}]
    server = serve(robot)
    with connect(f"ws://localhost:{server.port}/api/events") as page:
        assert json.loads(page.recv(timeout=10)) == {"type": "goal", "goal": None}
        robot.sample(0.25, t=3.0)
        told = json.loads(page.recv(timeout=10))
        while told["type"] != "samples":
            told = json.loads(page.recv(timeout=10))
        assert told["value"] == [0.25]
        while told["type"] != "health":
            told = json.loads(page.recv(timeout=10))
        assert told["health"]["viewers"] == 1
        assert told["health"]["cameras"][0]["latency_p99_ms"] is None
        assert server.viewers == 1


def test_a_page_that_floods_is_cut_off(serve, robot):
    from websockets.exceptions import ConnectionClosed

    with connect(f"ws://localhost:{serve(robot).port}/api/events", max_size=None) as page:
        with pytest.raises(ConnectionClosed):
            for _ in range(100):
                page.send("x" * 100_000)
        assert page.close_code in {1009, 1006}  # too big; or gone, while the rest of it was on its way


def test_pages_beyond_the_last_are_sent_away(serve, robot, monkeypatch):
    from websockets.exceptions import InvalidStatus

    from liv_web import sockets

    monkeypatch.setattr(sockets, "MOST_EVENT_SOCKETS", 2)
    robot.past = [{"type": "hello"}]
    address = f"ws://localhost:{serve(robot).port}/api/events"
    with connect(address) as one, connect(address) as two:
        one.recv(timeout=10)
        two.recv(timeout=10)
        with pytest.raises(InvalidStatus), connect(address):
            pass


def test_a_page_that_stops_reading_costs_no_memory_and_nobody_else(serve, robot):
    """The socket fills up, then what waits for that page, then its oldest go; another page gets all."""
    server = serve(robot)
    address = f"ws://localhost:{server.port}/api/events"
    with connect(address, max_queue=1) as stuck, connect(address) as quick:
        wait_for(lambda: server.viewers == 2)
        robot.sample(0.5)
        stuck.recv(timeout=10)
        got = 0
        for i in range(300):
            robot.listener.tell("load", i=i, pad="x" * 200_000)
            told = json.loads(quick.recv(timeout=20))
            while told["type"] != "load":
                told = json.loads(quick.recv(timeout=20))
            assert told["i"] == i
            got += 1
            if any(viewer.dropped for viewer in server._hub._viewers):
                break
        [slow] = [viewer for viewer in server._hub._viewers if viewer.dropped]
        assert len(slow._waiting) <= event_hub.MOST_WAITING
        assert got > event_hub.MOST_WAITING
    wait_for(lambda: server.viewers == 0)


def test_fifty_pages_of_one_machine_come_at_once(serve, robot):
    from contextlib import ExitStack

    server = serve(robot)
    with ExitStack() as stack:
        pages = [stack.enter_context(connect(f"ws://localhost:{server.port}/api/events")) for _ in range(50)]
        wait_for(lambda: server.viewers == 50)
        robot.sample(0.5)
        for page in pages:
            while json.loads(page.recv(timeout=20))["type"] != "samples":
                pass


def wait_for(condition):
    done = threading.Event()
    for _ in range(2000):
        if condition():
            return
        done.wait(0.005)
    pytest.fail("waited in vain")


def test_pictures_go_at_the_rate_of_the_page_the_newest_each_time(serve, robot):
    server = serve(robot)
    with connect(f"ws://localhost:{server.port}/api/camera/camera") as page:
        wait_for(lambda: robot.watchers)
        robot.show(1.5, b"\xff\xd8one")
        first = page.recv(timeout=10)
        assert struct.unpack("<d", first[:8]) == (1.5,)
        assert first[8:] == b"\xff\xd8one"
        for i in range(20):  # it has not said ok
            robot.show(2.0 + i, b"\xff\xd8%d" % i)
        page.send("ok")
        assert page.recv(timeout=10)[8:] == b"\xff\xd819"
    wait_for(lambda: not robot.watchers)


def test_a_camera_is_watched_once_for_all_pages_and_let_go_with_the_last(serve, robot):
    address = f"ws://localhost:{serve(robot).port}/api/camera/camera"
    with connect(address) as one:
        with connect(address) as two:
            wait_for(lambda: robot.watchers)
            robot.show(1.0)
            assert one.recv(timeout=10) == two.recv(timeout=10)
            assert len(robot.watchers) == 1
        robot.show(2.0)
        one.send("ok")
        one.recv(timeout=10)
        assert len(robot.watchers) == 1
    wait_for(lambda: not robot.watchers)


def test_a_camera_that_is_none_is_closed_with_a_code(serve, robot):
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    address = f"ws://localhost:{serve(robot).port}/api/camera"
    for name in ("../status", "", "a/b"):
        with pytest.raises(InvalidStatus, match="403"), connect(f"{address}/{name}"):
            pass
    for name in ("wrist", "%2e%2e", "camera%00"):
        with connect(f"{address}/{name}") as page:
            with pytest.raises(ConnectionClosed):
                page.recv(timeout=10)
            assert page.close_code == 1008


def test_pictures_that_do_not_decode_are_passed_over(serve, robot):
    with connect(f"ws://localhost:{serve(robot).port}/api/camera/camera") as page:
        wait_for(lambda: robot.watchers)
        robot.show(1.0, b"")
        robot.show(2.0, b"\xff\xd8good")
        assert page.recv(timeout=10)[8:] == b"\xff\xd8good"


def test_a_picture_is_made_once_and_only_if_it_is_wanted():
    made = []
    picture = Picture(1.0, lambda: made.append(1) or b"jpeg")
    assert made == []
    threads = [threading.Thread(target=picture.jpeg) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert picture.jpeg() == b"jpeg"
    assert len(made) == 1


def test_a_feed_that_fails_to_begin_may_be_tried_again(robot):
    class Late:
        def watch(self, camera, on_picture):
            if not robot.goals:
                robot.goals.append("once")
                raise RuntimeError("not yet")
            return robot.watch("camera", on_picture)

    async def tried():
        feed = CameraFeed(Late(), "camera")
        with pytest.raises(RuntimeError):
            await feed.join()
        await feed.join()
        await asyncio.to_thread(robot.show, 1.0)
        picture = await feed.after(None)
        await feed.leave()
        return picture.stamp_s

    assert run(tried()) == 1.0
    assert robot.watchers == []
