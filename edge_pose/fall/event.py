"""`FallEvent`: what is told about a fall, or about the watch itself, once and for good."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import numpy as np

from edge_pose.errors import EventError, SpecError
from edge_pose.redact import source_name
from edge_pose.strict import nearest, read

FALLS: Mapping[str, str] = MappingProxyType(
    {
        "fall.candidate": "a fall that could not be watched to its end: the person left, or the clip ended",
        "fall.confirmed": "somebody fell and stayed down",
        "fall.still_down": "the same person is still down: escalate",
        "fall.recovered": "the same person is up again",
    }
)
WATCHES: Mapping[str, str] = MappingProxyType(
    {
        "watch.no_frames": "the camera delivers nothing",
        "watch.covered": "the picture has no contrast and shows nobody: something is before the lens",
        "watch.dark": "the picture is black and shows nobody",
        "watch.ok": "the camera sees again",
        "watch.outbox_reset": "the outbox was unreadable and has been set aside; events in it may be lost",
        "watch.events_dropped": "the outbox was full: the oldest undelivered events were given up",
        "watch.rejected": "a receiver refused an event for good; it is kept in the outbox as a dead letter",
    }
)
KINDS: tuple[str, ...] = (*FALLS, *WATCHES)
MAX_BYTES = 256 << 10  # of an event as JSON: what every receiver takes, and what an outbox can be sized by
MAX_DEPTH = 16
WALL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def utc(unix_s: float | None = None) -> str:
    """Return a moment, by default now, as "2026-01-31T12:34:56.789Z"."""
    moment = datetime.now(timezone.utc) if unix_s is None else datetime.fromtimestamp(unix_s, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class FallEvent:
    """One thing that happened. Equal ids are the same event, however often it arrives.

    event: one of KINDS. time_s: seconds since the stream began. track_id: of the person, -1 where there is none.
    confidence: in [0, 1]. evidence: features, thresholds and the rule that fired, as JSON values (numpy's become plain,
    what is not finite becomes None). source: the stream, freed of secrets. id: a UUID, made unless given. wall_time:
    ISO 8601 in UTC, to the millisecond; now unless given. Raises EventError for anything else, and for an event of more
    than MAX_BYTES as JSON.
    """

    event: str
    time_s: float
    track_id: int = -1
    confidence: float = 1.0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    wall_time: str = field(default_factory=utc)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.event not in KINDS:
            raise EventError(f"event {self.event!r} is unknown: {nearest(str(self.event), KINDS)}")
        put(self, "time_s", _number("time_s", self.time_s))
        put(self, "confidence", _number("confidence", self.confidence))
        if not 0 <= self.confidence <= 1:
            raise EventError(f"confidence must be between 0 and 1, got {self.confidence}")
        if isinstance(self.track_id, bool) or not isinstance(self.track_id, (int, np.integer)):
            raise EventError(f"track_id must be a whole number, got {self.track_id!r}")
        put(self, "track_id", int(self.track_id))
        if not isinstance(self.evidence, Mapping):
            raise EventError(f"evidence must be a table, got {type(self.evidence).__name__}")
        put(self, "evidence", _plain(self.evidence, "evidence", 0))
        if not isinstance(self.source, str):
            raise EventError(f"source must be text, got {type(self.source).__name__}")
        put(self, "source", source_name(self.source))
        put(self, "id", _uuid(self.id))
        put(self, "wall_time", _moment(self.wall_time))
        size = len(self.to_json().encode("utf-8", "surrogatepass"))
        if size > MAX_BYTES:
            raise EventError(f"an event must be at most {MAX_BYTES} bytes as JSON, got {size}: shorten the evidence")

    def __hash__(self) -> int:
        return hash(self.id)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, in the order of the file format."""
        order = ("id", "event", "track_id", "time_s", "wall_time", "confidence", "evidence", "source")
        return {name: getattr(self, name) for name in order}

    def to_json(self) -> str:
        """Return the event as one line of ASCII JSON, without the line end."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> FallEvent:
        """Read what to_json wrote: every field there, none unknown. Raises EventError."""
        if len(text) > MAX_BYTES:
            raise EventError(f"an event must be at most {MAX_BYTES} bytes as JSON, got {len(text)}")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as err:
            raise EventError(f"an event must be JSON: {err}") from err
        missing = [f.name for f in fields(cls) if f.name not in values] if isinstance(values, dict) else []
        if missing:
            raise EventError(f"an event lacks {', '.join(missing)}")
        try:
            return read(cls, values, "event", {Mapping[str, Any]: lambda value, _: value})
        except SpecError as err:
            raise EventError(str(err)) from err


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise EventError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise EventError(f"{name} must be finite, got {value}")
    return float(value)


def _uuid(value: Any) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError) as err:
        raise EventError(f"id must be a UUID, got {value!r}") from err


def _moment(value: Any) -> str:
    if isinstance(value, str) and WALL_TIME.fullmatch(value):
        try:
            datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
        except ValueError as err:
            raise EventError(f"wall_time {value!r} is no date: {err}") from err
        return value
    raise EventError(f'wall_time must be like "2026-01-31T12:34:56.789Z", got {value!r}')


def _plain(value: Any, where: str, depth: int) -> Any:
    """Return a copy made of JSON values alone."""
    if depth > MAX_DEPTH:
        raise EventError(f"{where} is nested deeper than {MAX_DEPTH}")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise EventError(f"{where} has the key {key!r}, which is no text")
        return {key: _plain(inner, f"{where}.{key}", depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, f"{where}[{i}]", depth + 1) for i, inner in enumerate(value)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise EventError(f"{where} must be a JSON value, got {type(value).__name__}")
