"""How one thread hands things to another: a few at most, and either waiting for room or keeping only the newest."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """Nothing more will come."""


class Handover(Generic[T]):
    """Up to `size` things between a thread that puts and one that takes.

    newest: a full one forgets its oldest and counts it in `dropped`; otherwise the putting thread waits for room, and
    `waited` counts how often it had to.
    """

    def __init__(self, size: int = 1, *, newest: bool = False) -> None:
        self.size, self.newest = size, newest
        self.dropped = self.waited = 0
        self._things: deque[T] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._closed = False

    def put(self, thing: T, *, newest: bool = False) -> bool:
        """Hand over, for once without waiting if `newest`; False when nobody will take it any more."""
        with self._changed:
            if self.newest or newest:
                while len(self._things) >= self.size:
                    self._things.popleft()
                    self.dropped += 1
            elif len(self._things) >= self.size and not self._closed:
                self.waited += 1
                while len(self._things) >= self.size and not self._closed:
                    self._changed.wait()
            if self._closed:
                return False
            self._things.append(thing)
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float | None = None) -> T | None:
        """Return the oldest, or None when none came in time. Raises Closed when nothing will come any more."""
        with self._changed:
            if not self._things and not self._closed:
                self._changed.wait_for(lambda: self._things or self._closed, timeout_s)
            if self._things:
                thing = self._things.popleft()
                self._changed.notify_all()
                return thing
            if self._closed:
                raise Closed
            return None

    def close(self) -> None:
        """Say that nothing more comes; what is there is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def forget(self) -> None:
        """Throw away what is there, so that a putting thread that waits goes on."""
        with self._changed:
            self._things.clear()
            self._changed.notify_all()

    def abort(self) -> None:
        """Close, and throw away what is there."""
        with self._changed:
            self._closed = True
            self._things.clear()
            self._changed.notify_all()
