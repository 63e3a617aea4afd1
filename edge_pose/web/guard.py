"""Who may talk to the page: the right Host, no foreign Origin, the token. And the headers that browsers obey."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PUBLIC = frozenset({"/assets/style.css", "/assets/icon.svg"})  # what the page that asks for the token needs
HOST = re.compile(r"(\[[\da-fA-F:.%\w]+\]|[^\s/?#@\[\]:;,'\"]+)(:\d{1,5})?")  # it becomes part of the policy below
WRONG_TOKEN_S = 0.5  # before a wrong token is answered
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
ASK = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>edge-pose</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="stylesheet" href="/assets/style.css">
<link rel="icon" href="/assets/icon.svg"><body class="ask"><form><h1>edge-pose</h1>
<label for="token">Token of this page</label><input id="token" name="token" type="password" required autofocus
autocomplete="current-password"><button>Open</button></form></body></html>"""


class Guard:
    """An ASGI application around another one.

    A request must name this machine (`names`, or any IP address: a name that an attacker points here is neither), a
    WebSocket or a writing request must not come from a page of another origin, and where there is a token, it must
    come as the cookie that `/?token=...` sets, or as `Authorization: Bearer ...`.
    """

    def __init__(self, app: App, *, names: frozenset[str], token: str | None, port: int) -> None:
        self._app, self._names = app, names
        self._token = token.encode() if token is not None else None
        self._cookie = f"edge_pose_{port}"  # browsers share cookies between the ports of a host
        self._pass = hmac.new(self._token or b"", b"edge-pose page", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let pass."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = headers.get("host", [])
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._is_own(host):
            await _refuse(scope, send, 421, b"This page is not served under that name.\n")
            return
        writes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if writes and any(_place_of(origin) != host for origin in headers.get("origin", [])):
            await _refuse(scope, send, 403, b"Pages of other origins may not use this one.\n")
            return
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        scope["query_string"] = b""  # nothing of ours reads it, and servers write it into their logs
        if self._token is not None and scope["path"] not in PUBLIC and not self._knows(headers):
            await self._ask(scope, send, query.get("token"))
            return
        if scope["type"] == "http" and "token" in query:  # out of the address line
            await _answer(send, 303, [(b"location", b"/")])
            return
        await self._app(scope, receive, _with_headers(send, host) if scope["type"] == "http" else send)

    def _is_own(self, host: str) -> bool:
        if not HOST.fullmatch(host):
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return True

    def _knows(self, headers: dict[str, list[str]]) -> bool:
        given = ""
        for text in headers.get("cookie", []):
            for pair in text.split(";"):  # by hand: one cookie of another program may be none that http.cookies reads
                name, _, value = pair.strip().partition("=")
                given = value if name == self._cookie else given
        if hmac.compare_digest(given.encode("latin-1", "replace"), self._pass.encode()):
            return True
        scheme, _, bearer = (headers.get("authorization") or [""])[0].partition(" ")
        return scheme.lower() == "bearer" and self._is_token(bearer.strip())

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token or b"")

    async def _ask(self, scope: Scope, send: Send, given: str | None) -> None:
        if scope["type"] == "http" and given is not None and self._is_token(given):
            secure = "; Secure" if scope.get("scheme") == "https" else ""
            cookie = f"{self._cookie}={self._pass}; HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000{secure}"
            await _answer(send, 303, [(b"location", b"/"), (b"set-cookie", cookie.encode())])
            return
        if given is not None:
            await asyncio.sleep(WRONG_TOKEN_S)
        if scope["type"] == "http" and scope["path"] == "/":
            kind = [(b"content-type", b"text/html; charset=utf-8"), (b"www-authenticate", b"Bearer")]
            await _answer(send, 401, kind, ASK)
            return
        await _refuse(scope, send, 401, b"This page needs its token: open it once as /?token=...\n")


def _place_of(origin: str) -> str:
    """Return host and port of an origin; of what is none, what no host equals."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _policy(host: str) -> bytes:
    """Return a content security policy: nothing from elsewhere, and nothing inline."""
    own = f"'self' ws://{host} wss://{host}"  # older Safari does not count ws: as 'self'
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        f"connect-src {own}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ).encode("latin-1")


def _with_headers(send: Send, host: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [*HEADERS, (b"content-security-policy", _policy(host))]
            message["headers"] = [*message.get("headers", []), *own]
        await send(message)

    return sending


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
    own = [(b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"), *HEADERS]
    own.append((b"content-security-policy", _policy("127.0.0.1")))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *own]})
    await send({"type": "http.response.body", "body": body})


async def _refuse(scope: Scope, send: Send, status: int, text: bytes) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})  # before it was accepted: HTTP 403
        return
    await _answer(send, status, [(b"content-type", b"text/plain; charset=utf-8")], text)
