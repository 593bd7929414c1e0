# SPDX-License-Identifier: Apache-2.0
"""What is asked for too much, too often or for the wrong file; and what a browser may do with the answers."""

import io
import socket

import numpy as np
import pytest

from liv_web.limits import LARGEST_BODY, LARGEST_PICTURE, Budget


def test_every_answer_has_the_headers_that_protect_it(serve, robot, ask):
    client = ask(serve(robot))
    for path in ("/", "/api/status", "/api/nothing", "/static/nothing.js", "/api/openapi.json"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    assert client.get("/api/status").headers["cache-control"] == "no-store"


def test_the_page_and_its_files(serve, robot, ask):
    from liv_web.static_files import FOLDER

    client = ask(serve(robot))
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.content == (FOLDER / "index.html").read_bytes()
    unchanged = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    for file in FOLDER.rglob("*.js"):
        answer = client.get(f"/static/{file.relative_to(FOLDER).as_posix()}")
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.content == file.read_bytes()


TRAVERSALS = [
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e/app.py",
    "/static/..%5capp.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/js/../../app.py",
    "/static/",
    "/static",
    "/static/index.html%00.js",
    "/static/....//app.py",
    "/../../../etc/passwd",
    "//etc/passwd",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_the_page(serve, robot, path):
    """As raw bytes: a client would tidy the path up."""
    with socket.create_connection(("127.0.0.1", serve(robot).port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]
    assert b"root:" not in answer
    assert b"import" not in answer


def test_files_that_are_links_out_of_the_folder_are_what_was_put_there(tmp_path, robot):
    """A build with links serves them; what appears later, link or not, is not served."""
    from starlette.requests import Request

    from liv_web.source import UnknownError
    from liv_web.static_files import StaticFiles

    (tmp_path / "index.html").write_text("page")
    (tmp_path / ".secret").write_text("no")
    (tmp_path / "key.pem").write_text("no")
    files = StaticFiles(tmp_path)
    assert files.names == ["index.html"]
    (tmp_path / "later.js").symlink_to("/etc/passwd")
    with pytest.raises(UnknownError):
        files.response("later.js", Request({"type": "http", "headers": []}))


def test_bodies_have_a_largest_size(serve, robot, ask):
    client = ask(serve(robot))
    assert client.post("/api/goal", content=b"x" * (LARGEST_BODY + 1)).status_code == 413
    assert client.post("/api/goal/image", content=b"x" * (LARGEST_PICTURE + 1)).status_code == 413
    assert robot.goals == []


def test_bodies_without_a_length_are_counted(serve, robot, ask):
    client = ask(serve(robot))

    def chunks():
        for _ in range(100):
            yield b"x" * 10_000

    assert client.post("/api/goal", content=chunks()).status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(serve, robot, monkeypatch):
    from liv_web import guard

    monkeypatch.setattr(guard, "BODY_WITHIN_S", 0.2)
    with socket.create_connection(("127.0.0.1", serve(robot).port), timeout=10) as connection:
        connection.sendall(b"POST /api/goal HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def png(height, width):
    import cv2

    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()


def test_pictures_are_taken_and_what_is_none_is_refused(serve, robot, ask):
    client = ask(serve(robot))
    assert client.post("/api/goal/image", content=png(30, 40), headers={"content-type": "image/png"}).json()["image"]
    assert robot.goals[0].shape == (30, 40, 3)
    bomb = io.BytesIO(png(8, 8)).getvalue()
    bomb = bomb[:16] + (2**31 - 1).to_bytes(4, "big") * 2 + bomb[24:]  # a header that says 2 billion squared
    for wrong in (b"", b"hello", png(30, 40)[:-20], b"\xff\xd8\xff", bomb, b"<svg onload=alert(1)>"):
        answer = client.post("/api/goal/image", content=wrong, headers={"content-type": "image/png"})
        assert answer.status_code in {400, 422}, wrong[:20]
        assert set(answer.json()["detail"]) == {"expected", "got", "remedy"}
    assert len(robot.goals) == 1


def test_too_many_requests_wait(serve, robot, ask, monkeypatch):
    from liv_web import guard

    monkeypatch.setattr(guard, "CHANGES_PER_S", 0.001)
    client = ask(serve(robot))
    changes = [client.post("/api/episode").status_code for _ in range(32)]
    assert changes[:30] == [200] * 30
    assert changes[30:] == [429] * 2
    assert client.get("/api/status").status_code == 200  # looking still goes on


def test_a_budget_comes_back():
    now = [0.0]
    budget = Budget(2.0, 3.0, clock=lambda: now[0])
    assert [budget.take("a") for _ in range(4)] == [True, True, True, False]
    assert budget.take("b")
    now[0] = 0.5
    assert [budget.take("a") for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert budget.left("a") == 3.0
    for i in range(2000):
        budget.take(str(i))
    assert len(budget._left) <= 1000


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "open 🚪 👩‍🔧 drawer",
        "\u202eافتح الدرج",
        "a\u0301\u0301" * 500,
        "x" * 10_000,
        "'; DROP TABLE goals; --",
        "{{7*7}} ${7*7} %s %n",
        "open\nthe\tdrawer",
    ],
)
def test_hostile_goals_come_through_as_they_are(serve, robot, ask, text):
    answer = ask(serve(robot)).post("/api/goal", json={"text": text})
    assert answer.status_code == 200
    assert robot.goals == [text]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "a\\u0000b"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\u001b[2J"}',
        b'{"text": ""}',
        b'{"text": "a", "id": "mine"}',
        b'{"text": ["a"]}',
        b'{"text": null}',
        b"[]",
        b"nonsense",
        b"",
        b"\xff\xfe",
        b'{"text": "' + b"x" * 20_000 + b'"}',
        b"[" * 50_000,
    ],
)
def test_what_is_no_goal_is_refused_in_words(serve, robot, ask, body):
    answer = ask(serve(robot)).post("/api/goal", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text[:200]
    assert answer.json()["detail"]["expected"]
    assert robot.goals == []


def test_an_unexpected_error_tells_nothing_of_the_inside(serve, robot, ask, monkeypatch):
    def broken():
        raise RuntimeError("/home/robot/secret")

    monkeypatch.setattr(robot, "status", broken)
    answer = ask(serve(robot)).get("/api/status")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_stopping_does_not_wait_for_pages_that_stay(robot):
    from page_server import served
    from websockets.sync.client import connect

    with served(robot) as server, connect(f"ws://localhost:{server.port}/api/events"):
        server.stop()
        assert not server._thread.is_alive()
