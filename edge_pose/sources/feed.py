"""One connection to a camera, a server or a child process; and how the first one is made without deafness to Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from edge_pose.frames import Image


class Feed(Protocol):
    """One connection to a camera, a server or a child process.

    fps: as far as it is known, else 0. finite: it is a recording that ends, not something that goes on.
    """

    fps: float
    finite: bool

    def read(self) -> tuple[Image, float | None] | None:
        """Return the next picture and its own time stamp, if it has one; None when no more will come."""

    def why(self) -> str:
        """Say why no more comes, without secrets; "" for an orderly end of a finite one."""

    def stop(self) -> None:
        """Let a read that is under way end, as far as that can be done; called from another thread."""

    def close(self) -> None:
        """Let go of it; in the thread that reads."""


class _Opening:
    """The first connection, made in a thread: Ctrl-C is heard meanwhile, which no library function would allow."""

    def __init__(self, connect: Callable[[], Feed]) -> None:
        self._connect = connect
        self.feed: Feed | None = None
        self.picture: tuple[Image, float | None] | None = None
        self.error: BaseException | None = None
        self._lock, self._given_up, self._done = threading.Lock(), False, False
        self.thread = threading.Thread(target=self._run, name="edge-pose opening", daemon=True)

    def _run(self) -> None:
        try:
            feed = self._connect()
            with self._lock:
                self.feed = feed
            if not self._given_up:
                self.picture = feed.read()
        except BaseException as err:
            self.error = err
        with self._lock:
            self._done = True
            if self.feed is not None and (self._given_up or self.error is not None):
                self.feed.close()

    def give_up(self) -> None:
        """Nobody waits any more: what is opened is let go, by the thread if it is still at it."""
        with self._lock:
            self._given_up = True
            if self.feed is not None:
                if self._done:
                    self.feed.close()
                else:
                    self.feed.stop()


def first_picture(connect: Callable[[], Feed]) -> tuple[Feed, tuple[Image, float | None] | None]:
    """Return a connection and its first picture, or None for that where none came. Raises what connecting raises."""
    opening = _Opening(connect)
    opening.thread.start()
    try:
        while opening.thread.is_alive():
            opening.thread.join(0.5)
    except BaseException:
        opening.give_up()
        raise
    if opening.error is not None:
        raise opening.error
    assert opening.feed is not None  # or there was an error
    return opening.feed, opening.picture
