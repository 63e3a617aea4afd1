"""Events to an MQTT broker, each acknowledged before it leaves the outbox."""

from __future__ import annotations

import hashlib
import json
import queue
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from edge_pose.errors import AddressError, AlertError, EventError, MissingDependencyError
from edge_pose.fall.alerts.homeassistant import States, Topics, attributes, discovery
from edge_pose.fall.alerts.outbox import Item, Outbox
from edge_pose.fall.alerts.secrets import address, secret, tls_context
from edge_pose.fall.alerts.sender import Backoff, Sender, Unreachable
from edge_pose.fall.event import FallEvent

WINDOW = 20  # events on their way at once; brokers allow as many by default
REFUSALS = 5  # of one event for its own sake, before it becomes a dead letter
ANSWER_S = 20.0  # for a broker that accepted the connection to say something
TOO_OLD, TOO_LARGE = 0x84, 0x95  # reason codes of MQTT 5: protocol version, packet size
Notices = queue.SimpleQueue[tuple[str, Any, Any]]  # kind, message id or reason code, reason code or properties
ITS_OWN_FAULT = {0x90, 0x95, 0x99}  # topic, size, format: another try of this event fails as well


@dataclass(frozen=True, slots=True)
class MqttTarget:
    """Where to publish. base: the topic under which the camera has all of its own."""

    host: str
    port: int
    tls: bool
    base: str
    user: str = ""
    password: str = field(repr=False, default="")
    ca_file: str = ""
    prefix: str = "homeassistant"  # of discovery messages; "" sends none
    heartbeat_s: float = 60.0
    keepalive_s: int = 30

    @classmethod
    def from_url(cls, url: str, *, ca_file: str = "", prefix: str = "homeassistant") -> MqttTarget:
        """Read "mqtts://[user@]host[:port][/base/topic]"; the base topic is edge-pose/HOSTNAME unless given.

        $EDGE_POSE_MQTT_USER and $EDGE_POSE_MQTT_PASSWORD (or the file that ..._PASSWORD_FILE names) log in. Raises
        AlertError, also for a password in the address.
        """
        mend = "set $EDGE_POSE_MQTT_PASSWORD or $EDGE_POSE_MQTT_PASSWORD_FILE"
        parts, port = address(url, {"mqtt": 1883, "mqtts": 8883}, "MQTT", mend)
        if "?" in url or "#" in url:
            raise AddressError("the MQTT address must end with the base topic; ? and # are not for it")
        base = parts.path.strip("/") or f"edge-pose/{socket.gethostname()}"
        if "+" in base or len(base.encode()) > 200:
            raise AddressError("the base topic of the MQTT address must have no + and at most 200 bytes")
        if any(c in prefix for c in "+#") or prefix.startswith("/"):
            raise AlertError(f"the discovery prefix must be a topic like homeassistant, got {prefix!r}")
        user, password = parts.username or secret("EDGE_POSE_MQTT_USER"), secret("EDGE_POSE_MQTT_PASSWORD")
        if password and not user:
            raise AlertError("there is an MQTT password and no user: set $EDGE_POSE_MQTT_USER")
        host = parts.hostname or ""
        return cls(host, port, parts.scheme == "mqtts", base, user, password, ca_file, prefix.strip("/"))


