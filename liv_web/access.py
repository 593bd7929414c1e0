# SPDX-License-Identifier: Apache-2.0
"""Who may ask: the token, the page's own origin, and the names by which this machine is called.

On 127.0.0.1 alone no token is needed, but the Host has to be this machine's: a foreign page whose name was made to
lead here (DNS rebinding) is refused. On every other address each request needs the token.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}
SHORTEST_TOKEN = 16
TOKEN_VARIABLE = "LIV_DASHBOARD_TOKEN"  # of the environment: what stands in a command line, others can read
SAFE_METHODS = {"GET", "HEAD"}


@dataclass(frozen=True)
class Refused:
    """Why a request is refused: an HTTP status, and what the asker is told."""

    status: int
    expected: str
    got: str
    remedy: str = ""


@dataclass(frozen=True)
class Request:
    """What access is judged by.

    Attributes:
        method: "WEBSOCKET" for one of those.
        headers: names in lower case.
        query: as it came.
    """

    method: str
    headers: Mapping[str, str]
    query: str

    @property
    def given_token(self) -> str | None:
        """In the query."""
        return dict(parse_qsl(self.query)).get("token")

    @property
    def query_without_token(self) -> str:
        """The rest of the query."""
        return urlencode([(key, value) for key, value in parse_qsl(self.query) if key != "token"])


@dataclass(frozen=True)
class Access:
    """The rule of one server.

    Attributes:
        token: that is asked for; "" = none, and this machine's own names alone.
        port: cookies of two servers on one machine must not be mistaken.
    """

    token: str = field(repr=False)
    port: int = 0

    @property
    def cookie_name(self) -> str:
        """Of the cookie that a page load with the token sets."""
        return f"liv_{self.port}"

    @property
    def cookie_value(self) -> str:
        """Made from the token, which itself does not stay in the browser."""
        return hmac.new(self.token.encode(), b"liv_web page", hashlib.sha256).hexdigest()

    def refusal(self, request: Request) -> Refused | None:
        """Why a request is refused; None = it is not."""
        if not self.token and not _is_local(request.headers.get("host", "")):
            return Refused(
                403,
                expected="this machine's own name (localhost)",
                got=f"Host {request.headers.get('host', '')[:80]!r}",
                remedy="open http://localhost, or start the server with --host and a token",
            )
        if foreign := self._foreign(request):
            return Refused(403, expected="a request of this page itself", got=foreign)
        if self.token and not self._knows_token(request):
            got = "a wrong one" if self._tried(request) else "none"
            return Refused(
                401, expected="the token", got=got, remedy="open the address that the server printed at start"
            )
        return None

    def _foreign(self, request: Request) -> str | None:
        """What says that another page asks for something to be done; a tool that is no browser says neither."""
        if request.method in SAFE_METHODS:
            return None
        origin, host = request.headers.get("origin"), request.headers.get("host", "")
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return f"Origin {origin[:80]!r}"
        site = request.headers.get("sec-fetch-site", "same-origin")
        return None if site in ("same-origin", "none") else f"Sec-Fetch-Site {site[:20]!r}"

    def _tried(self, request: Request) -> list[str]:
        """All that was given as a token."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = [bearer.strip()] if scheme.lower() == "bearer" else []
        return [*given, *([request.given_token] if request.given_token is not None else [])]

    def _knows_token(self, request: Request) -> bool:
        if any(_is_same(given, self.token) for given in self._tried(request)):
            return True
        return _is_same(_cookie(request.headers.get("cookie", ""), self.cookie_name), self.cookie_value)


def make_access(host: str, port: int, token: str) -> Access:
    """The rule for an address: a token where others can reach it, and where one is given.

    Args:
        host: to listen on.
        port: to listen on.
        token: "" = one is made where it is needed. ValueError for one that can be guessed.
    """
    if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        raise ValueError(f"at least {SHORTEST_TOKEN} characters of ASCII without spaces")
    if not token and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    return Access(token, port)


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(host: str) -> bool:
    return (urlsplit(f"//{host}").hostname or "") in LOCAL_NAMES if _is_plain(host) else False


def _is_plain(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").netloc == host and "@" not in host
    except ValueError:
        return False


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""
