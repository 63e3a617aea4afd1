"""The viewers of the page. Each gets a picture once it has dealt with those before; nobody waits for a slow one."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge_pose.web.board import Board
from edge_pose.web.picture import Picture

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

WINDOW = 3  # pictures on the way to one viewer: a slow network adds no more delay than these
MAX_VIEWERS = 16
SILENT_S = 20.0  # after which a viewer that answers nothing is let go
STALE_S = 2.0  # without a frame, after which viewers are told
TICK_S = 1.0


class Viewer:
    """One browser: the pictures that wait for it, those that it has not answered yet, and the notes it knows."""

    def __init__(self) -> None:
        self.queue: deque[Picture] = deque()
        self.unanswered = 0
        self.seen = 0
        self.notes: dict[str, str] = {}
        self.wake = asyncio.Event()
        self.heard_s = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether it can take another picture."""
        return self.unanswered < WINDOW

    def give(self, picture: Picture) -> None:
        """Put a picture on its way."""
        if self.unanswered == 0:
            self.heard_s = time.monotonic()  # it owes nothing older
        self.unanswered += 1
        self.seen = picture.seq
        self.queue.append(picture)
        self.wake.set()


class Hub:
    """All viewers of one page. Lives in the page's event loop; only `Board` is shared with other threads.

    A note is what all viewers must know, whatever pictures they miss: each gets its newest text.
    """

    def __init__(self, board: Board, about: Callable[[], dict[str, Any]]) -> None:
        self._board, self._about = board, about
        self._viewers: dict[Viewer, asyncio.Task[Any] | None] = {}
        self._picture: Picture | None = None
        self._notes: dict[str, str] = {}
        self._events_seen = -1
        self._start_s = time.monotonic()

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    def note(self, kind: str, content: Any) -> None:
        """Tell all viewers, now and those who come later."""
        self._notes[kind] = json.dumps({kind: content}, separators=(",", ":"))
        self._wake()

    def deliver(self, picture: Picture) -> None:
        """Hand a picture to the viewers that are ready; the others miss it."""
        self._picture = picture
        self._refresh()
        for viewer in self._viewers:
            if viewer.ready:
                viewer.give(picture)
        self._ask()

    def tick(self) -> None:
        """Once a second: what has become old, and who has gone silent."""
        now = time.monotonic()
        age_s = self._board.age_s()
        age_s = now - self._start_s if age_s is None else age_s
        self.note("stale", round(age_s) if age_s > STALE_S else None)  # changes, so viewers hear that we are alive
        self._refresh()
        for viewer, task in self._viewers.items():
            if viewer.unanswered and now - viewer.heard_s > SILENT_S and task is not None:
                task.cancel()

    def close(self) -> None:
        """Let all viewers go."""
        for task in self._viewers.values():
            if task is not None:
                task.cancel()

    async def watch(self, socket: WebSocket) -> None:
        """Serve one viewer until it goes."""
        await socket.accept()
        if len(self._viewers) >= MAX_VIEWERS:
            await socket.close(1013, "there are too many viewers")
            return
        viewer = Viewer()
        self._viewers[viewer] = None
        self._refresh()
        viewer.wake.set()
        tasks = [asyncio.ensure_future(self._write(viewer, socket)), asyncio.ensure_future(self._read(viewer, socket))]
        self._viewers[viewer] = tasks[0]
        self._ready(viewer)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._viewers[viewer]
            self._ask()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # a connection that broke off is no error here

    async def _write(self, viewer: Viewer, socket: WebSocket) -> None:
        while True:
            await viewer.wake.wait()
            viewer.wake.clear()
            for kind, text in list(self._notes.items()):
                if viewer.notes.get(kind) != text:
                    viewer.notes[kind] = text
                    await socket.send_text(text)
            while viewer.queue:
                await socket.send_bytes(viewer.queue.popleft().data)

    async def _read(self, viewer: Viewer, socket: WebSocket) -> None:
        """Every message of a viewer, whatever it says, answers one picture."""
        while (await socket.receive())["type"] == "websocket.receive":
            viewer.heard_s = time.monotonic()
            if viewer.unanswered:
                viewer.unanswered -= 1
                self._ready(viewer)

    def _ready(self, viewer: Viewer) -> None:
        """Give a viewer what it missed, if that still is the newest; else have the newest made."""
        picture = self._picture
        if viewer.ready and picture is not None and viewer.seen < picture.seq == self._board.seq:
            viewer.give(picture)
        self._ask()

    def _ask(self) -> None:
        self._board.want(any(viewer.ready for viewer in self._viewers))

    def _refresh(self) -> None:
        """Bring the notes up to date. The same text again costs viewers nothing."""
        self.note("about", self._about())
        if self._events_seen != self._board.events_seen:
            self._events_seen = self._board.events_seen
            self.note("events", self._board.events())

    def _wake(self) -> None:
        for viewer in self._viewers:
            viewer.wake.set()