class MqttSender(Sender):
    """Publishes with QoS 1; an event is delivered when its PUBACK is here.

    Each connection is a clean session with a client object of its own, so that what is in flight dies with it and is
    sent again from the outbox, in order; what was acknowledged is not. Speaks MQTT 5, and 3.1.1 to brokers that know no
    better. The last will says "offline". health: what a heartbeat tells. Raises MissingDependencyError.
    """

    def __init__(
        self,
        target: MqttTarget,
        outbox: Outbox,
        on_rejected: Callable[[str, Item, str], None] = lambda name, item, why: None,
        health: Callable[[], dict[str, Any]] = dict,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__("mqtt", outbox, on_rejected, backoff or Backoff(most_s=60.0))
        self._paho = _paho()
        self._target, self._topics, self._health = target, Topics(target.base), health
        self._tls = tls_context(target.ca_file) if target.tls else None
        self._version = self._paho.MQTTv5
        self._states = _states(outbox)
        self._notices: Notices = queue.SimpleQueue()

    def session(self) -> None:
        """Connect, say hello, deliver until the connection breaks."""
        notices = self._notices = queue.SimpleQueue()
        client = self._client(notices)
        try:
            try:
                client.connect(self._target.host, self._target.port, keepalive=self._target.keepalive_s)
            except OSError:
                raise
            except ValueError as err:  # a host name that cannot be one
                raise Unreachable(f"cannot connect: {err}") from err
            client.loop_start()
            _Session(self, client, notices).run()
        finally:
            client.disconnect()
            client.loop_stop()

    def wake(self) -> None:
        """Say that there is something new in the outbox."""
        super().wake()
        self._notices.put(("wake", None, None))

    def _client(self, notices: Notices) -> Any:
        paho, to = self._paho, self._target
        name = "edge-pose-" + hashlib.sha256(f"{socket.gethostname()} {to.base}".encode()).hexdigest()[:13]
        clean = {} if self._version == paho.MQTTv5 else {"clean_session": True}
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, name, protocol=self._version, reconnect_on_failure=False, **clean
        )
        client.max_inflight_messages_set(WINDOW)
        if to.user:
            client.username_pw_set(to.user, to.password or None)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.will_set(self._topics.availability, "offline", qos=1, retain=True)
        client.on_connect = lambda c, u, flags, code, properties: notices.put(("connected", code, properties))
        client.on_disconnect = lambda c, u, flags, code, properties: notices.put(("down", code, None))
        client.on_publish = lambda c, u, mid, code, properties: notices.put(("acked", mid, code))
        return client


