# SPDX-License-Identifier: Apache-2.0
"""Who may ask: tokens, origins, hosts; and what a stranger gets."""

import re
import socket

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from liv_model.errors import ConfigError
from liv_web.access import Access, Request, is_loopback, make_access

TOKEN = "a-token-of-twenty-chars"


def asked(method="GET", query="", **headers):
    return Request(method, {"host": "localhost:8642", **{k.replace("_", "-"): v for k, v in headers.items()}}, query)


def status(access, request):
    refused = access.refusal(request)
    return refused.status if refused else 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((name, 200) for name in ("localhost", "localhost:8642", "127.0.0.1:8642", "[::1]:8642", "LOCALHOST")),
        *((name, 403) for name in ("evil.example", "localhost.evil.example", "", "localhost@evil.example", "1.2.3.4")),
    ],
)
def test_without_a_token_the_host_is_this_machine(host, expected):
    assert status(Access(""), asked(host=host)) == expected


@pytest.mark.parametrize("method", ["POST", "WEBSOCKET", "PUT", "DELETE"])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_other_pages_cannot_change_anything(method, token):
    access, with_token = Access(token), {"authorization": f"Bearer {TOKEN}"}
    assert status(access, asked(method, origin="http://localhost:8642", **with_token)) == 200
    assert status(access, asked(method, **with_token)) == 200  # curl: no browser
    for origin in ("https://evil.example", "null", "http://localhost:8643", "http://localhost", "http://[", ""):
        assert status(access, asked(method, origin=origin, **with_token)) == 403, origin
    assert status(access, asked(method, sec_fetch_site="cross-site", **with_token)) == 403
    assert status(access, asked(method, sec_fetch_site="same-site", **with_token)) == 403


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer \udcff"},
        {"cookie": f"liv_0={TOKEN}"},
        {"cookie": "liv_0=;;;=\x00"},
        {"query": "token="},
        {"query": f"token={TOKEN}x"},
        {"query": f"token={TOKEN[:-1]}"},
        {"query": f"xtoken={TOKEN}"},
    ],
)
def test_no_way_in_without_the_token(given):
    assert status(Access(TOKEN), asked(**given)) == 401


def test_ways_in_with_the_token():
    access = Access(TOKEN, 8642)
    assert status(access, asked(authorization=f"bearer {TOKEN}")) == 200
    assert status(access, asked(query=f"a=1&token={TOKEN}")) == 200
    assert status(access, asked(cookie=f"other=1; liv_8642={access.cookie_value}")) == 200
    assert status(access, asked(cookie=f"liv_8643={access.cookie_value}")) == 401
    assert status(access, asked(host="robot.local:8642", authorization=f"Bearer {TOKEN}")) == 200
    assert TOKEN not in repr(access)


def test_where_a_token_is_needed():
    assert make_access("127.0.0.1", 1, "").token == ""
    assert make_access("127.0.0.1", 1, TOKEN).token == TOKEN
    made = {make_access("0.0.0.0", 1, "").token for _ in range(3)}
    assert len(made) == 3
    assert min(map(len, made)) >= 32
    for guessable in ("short", "x" * 15, "x" * 20 + " ", "ü" * 20, "\n" * 20):
        with pytest.raises(ValueError, match="at least 16"):
            make_access("127.0.0.1", 1, guessable)
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "robot", "")] == [False] * 5


def test_the_token_goes_from_the_address_into_a_cookie(serve, robot, ask):
    client = ask(serve(robot, token=TOKEN))
    assert client.get("/").status_code == 401
    assert client.get("/static/index.html").status_code == 401
    assert client.get("/api/openapi.json").status_code == 401
    entered = client.get(f"/?token={TOKEN}&theme=dark")
    assert (entered.status_code, entered.headers["location"]) == (303, "./?theme=dark")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/api/status").status_code == 200  # by the cookie
    assert client.post("/api/goal", json={"text": "open"}).status_code == 200


def test_the_redirect_leads_nowhere_else(serve, robot, ask):
    client = ask(serve(robot, token=TOKEN))
    for path in ("//evil.example", "//evil.example/", "/a/..%2f..", "/%0d%0aset-cookie:%20a=b", "/https:evil.example"):
        place = client.get(f"{path}?token={TOKEN}").headers["location"]
        assert re.fullmatch(r"\./[\w.%-]*", place), place


def test_wrong_tokens_are_few(serve, robot, ask):
    client = ask(serve(robot, token=TOKEN))
    answers = [client.get("/api/status", params={"token": f"guess-{i}"}).status_code for i in range(14)]
    assert answers[:10] == [401] * 10
    assert answers[-1] == 429
    assert client.get("/api/status", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 429


def test_a_stranger_is_told_what_to_do(serve, robot, ask):
    answer = ask(serve(robot, token=TOKEN)).get("/")
    assert answer.json()["detail"] == {
        "expected": "the token",
        "got": "none",
        "remedy": "open the address that the server printed at start",
    }


def test_websockets_are_guarded_alike(serve, robot):
    server = serve(robot, token=TOKEN)
    for name in ("events", "camera/camera"):
        address = f"ws://localhost:{server.port}/api/{name}"
        with pytest.raises(InvalidStatus, match="403"), connect(address):
            pass
        foreign = f"{address}?token={TOKEN}"
        with pytest.raises(InvalidStatus, match="403"), connect(foreign, origin="https://evil.example"):
            pass
        with connect(f"{address}?token={TOKEN}", origin=f"http://localhost:{server.port}"):
            pass


def test_a_foreign_name_for_this_machine_is_refused(serve, robot, ask):
    server = serve(robot)
    client = ask(server)
    assert client.get("/api/status", headers={"host": "evil.example"}).status_code == 403
    there = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with there, pytest.raises(InvalidStatus, match="403"), connect("ws://evil.example/api/events", sock=there):
        pass


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"token": "short"}, "token: expected at least 16 characters"),
        ({"host": "no.such.host.example"}, "expected an address to listen on"),
        ({"host": "203.0.113.1"}, "expected an address to listen on"),
    ],
)
def test_a_mistake_in_the_address_or_the_token(robot, options, what):
    from liv_web.server import WebServer

    with pytest.raises(ConfigError, match=what):
        WebServer(robot, **{"port": 0, **options})


def test_a_port_that_is_taken(serve, robot):
    from liv_web.server import WebServer, is_free

    port = serve(robot).port
    assert not is_free(port)
    with pytest.raises(ConfigError, match="choose another port"):
        WebServer(robot, port=port)


def test_on_other_addresses_the_printed_one_has_the_token(serve, robot, ask):
    server = serve(robot, host="0.0.0.0")
    token = re.search(r"/\?token=(\S+)$", server.address)[1]
    client = ask(server)
    assert client.get("/api/status").status_code == 401
    assert client.get("/api/status", headers={"authorization": f"Bearer {token}"}).status_code == 200
