"""Events by HTTPS POST, signed after the Standard Webhooks specification so that ready-made libraries check them.

Headers: `webhook-id` (the event's id: keep those you saw and drop repetitions), `webhook-timestamp` (seconds since 1970
of this try) and `webhook-signature: v1,<base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")>`. `verify` is the
other side. Source: https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import binascii
import email.utils
import hashlib
import hmac
import http.client
import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_pose.errors import AddressError, AlertError
from edge_pose.fall.alerts.outbox import Item, Outbox
from edge_pose.fall.alerts.secrets import address, secret, tls_context
from edge_pose.fall.alerts.sender import Backoff, Sender, Unreachable

AT_ONCE = 20  # events sent between two visits to the outbox's disk
LATER = {408, 425, 429}  # 4xx that say nothing about the event
MOST_ANSWER = 64 << 10
LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where to post. path holds the query too: it may be secret, as the key is, so neither is ever shown."""

    host: str
    port: int
    tls: bool
    path: str = field(repr=False, default="/")
    key: bytes = field(repr=False, default=b"")
    ca_file: str = ""
    timeout_s: float = 10.0
    refusals: int = 5  # of one event, before it becomes a dead letter

    @classmethod
    def from_url(cls, url: str, *, allow_http: bool = False, ca_file: str = "") -> WebhookTarget:
        """Read the address, and the secret from $EDGE_POSE_WEBHOOK_SECRET or the file in ..._SECRET_FILE.

        http:// is for this machine alone, unless allow_http. Raises AlertError.
        """
        mend = "put a token into the path or query of a file's address, and the signing secret into the environment"
        parts, port = address(url, {"https": 443, "http": 80}, "webhook", mend)
        host = parts.hostname or ""
        if parts.username is not None:
            raise AddressError(f"the webhook address must not hold a user name: {mend}")
        if parts.scheme == "http" and not (allow_http or _loopback(host)):
            raise AddressError("the webhook address must begin with https:// (http:// is for this machine alone)")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.isascii():
            raise AddressError("the path of the webhook address must be ASCII, with %XX for the rest")
        return cls(host, port, parts.scheme == "https", path, key_of(secret("EDGE_POSE_WEBHOOK_SECRET")), ca_file)


def key_of(text: str) -> bytes:
    """Return the key of a secret: "whsec_" and base64 as the specification writes it, else the text's own bytes."""
    if text.startswith("whsec_"):
        try:
            return base64.b64decode(text[6:], validate=True)
        except binascii.Error as err:
            raise AlertError("the webhook secret begins with whsec_, but what follows is not base64") from err
    return text.encode()


def signature(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """Return what `webhook-signature` holds."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verify(
    key: bytes, headers: Mapping[str, str], body: bytes, *, now_s: float | None = None, tolerance_s: float = 300
) -> bool:
    """Whether a request is ours and fresh. headers: with lower-case names; body: the bytes as they came.

    What was sent more than tolerance_s ago is refused; within it, tell repetitions by `webhook-id`. Never raises.
    """
    try:
        event_id, sent_s = headers["webhook-id"], int(headers["webhook-timestamp"])
    except (KeyError, ValueError):
        return False
    if not key or abs((time.time() if now_s is None else now_s) - sent_s) > tolerance_s:
        return False
    wanted = signature(key, event_id, sent_s, body).encode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(wanted, one.encode()) for one in given)


class WebhookSender(Sender):
    """Posts events one after the other.

    2xx: delivered. 5xx, 408, 425, 429 and network failures: tried again for ever, later and later, or when Retry-After
    says. Anything else, redirects included (a body is not carried to where they lead): this event was refused; after
    `refusals` tries it becomes a dead letter and the next one is sent.
    """

    def __init__(
        self,
        target: WebhookTarget,
        outbox: Outbox,
        on_rejected: Callable[[str, Item, str], None] = lambda name, item, why: None,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__("webhook", outbox, on_rejected, backoff or Backoff())
        self._target = target
        self._tls = tls_context(target.ca_file) if target.tls else None

    def session(self) -> None:
        """Deliver over one connection, as long as it lasts."""
        connection = self._connection()
        try:
            while not self.stopping:
                items = self.outbox.pending(self.name, limit=AT_ONCE)
                if not items:
                    self.wait(60.0)
                    continue
                self._deliver(connection, items)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        to = self._target
        if self._tls is not None:
            return http.client.HTTPSConnection(to.host, to.port, timeout=to.timeout_s, context=self._tls)
        return http.client.HTTPConnection(to.host, to.port, timeout=to.timeout_s)

    def _deliver(self, connection: http.client.HTTPConnection, items: list[Item]) -> None:
        through: list[int] = []
        try:
            for item in items:
                if self.stopping:
                    break
                self._post(connection, item)
                through.append(item.seq)
        finally:
            self.outbox.done(self.name, through)

    def _post(self, connection: http.client.HTTPConnection, item: Item) -> None:
        body, now = item.body.encode(), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "edge-pose",
            "webhook-id": item.id,
            "webhook-timestamp": str(now),
        }
        if self._target.key:
            headers["webhook-signature"] = signature(self._target.key, item.id, now, body)
        try:
            connection.request("POST", self._target.path, body, headers)
            answer = connection.getresponse()
            if len(answer.read(MOST_ANSWER)) == MOST_ANSWER or answer.will_close:
                connection.close()  # and opened again by the next request
        except http.client.HTTPException as err:
            raise Unreachable(f"the answer is no HTTP ({type(err).__name__})") from err
        if 200 <= answer.status < 300:
            self.sent += 1
            self.well()
            return
        why = f"HTTP {answer.status}"
        if answer.status >= 500 or answer.status in LATER:
            raise Unreachable(why, _retry_after_s(answer.headers))
        dead = item.tries + 1 >= self._target.refusals
        self.rejected(item, why, dead=dead)
        raise Unreachable(f"refused an event: {why}")


def _retry_after_s(headers: Any) -> float:
    """Seconds or a date (RFC 9110, 10.2.3), within reason; 0 where it says nothing."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text[:9]), LONGEST_WAIT_S))
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, moment - time.time()), LONGEST_WAIT_S)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
