"""The newest result and the running figures: written by the pipeline's thread, read by those of the page."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge_pose.frames import Frame, Image
from edge_pose.poses import Poses

EVENTS = 50  # that the page lists
RECENT = 512  # frames that quantiles are taken of
NAMES = 32  # stages, counters and kinds of events; more than a program has, less than a mistake makes
FPS_FRAMES, FPS_S = 60, 3.0
BOUNDS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)  # of the latency histogram
EVENT_FIELDS = ("id", "event", "track_id", "time_s", "wall_time", "confidence")  # of what the page shows


class Result(Protocol):
    """What came of one frame, as the pipeline hands it out; `events` may be missing."""

    @property
    def frame(self) -> Frame:
        """The picture with its time."""

    @property
    def poses(self) -> Poses:
        """Everybody."""

    @property
    def timings_ms(self) -> Mapping[str, float]:
        """Milliseconds by stage; "latency", else "total", is what the latency figures are of."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One result, as far as the page needs it. image: None where no pixel may leave the machine."""

    seq: int
    index: int
    time_s: float
    size_wh: tuple[int, int]
    image: Image | None
    poses: Poses
    timings_ms: Mapping[str, float]
    fps: float
    counters: Mapping[str, int]
    given_up: tuple[str, ...]


@dataclass(slots=True)
class Stage:
    """Milliseconds of one stage: of all frames together, and of each of the last."""

    total_ms: float = 0.0
    count: int = 0
    last_ms: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, ms: float) -> None:
        """Count one frame."""
        self.total_ms += ms
        self.count += 1
        self.last_ms.append(ms)


@dataclass(slots=True)
class Figures:
    """All that /metrics tells; a copy of its own for each reader."""

    frames: int = 0
    people: int = 0
    fps: float = 0.0
    age_s: float | None = None  # of the newest frame; None before the first
    counters: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    latency_s: float = 0.0  # of all frames together


class Board:
    """`put` costs a few microseconds and waits for nobody but a reader that copies figures.

    privacy: no picture is kept.
    """

    def __init__(self, *, privacy: bool = False) -> None:
        self._privacy = privacy
        self._changed = threading.Condition()
        self._newest: Snapshot | None = None
        self._wanted = self._closed = False
        self._times: deque[float] = deque(maxlen=FPS_FRAMES)  # of the last seconds' frames
        self._last_s: float | None = None
        self._figures = Figures()
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self.seq = 0  # of the newest result; 0 before the first
        self.events_seen = 0

    def put(self, result: Result, counters: Mapping[str, int]) -> None:
        """Take a result in. One of the same frame and poses as the last is that again, with more events."""
        frame, poses, events = result.frame, result.poses, getattr(result, "events", ())
        now, timings = time.monotonic(), dict(result.timings_ms)
        latency_ms = timings.get("latency", timings.get("total", math.nan))
        height, width = frame.image.shape[:2]
        image = None if self._privacy else frame.image
        with self._changed:
            last = self._newest
            if last is None or last.poses is not poses or last.index != frame.index:
                self._times.append(now)
                self._last_s = now
                self._count(len(poses), timings, latency_ms, counters)
            self._keep(events)
            self.seq += 1
            fps, known = self._fps(now), dict(self._figures.counters)
            size, given_up = (width, height), tuple(getattr(result, "given_up", ()))
            what = (self.seq, frame.index, frame.time_s, size, image, poses, timings, fps, known, given_up)
            self._newest = Snapshot(*what)
            if self._wanted:
                self._changed.notify_all()

    def _count(
        self,
        people: int,
        timings: Mapping[str, float],
        latency_ms: float,
        counters: Mapping[str, int],
    ) -> None:
        figures = self._figures
        figures.frames += 1
        figures.people = people
        for name, value in counters.items():
            if name in figures.counters or len(figures.counters) < NAMES:
                figures.counters[name] = int(value)
        for name, ms in timings.items():
            if math.isfinite(ms) and (name in figures.stages or len(figures.stages) < NAMES):
                figures.stages.setdefault(name, Stage()).add(ms)
        if math.isfinite(latency_ms):
            figures.latency_s += latency_ms / 1e3
            figures.buckets[bisect_left(BOUNDS_S, latency_ms / 1e3)] += 1

    def _keep(self, events: Sequence[Any]) -> None:
        figures = self._figures
        for event in events:
            row = plain_event(event)
            kind = row["event"]
            if kind in figures.events or len(figures.events) < NAMES:
                figures.events[kind] = figures.events.get(kind, 0) + 1
            self._events.appendleft(row)
            self.events_seen += 1

    def _fps(self, now: float) -> float:
        while self._times and now - self._times[0] > FPS_S:
            self._times.popleft()
        spread = now - self._times[0] if self._times else 0.0
        return max(0, len(self._times) - 1) / spread if spread > 0 else 0.0

    def want(self, wanted: bool) -> None:
        """Say whether anybody is ready for a picture."""
        with self._changed:
            self._wanted = wanted
            if wanted:
                self._changed.notify_all()

    def wait(self, after: int) -> Snapshot | None:
        """Return the newest result once there is one later than `after` and somebody wants it; None after close."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._wanted and self.seq > after))
            return None if self._closed else self._newest

    def newest(self) -> Snapshot | None:
        """Return the newest result."""
        with self._changed:
            return self._newest

    def events(self) -> list[dict[str, Any]]:
        """Return the last events, newest first."""
        with self._changed:
            return list(self._events)

    def age_s(self) -> float | None:
        """Seconds since the newest result; None before the first."""
        with self._changed:
            return None if self._last_s is None else time.monotonic() - self._last_s

    def figures(self) -> Figures:
        """Return a copy of the figures as they are now."""
        now = time.monotonic()
        with self._changed:
            own = self._figures
            age_s = None if self._last_s is None else now - self._last_s
            stages = {name: Stage(s.total_ms, s.count, s.last_ms.copy()) for name, s in own.stages.items()}
            fps = self._fps(now)
            copies = dict(own.counters), Counter(own.events), stages, own.buckets.copy()
            return Figures(own.frames, own.people, fps, age_s, *copies, own.latency_s)

    def close(self) -> None:
        """Let whoever waits go; drop the picture."""
        with self._changed:
            self._closed, self._newest = True, None
            self._changed.notify_all()


def plain_event(event: Any) -> dict[str, Any]:
    """Return the short fields of an event (an object or a table) as JSON values; its source and evidence stay here."""
    table = event if isinstance(event, Mapping) else None
    row: dict[str, Any] = {}
    for name in EVENT_FIELDS:
        value = table.get(name) if table is not None else getattr(event, name, None)
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        row[name] = value if value is None or isinstance(value, (bool, int, float)) else str(value)[:100]
    row["event"] = str(row["event"] or type(event).__name__)
    return row
