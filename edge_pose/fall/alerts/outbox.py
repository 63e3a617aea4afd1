"""The outbox: events on disk until everybody they are for has acknowledged them."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_pose.errors import OutputError
from edge_pose.fall.alerts import outbox_file

log = logging.getLogger(__name__)
MAX_BYTES = 256 << 20
RETRY_S = 1.0  # between tries to write while the disk takes nothing
TOTAL = "SELECT coalesce(sum(length(body)), 0) FROM events"
PENDING = """
SELECT e.seq, e.id, e.body, d.tries FROM deliveries d JOIN events e USING(seq)
WHERE d.destination = ? AND d.seq > ? AND NOT d.dead ORDER BY d.seq LIMIT ?"""
FIRST_TO_GO = """
SELECT seq, length(body) FROM events e ORDER BY body NOT LIKE '%"event":"watch.%',
EXISTS(SELECT 1 FROM deliveries d WHERE d.seq = e.seq AND NOT d.dead), seq LIMIT 100"""


@dataclass(frozen=True, slots=True)
class Item:
    """An event for one destination. seq: its place in the order of arrival; tries: refusals so far."""

    seq: int
    id: str
    body: str
    tries: int = 0


class Outbox:
    """Events and who has yet to acknowledge them, in SQLite (WAL, every commit synced to the disk).

    One process at a time, any number of its threads. destinations: who gets the events that are put from now on. An
    event leaves when its last delivery was marked done; refused ones stay as dead letters. The bound is in bytes of
    events: beyond max_bytes, the oldest are given up, those of the watch first, then dead letters, then falls; on_loss
    is told how many. While the disk takes nothing, events are kept in memory and delivered from there; they move to the
    disk as soon as it lets them. A file that is no database, or broken, is put aside under another name, what could be
    read of it is kept, and on_reset is told. Raises OutputError where the file cannot be used at all, or another
    process uses it.
    """

    def __init__(
        self,
        path: Path,
        destinations: Sequence[str],
        *,
        max_bytes: int = MAX_BYTES,
        on_loss: Callable[[int], None] = lambda count: None,
        on_reset: Callable[[str], None] = lambda why: None,
    ) -> None:
        self.path, self.destinations = path, tuple(destinations)
        self._max_bytes, self._on_loss, self._on_reset = max_bytes, on_loss, on_reset
        self._guard = threading.RLock()
        self._memory: dict[int, tuple[Item, set[str]]] = {}  # what is not on the disk, and for whom
        self._ids: set[str] = set()  # of those
        self._done: set[tuple[str, int]] = set()  # acknowledged, but the disk did not take it
        self._retry_at = 0.0
        self._lock = outbox_file.alone(path)
        try:
            self._connection, reset = outbox_file.opened(path)
        except BaseException:
            self._lock.close()
            raise
        self._volatile, self._trouble = False, ""
        self._next = self._one("SELECT coalesce(max(seq), 0) + 1 FROM events")
        if reset:
            self._tell(reset)
        for name, n in self.counts().items():
            if name not in destinations and n["pending"]:
                log.warning(
                    "the outbox %s holds %d events for %s, which is not among the destinations now",
                    path,
                    n["pending"],
                    name,
                )

    # What callers do

    def put(self, events: Sequence[tuple[str, str]]) -> bool:
        """Take events as (id, body). True: they are on the disk. An id that is there already is not taken twice."""
        with self._guard:
            for event_id, body in events:
                if event_id not in self._ids:
                    self._memory[self._next] = (Item(self._next, event_id, body), set(self.destinations))
                    self._ids.add(event_id)
                    self._next += 1
            saved = self.save(now=True)
            self._bound()
            return saved

    def pending(self, destination: str, after: int = 0, limit: int = 20) -> list[Item]:
        """Return the oldest undelivered events beyond a seq, in order."""
        with self._guard:
            self.save()
            rows = self._rows(PENDING, (destination, after, limit + len(self._done)))
            items = [Item(*row) for row in rows if (destination, row[0]) not in self._done]
            items += [item for item, to in self._memory.values() if destination in to and item.seq > after]
            return sorted(items, key=lambda item: item.seq)[:limit]

    def done(self, destination: str, seqs: Sequence[int]) -> None:
        """Mark as acknowledged. What nobody waits for any more is removed."""
        with self._guard:
            for seq in seqs:
                if seq in self._memory:
                    self._forget(destination, seq)
                else:
                    self._done.add((destination, seq))
            self.save(now=True)

    def refused(self, destination: str, seq: int, error: str, *, dead: bool) -> None:
        """Note a refusal. dead: give up sending it, but keep it; what was only in memory cannot be kept."""
        with self._guard:
            self.save(now=True)
            query = "UPDATE deliveries SET tries = tries + 1, error = ?, dead = ? WHERE destination = ? AND seq = ?"
            self._change(lambda: self._connection.execute(query, (error, dead, destination, seq)))
            if dead and seq in self._memory:
                self._forget(destination, seq)

    def revive(self, destination: str) -> int:
        """Have the dead letters of a destination sent again; returns how many."""
        with self._guard:
            there = self._one("SELECT count(*) FROM deliveries WHERE dead AND destination = ?", (destination,))
            query = "UPDATE deliveries SET dead = 0, tries = 0 WHERE destination = ?"
            self._change(lambda: self._connection.execute(query, (destination,)))
            return there

    def counts(self) -> dict[str, dict[str, int]]:
        """Return {"mqtt": {"pending": 3, "dead": 0}, ...}, also for destinations of earlier runs."""
        with self._guard:
            found = {name: {"pending": 0, "dead": 0} for name in self.destinations}
            for name, dead, n in self._rows("SELECT destination, dead, count(*) FROM deliveries GROUP BY 1, 2"):
                found.setdefault(name, {"pending": 0, "dead": 0})["dead" if dead else "pending"] = n
            for name, _ in self._done:
                found[name]["pending"] -= 1
            for _, to in self._memory.values():
                for name in to:
                    found[name]["pending"] += 1
            return found

    def note(self, name: str, value: str | None = None) -> str:
        """Keep a text across restarts, when one is given; returns the one that is kept, or ""."""
        with self._guard:
            if value is not None:
                query = "INSERT OR REPLACE INTO notes VALUES(?, ?)"
                self._change(lambda: self._connection.execute(query, (name, value)))
            rows = self._rows("SELECT value FROM notes WHERE name = ?", (name,))
            return str(rows[0][0]) if rows else ""

    @property
    def unsaved(self) -> int:
        """How many events are in memory alone."""
        return len(self._memory)

    def close(self) -> None:
        """Close the file and let others have it. May be called twice."""
        with self._guard:
            if not self._lock.closed:
                self.save(now=True)
                self._connection.close()
                self._lock.close()

    # How it is kept

    def save(self, *, now: bool = False) -> bool:
        """Move what is in memory to the disk; True: all is there. A failure is followed by a pause, unless now."""
        with self._guard:
            if not (self._memory or self._done):
                return not self._volatile
            if not now and time.monotonic() < self._retry_at:
                return False
            self._reappear()
            if not self._change(self._write):
                return False
            if self._trouble:
                self._trouble = ""
                log.warning("the outbox %s works again, %d events are on the disk", self.path, len(self._memory))
            self._memory.clear()
            self._ids.clear()
            self._done.clear()
            return not self._volatile

    def _reappear(self) -> None:
        """Write the file again when somebody has removed it; what it held is still open to us."""
        if self._volatile or self._lock.closed or self.path.exists():
            return
        log.error("the outbox %s was removed while it was in use; it is written again", self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self.path)) as fresh:
                self._connection.backup(fresh)
            connection = outbox_file.connect(self.path)
        except (OSError, sqlite3.Error, OutputError) as err:
            log.error("it cannot be written: %s", err)
            return
        self._connection.close()
        self._connection = connection

    def _write(self) -> None:
        run, many = self._connection.execute, self._connection.executemany
        for item, to in self._memory.values():
            if run("INSERT OR IGNORE INTO events VALUES(?, ?, ?)", (item.seq, item.id, item.body)).rowcount:
                rows = [(destination, item.seq) for destination in to]
                many("INSERT INTO deliveries(destination, seq) VALUES(?, ?)", rows)
        if self._done:
            pairs = sorted(self._done)
            many("DELETE FROM deliveries WHERE destination = ? AND seq = ?", pairs)
            gone = (
                "DELETE FROM events WHERE seq = ? AND NOT EXISTS(SELECT 1 FROM deliveries d WHERE d.seq = events.seq)"
            )
            many(gone, [(seq,) for seq in sorted({seq for _, seq in pairs})])

    def _forget(self, destination: str, seq: int) -> None:
        item, to = self._memory[seq]
        to.discard(destination)
        if not to:
            del self._memory[seq]
            self._ids.discard(item.id)

    def _bound(self) -> None:
        """Give up the oldest when there are more bytes of events than are allowed."""
        pages = self._one("PRAGMA page_count") * self._one("PRAGMA page_size")
        if pages <= self._max_bytes:  # adding up the events reads them all
            return
        lost, spare = 0, self._one(TOTAL) - self._max_bytes
        while spare > 0:
            seqs = []
            for seq, size in self._rows(FIRST_TO_GO):
                if spare > 0:
                    seqs.append((seq,))
                    spare -= size
            if not seqs or not self._change(lambda seqs=seqs: self._drop(seqs)):  # type: ignore[misc]
                break
            lost += len(seqs)
        if lost:
            log.error("the outbox %s is full: %d undelivered events were given up", self.path, lost)
            self._on_loss(lost)

    def _drop(self, seqs: list[tuple[int]]) -> None:
        self._connection.executemany("DELETE FROM deliveries WHERE seq = ?", seqs)
        self._connection.executemany("DELETE FROM events WHERE seq = ?", seqs)

    def _change(self, work: Callable[[], object], *, again: bool = True) -> bool:
        """Do it in one transaction. False: the disk took nothing of it."""
        if self._lock.closed:
            return False
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                work()
            return True
        except sqlite3.DatabaseError as err:
            if not self._survived(err):
                return False
        return again and self._change(work, again=False)

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        if self._lock.closed:  # a sender that hangs in the network has outlived us
            return []
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as err:
            return self._connection.execute(query, values).fetchall() if self._survived(err) else []

    def _one(self, query: str, values: tuple[object, ...] = ()) -> int:
        rows = self._rows(query, values)
        return int(rows[0][0]) if rows else 0

    def _survived(self, err: sqlite3.DatabaseError) -> bool:
        """Go on after an error: False: the disk must be waited for; True: there is a new file. Our own are raised."""
        if isinstance(err, sqlite3.OperationalError):  # full, failing, read-only: it may pass
            if str(err) != self._trouble:
                self._trouble = str(err)
                log.error("the outbox %s cannot be used, events wait in memory: %s", self.path, err)
            self._retry_at = time.monotonic() + RETRY_S
            return False
        if type(err) is not sqlite3.DatabaseError:
            raise err
        self._connection.close()
        try:
            self._connection, reset = outbox_file.renewed(self.path, str(err))
        except OutputError as failure:
            self._connection, self._volatile = outbox_file.connect(":memory:"), True
            reset = f"lost ({err}) and not replaced ({failure}); from now on events are kept in memory alone"
        self._tell(reset)
        return True

    def _tell(self, reset: str) -> None:
        log.error("the outbox %s was broken: %s", self.path, reset)
        self._on_reset(reset)