class _Session:
    """One connection, from CONNACK to its end."""

    def __init__(self, sender: MqttSender, client: Any, notices: Notices) -> None:
        self.sender, self.client, self.notices = sender, client, notices
        self.topics, self.outbox, self.states = sender._topics, sender.outbox, sender._states
        self.flying: dict[int, Item] = {}  # by message id
        self.last = 0  # the newest seq that was sent
        self.most_bytes = 1 << 28
        self.window = WINDOW
        self.shown = ("", "")  # the states that the broker has
        self.heard = self.beaten = time.monotonic()

    def run(self) -> None:
        """Deliver until the sender is to stop; raises Unreachable when the connection is gone."""
        self._connected()
        self.sender.well()
        self._greet()
        while not self.sender.stopping:
            self._fill()
            self._hear()
            self._beat()
        self._publish(self.topics.availability, "offline", retain=True)
        self._settle(2.0)

    def _connected(self) -> None:
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                kind, code, properties = self.notices.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Unreachable("the broker accepts connections and says nothing") from None
            if kind == "connected":
                break
            if kind == "down" or self.sender.stopping:
                raise Unreachable(f"the connection broke: {code}")
        if code.is_failure:
            if code.value == TOO_OLD and self.sender._version != self.sender._paho.MQTTv311:
                self.sender._version = self.sender._paho.MQTTv311
            raise Unreachable(f"the broker refuses the connection: {code}")
        self.most_bytes = getattr(properties, "MaximumPacketSize", self.most_bytes)
        self.window = max(1, min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW)))

    def _greet(self) -> None:
        from edge_pose import __version__

        if prefix := self.sender._target.prefix:
            for topic, payload in discovery(self.topics, prefix, __version__):
                self._publish(topic, payload, retain=True)
        self._publish(self.topics.availability, "online", retain=True)
        self._show(None)

    def _fill(self) -> None:
        free = self.window - len(self.flying)
        for item in self.outbox.pending(self.sender.name, after=self.last, limit=free) if free > 0 else ():
            self.last = item.seq
            event, body = _event(item), item.body
            if event is not None and len(body) + len(self.topics.events) + 32 > self.most_bytes:
                body = replace(event, evidence={"omitted": "the broker takes no packet of this size"}).to_json()
            if event is not None:
                self.states.take(event)
            self._show(event)  # before the event: once that is acknowledged, these have arrived as well
            self.flying[self._publish(self.topics.events, body)] = item

    def _show(self, event: FallEvent | None) -> None:
        states = (self.states.fall(), self.states.camera())
        for topic, old, new, family in zip(
            (self.topics.fall, self.topics.camera), self.shown, states, ("fall.", "watch."), strict=True
        ):
            if event is not None and event.event.startswith(family):
                self._publish(f"{topic}/attributes", attributes(event), retain=True)
            if new != old:
                self._publish(topic, new, retain=True)
        if states != self.shown:
            self.shown = states
            self.outbox.note("states", self.states.to_text())

    def _hear(self) -> None:
        """Wait for a notice and take all there are."""
        try:
            notices = [self.notices.get(timeout=1.0)]
        except queue.Empty:
            notices = []
        while not self.notices.empty():
            notices.append(self.notices.get())
        through: list[int] = []
        for kind, what, code in notices:
            if kind == "acked" and what in self.flying:
                self.heard = time.monotonic()
                item = self.flying.pop(what)
                if code.is_failure:
                    self.outbox.done(self.sender.name, through)
                    self._refused(item, code)
                through.append(item.seq)
                self.sender.sent += 1
            elif kind == "down":
                self.outbox.done(self.sender.name, through)
                if what.value == TOO_LARGE and self.flying:
                    self._refused(max(self.flying.values(), key=lambda item: len(item.body)), what)
                raise Unreachable(f"the connection broke: {what}")
        if through:
            self.outbox.done(self.sender.name, through)
        if not self.flying:
            self.heard = time.monotonic()
        elif time.monotonic() - self.heard > ANSWER_S:
            raise Unreachable("the broker acknowledges nothing")

    def _refused(self, item: Item, code: Any) -> None:
        if code.value in ITS_OWN_FAULT:
            self.sender.rejected(item, str(code), dead=item.tries + 1 >= REFUSALS)
        raise Unreachable(f"the broker refused an event: {code}")

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self.beaten < self.sender._target.heartbeat_s:
            return
        self.beaten = now
        self._show(None)  # an alarm may have run out
        self._publish(self.topics.availability, "online", retain=True)  # a late last will of ours is put right
        self.client.publish(self.topics.heartbeat, json.dumps(self.sender._health()), qos=0)

    def _settle(self, timeout_s: float) -> None:
        """Take the last acknowledgements before leaving."""
        until = time.monotonic() + timeout_s
        last = self._publish(self.topics.heartbeat, json.dumps(self.sender._health()))
        through: list[int] = []
        while (left := until - time.monotonic()) > 0:
            try:
                kind, what, code = self.notices.get(timeout=left)
            except queue.Empty:
                break
            if kind == "acked" and what in self.flying and not code.is_failure:
                through.append(self.flying.pop(what).seq)
            if kind == "down" or (kind == "acked" and what == last and not self.flying):
                break
        self.outbox.done(self.sender.name, through)

    def _publish(self, topic: str, payload: str, *, retain: bool = False) -> int:
        return int(self.client.publish(topic, payload, qos=1, retain=retain).mid)


def _event(item: Item) -> FallEvent | None:
    try:
        return FallEvent.from_json(item.body)
    except EventError:  # of another version: it is sent as it is
        return None


def _states(outbox: Outbox) -> States:
    try:
        return States(outbox.note("states"))
    except (ValueError, KeyError, TypeError):  # a note of another version: everybody is up until told otherwise
        return States()


def _paho() -> Any:
    try:
        import paho.mqtt.client
        import paho.mqtt.enums
    except ModuleNotFoundError as err:
        if err.name not in ("paho", "paho.mqtt"):
            raise
        raise MissingDependencyError("paho.mqtt is not installed; run: pip install 'edge-pose[fall]'") from err
    return paho.mqtt.client
