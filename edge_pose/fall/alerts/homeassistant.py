"""What Home Assistant needs to show the alarm by itself: MQTT discovery, and the states behind it.

Source: home-assistant.io, "MQTT" (discovery topic and payload, availability, origin) and "MQTT binary sensor"; device
classes from "Binary sensor entity": safety is on when unsafe, problem is on when there is one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from edge_pose.fall.event import FallEvent

HOLD_S = 3600.0  # how long an alarm stays on when nobody ever says that the person is up again
WATCH_STATES = {"watch.no_frames": "ON", "watch.covered": "ON", "watch.dark": "ON", "watch.ok": "OFF"}


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic, under one that is the camera's own."""

    base: str

    @property
    def slug(self) -> str:
        """The camera's name in ids: letters, digits, _ and - alone, as discovery topics want them."""
        return re.sub(r"[^a-zA-Z0-9_-]+", "_", self.base).strip("_") or "edge_pose"

    @property
    def events(self) -> str:
        """Every event, whole; not retained."""
        return f"{self.base}/events"

    @property
    def availability(self) -> str:
        """Say "online" or "offline", retained; the broker itself says the latter when the device is gone."""
        return f"{self.base}/availability"

    @property
    def heartbeat(self) -> str:
        """How the device is, now and then; not retained."""
        return f"{self.base}/heartbeat"

    @property
    def fall(self) -> str:
        """ON while somebody lies there, retained; {fall}/attributes has the event."""
        return f"{self.base}/fall"

    @property
    def camera(self) -> str:
        """ON while the camera sees nothing, retained; {camera}/attributes has the event."""
        return f"{self.base}/camera"


def discovery(topics: Topics, prefix: str, version: str) -> Iterator[tuple[str, str]]:
    """Yield topic and payload of each retained discovery message."""
    device = {
        "identifiers": [topics.slug],
        "name": topics.base.rpartition("/")[2].replace("_", " ") or "edge-pose",
        "manufacturer": "edge-pose",
        "model": "fall alarm",
        "sw_version": version,
    }
    sensors: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
        ("fall", "Fall", "safety", topics.fall, {}),
        ("camera", "Camera", "problem", topics.camera, {"entity_category": "diagnostic"}),
    )
    for key, name, device_class, topic, more in sensors:
        unique_id = f"{topics.slug}_{key}"
        payload = {
            "name": name,
            "unique_id": unique_id,
            "device_class": device_class,
            "state_topic": topic,
            "payload_on": "ON",
            "payload_off": "OFF",
            "json_attributes_topic": f"{topic}/attributes",
            "availability_topic": topics.availability,
            "payload_available": "online",
            "payload_not_available": "offline",
            "qos": 1,
            "device": device,
            "origin": {"name": "edge-pose", "sw_version": version},
            **more,
        }
        yield f"{prefix}/binary_sensor/{unique_id}/config", json.dumps(payload)


def attributes(event: FallEvent) -> str:
    """Return an event without its evidence: Home Assistant keeps at most 16 kB of attributes in its history."""
    values = {k: v for k, v in event.to_dict().items() if k != "evidence"}
    if "clip" in event.evidence:
        values["clip"] = event.evidence["clip"]
    return json.dumps(values)


class States:
    """Whether somebody lies there and whether the camera sees, as events of one run after the other tell it.

    A fall stays on until that person has recovered, or hold_s after the last event about them. Persons of an earlier
    run, whose ids mean nothing now, are up when anybody recovers. text: what `to_text` gave.
    """

    def __init__(self, text: str = "", hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._down: dict[int, float] = {}  # track id -> when it is forgotten, in seconds since 1970
        self._blind = "OFF"
        if text:
            stored = json.loads(text)
            self._blind = stored["camera"]
            if stored["until"]:
                self._down[-1] = float(stored["until"])

    def to_text(self) -> str:
        """Return what has to be kept across restarts."""
        return json.dumps({"camera": self._blind, "until": max(self._down.values(), default=0.0)})

    def take(self, event: FallEvent) -> None:
        """Learn from an event."""
        if event.event in ("fall.confirmed", "fall.still_down"):
            self._down[event.track_id] = time.time() + self._hold_s
        elif event.event == "fall.recovered":
            self._down.pop(event.track_id, None)
            self._down.pop(-1, None)
        self._blind = WATCH_STATES.get(event.event, self._blind)

    def fall(self) -> str:
        """Return ON or OFF."""
        now = time.time()
        self._down = {track: until for track, until in self._down.items() if until > now}
        return "ON" if self._down else "OFF"

    def camera(self) -> str:
        """Return ON where there is a problem, else OFF."""
        return self._blind
