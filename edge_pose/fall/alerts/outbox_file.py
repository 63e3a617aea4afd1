"""The file of the outbox: one process at a time, checked when it is opened, set aside when it is broken."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from edge_pose.errors import OutputError

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS events(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries(
    destination TEXT NOT NULL, seq INTEGER NOT NULL, dead INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '', PRIMARY KEY(destination, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_event ON deliveries(seq);
CREATE TABLE IF NOT EXISTS notes(name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
ALL = (
    "SELECT e.seq, e.id, e.body, d.destination, d.dead, d.tries, d.error FROM deliveries d JOIN events e USING(seq) "
    "ORDER BY e.seq"
)


def alone(path: Path) -> IO[str]:
    """Lock the outbox at a path for this process, until the returned file is closed. Raises OutputError."""
    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+")
    except OSError as err:
        raise OutputError(f"cannot use the outbox {path}: {err.strerror or err}") from err
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        file.seek(0)
        owner = file.read(20).strip() or "another"
        file.close()
        raise OutputError(
            f"cannot use the outbox {path}: process {owner} is using it; give every process an outbox of its own"
        ) from err
    with contextlib.suppress(OSError):  # on a full disk the number of the process is what can be spared
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    return file


def opened(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open or create the file; the text says where a broken one was put and why, or is "". Raises OutputError."""
    try:
        return connect(path), ""
    except sqlite3.OperationalError as err:
        raise OutputError(f"cannot use the outbox {path}: {err}") from err
    except sqlite3.DatabaseError as err:
        return renewed(path, str(err))


def connect(path: Path | str) -> sqlite3.Connection:
    """Open the file, look through it, and create what is missing. Raises sqlite3.Error, or OutputError."""
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise OutputError(f"cannot use the outbox {path}: another version of edge-pose wrote it ({version})")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # every commit is on the disk when it returns
        connection.executescript(SCHEMA)
        connection.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def renewed(path: Path, why: str) -> tuple[sqlite3.Connection, str]:
    """Put a broken file aside and go on with a new one and what could be read of the old. Raises OutputError."""
    rows = list(_readable(path))
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.broken-{stamp}-{os.getpid()}")
    try:
        for end in ("", "-wal", "-shm"):
            part = path.with_name(path.name + end)
            if part.exists():
                part.replace(aside.with_name(aside.name + end))
        connection = connect(path)
        with connection:
            connection.execute("BEGIN")
            for seq, event_id, body, destination, dead, tries, error in rows:
                connection.execute("INSERT OR IGNORE INTO events VALUES(?, ?, ?)", (seq, event_id, body))
                delivery = (destination, seq, dead, tries, error)
                connection.execute("INSERT OR IGNORE INTO deliveries VALUES(?, ?, ?, ?, ?)", delivery)
    except (OSError, sqlite3.Error) as err:
        raise OutputError(f"cannot put the broken outbox {path} aside: {err}") from err
    return connection, f"put aside as {aside.name} ({why}); {len(rows)} deliveries could be read from it"


def _readable(path: Path) -> Iterator[tuple[Any, ...]]:
    """Rows of a broken file as far as they can be read; how far that is shows in their number."""
    kinds = (int, str, str, str, int, int, str)
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as old:
        for row in old.execute(ALL):
            if tuple(map(type, row)) == kinds:
                yield row
