"""`Alerts`: takes events at any moment, loses none, holds nobody up."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from edge_pose.errors import EventError, OutputError
from edge_pose.fall.alerts.clip import ClipRecorder
from edge_pose.fall.alerts.jsonl import EventLog
from edge_pose.fall.alerts.outbox import Item, Outbox
from edge_pose.fall.alerts.sender import Sender
from edge_pose.fall.alerts.systemd import notify, watchdog_s
from edge_pose.fall.alerts.watchdog import Change, Watchdog
from edge_pose.fall.event import FallEvent, utc
from edge_pose.frames import Image
from edge_pose.poses import Poses

log = logging.getLogger(__name__)
FILE = "file"  # the name of the JSON lines among the outbox's destinations
AT_ONCE = 200
HUNG_S = 900.0  # a loop that was silent for so long is restarted by systemd, where that watches
CLIPPED = ("fall.candidate", "fall.confirmed")


@dataclass(slots=True, eq=False)
class _Entry:
    """An event on its way to the disk. tried: saved says whether it got there."""

    event: FallEvent
    tried: threading.Event = field(default_factory=threading.Event)
    saved: bool = False


class Alerts:
    """Everything between an event and the people who have to know. Made by `open_alerts`; a context manager.

    A thread of its own writes to the disk, one for each destination sends; `write` waits a moment for the disk and for
    nothing else. counters: what has happened so far; health(): how it is now.
    """

    def __init__(
        self,
        *,
        outbox: Outbox | None,
        event_log: EventLog | None,
        make_senders: Callable[[Alerts], Sequence[Sender]] = lambda alerts: (),
        clips: ClipRecorder | None = None,
        watchdog: Watchdog | None = None,
        source: str = "",
        retry_s: float = 1.0,
    ) -> None:
        self._outbox, self._log, self._clips, self._watchdog = outbox, event_log, clips, watchdog
        self._source, self._retry_s = source, retry_s
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._log_trouble = ""
        self._unlogged: list[str] = []  # lines that no file and no outbox has taken yet
        self._counts = {"written": 0, "durable": 0, "errors": 0}
        self._last_time_s = 0.0
        self._alive_s = time.monotonic()
        self._closed = False
        self._closing = threading.Event()
        self._senders = tuple(make_senders(self))
        self._writer = threading.Thread(target=self._write_all, name="edge-pose events", daemon=True)
        self._writer.start()
        for sender in self._senders:
            sender.start()
        self._clock = threading.Thread(target=self._watch, name="edge-pose watch", daemon=True)
        self._clock.start()
        notify("READY=1")

    # For the loop that sees

    def write(self, event: FallEvent, wait_s: float = 0.1) -> bool:
        """Take an event. True: it is on the disk; False: it is not yet, and kept in memory until the disk takes it.

        wait_s bounds how long the caller can be held up. Raises OutputError after close().
        """
        if self._closed:
            raise OutputError("the alerts are closed: this event cannot be told any more")
        event = self._with_clip(event)
        entry = _Entry(event)
        self._queue.put(entry)
        self._counts["written"] += 1
        return wait_s > 0 and entry.tried.wait(wait_s) and entry.saved

    def observe(
        self, time_s: float, poses: Poses, image: Image | None = None, size_hw: tuple[int, int] | None = None
    ) -> None:
        """Show every frame's people to the watchdog and the clips, which want the image, or at least its size."""
        self.alive()
        self._last_time_s = time_s
        size = size_hw if image is None else (image.shape[0], image.shape[1])
        if self._clips is not None and size is not None:
            self._clips.observe(time_s, poses, size, image)
        if self._watchdog is not None and image is not None:
            self._tell(self._watchdog.frame(image, len(poses), time.monotonic()))

    def alive(self) -> None:
        """Say that the loop runs, with or without frames; `observe` says it too."""
        self._alive_s = time.monotonic()

    # For those who ask

    @property
    def counters(self) -> dict[str, int]:
        """Events written and durable; sent, refused and failures for each destination; errors of the disk; clips."""
        counts = dict(self._counts)
        for sender in self._senders:
            counts[f"{sender.name}_sent"] = sender.sent
            counts[f"{sender.name}_refused"] = sender.refused
            counts[f"{sender.name}_failures"] = sender.failures
        if self._clips is not None:
            counts["clips"], counts["clips_failed"] = self._clips.written, self._clips.failed
        return counts

    def health(self) -> dict[str, Any]:
        """Return how things are, as JSON values: for a heartbeat and a health page."""
        found: dict[str, Any] = {"wall_time": utc(), "loop_silent_s": round(time.monotonic() - self._alive_s, 1)}
        if self._watchdog is not None:
            silent_s = time.monotonic() - self._watchdog.last_frame_s
            found |= {"camera": self._watchdog.state, "last_frame_s": round(silent_s, 1)}
        if self._outbox is not None:
            found |= {"outbox": self._outbox.counts(), "unsaved": self._outbox.unsaved}
        found["trouble"] = {sender.name: sender.trouble for sender in self._senders if sender.trouble}
        return {**found, **self.counters}

    def revive(self) -> int:
        """Have all dead letters sent again; returns how many."""
        revived = 0
        for sender in self._senders:
            if self._outbox is not None:
                revived += self._outbox.revive(sender.name)
            sender.wake()
        return revived

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what can be sent within the time, and leave. What could not waits in the outbox for the next start."""
        if self._closed:
            return
        self._closed = True
        until = time.monotonic() + timeout_s
        notify("STOPPING=1")
        if self._clips is not None:
            self._clips.close(timeout_s)
        self._closing.set()
        self._queue.put(None)
        self._writer.join(max(0.1, until - time.monotonic()))
        while self._undelivered() and time.monotonic() < until:
            time.sleep(0.02)
        for sender in self._senders:
            sender.stop()
        for sender in self._senders:
            sender.join(max(1.0, until - time.monotonic()))
        self._clock.join(1.0)
        if self._outbox is not None:
            self._outbox.close()
        if self._log is not None:
            self._log.close()
        if self._unlogged:
            log.error("%d events could not be written to the disk and are lost", len(self._unlogged))

    def __enter__(self) -> Alerts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # For our own threads

    def report(self, kind: str, evidence: dict[str, Any]) -> None:
        """Write an event of the watch; never waits."""
        if not self._closed:
            event = FallEvent(event=kind, time_s=self._last_time_s, evidence=evidence, source=self._source)
            self.write(event, wait_s=0.0)

    def rejected(self, destination: str, item: Item, why: str) -> None:
        """Tell that a receiver refused an event; that it refused this telling is not told again."""
        if '"event":"watch.rejected"' not in item.body:
            self.report("watch.rejected", {"destination": destination, "id": item.id, "why": why})

    def _with_clip(self, event: FallEvent) -> FallEvent:
        if self._clips is None or event.event not in CLIPPED:
            return event
        name = self._clips.begin(event)
        with contextlib.suppress(EventError):  # evidence at its limit: the clip is found by its name, the event's id
            return replace(event, evidence={**event.evidence, "clip": name}) if name else event
        return event

    def _tell(self, change: Change | None) -> None:
        if change is None:
            return
        if self._outbox is not None:
            self._outbox.note("watch", change.state)
        self.report(f"watch.{change.state}", change.evidence)

    def _undelivered(self) -> bool:
        if self._outbox is None or self._outbox.unsaved:
            return self._outbox is not None
        names = {sender.name for sender in self._senders}
        return any(counts["pending"] for name, counts in self._outbox.counts().items() if name in names)

    def _write_all(self) -> None:
        """Put events on the disk, as many at once as there are."""
        self._write_log()  # what the last run left
        last = False
        while not last:
            try:
                first = self._queue.get(timeout=self._retry_s)
            except queue.Empty:
                if self._unlogged or (self._outbox is not None and self._outbox.unsaved):
                    self._store([])
                continue
            batch, last = self._collected(first)
            if not self._store(batch):
                self._counts["errors"] += 1

    def _collected(self, first: _Entry | None) -> tuple[list[_Entry], bool]:
        batch, item = [], first
        while item is not None:
            batch.append(item)
            if len(batch) == AT_ONCE or self._queue.empty():
                return batch, False
            item = self._queue.get()
        return batch, True

    def _store(self, batch: list[_Entry]) -> bool:
        events = [entry.event for entry in batch]
        if self._outbox is not None:
            saved = self._outbox.put([(event.id, event.to_json()) for event in events])
            for sender in self._senders:
                sender.wake()
            logged = self._write_log()
        else:
            self._unlogged += [event.to_json() for event in events]
            saved = logged = self._write_log()
        self._counts["durable"] += len(batch) if saved else 0
        for entry in batch:
            entry.saved = saved
            entry.tried.set()
        return saved and logged

    def _write_log(self) -> bool:
        """Append what the file lacks; what it does not take now is tried again with the next event, or in a second."""
        if self._log is None:
            self._unlogged.clear()
            return True
        try:
            if self._unlogged:
                self._log.append(self._unlogged)
                self._unlogged.clear()
            while self._outbox is not None and (items := self._outbox.pending(FILE, limit=AT_ONCE)):
                self._log.append([item.body for item in items])
                self._outbox.done(FILE, [item.seq for item in items])
        except OutputError as err:
            if str(err) != self._log_trouble:
                self._log_trouble = str(err)
                log.error("%s; trying again until it works", err)
            return False
        self._log_trouble = ""
        return True

    def _watch(self) -> None:
        """Once a second: is the camera silent, does the loop run, does systemd want to hear of it?"""
        every_s = watchdog_s()
        told_s = float("-inf")
        pause_s = min(1.0, every_s / 4) if every_s else 1.0
        while not self._closing.wait(pause_s):
            now = time.monotonic()
            if self._watchdog is not None:
                self._tell(self._watchdog.tick(now))
            if every_s and now - self._alive_s < HUNG_S and now - told_s >= every_s / 3:
                notify("WATCHDOG=1")
                told_s = now
