"""What cameras and streams have in common: they are opened again when they die, and time goes on meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_pose.errors import SourceError
from edge_pose.frames import Frame, Image
from edge_pose.sources.base import Source, log
from edge_pose.sources.feed import Feed, first_picture

PAUSE_S = 1.0  # without a frame for longer, it is a gap
KEPT_PROBLEMS = 100  # a stream may die every minute for a year
STEP_S = 1e-3  # at least, between two frames
ASTRAY_S = 5.0  # a stream's own clock that is further from ours than that is not believed


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before the first new try, the factor from try to try, the most, and the share that is chance.

    Chance, so that a hundred cameras do not all come back to their server in the same moment.
    """

    first_s: float = 0.5
    factor: float = 2.0
    most_s: float = 30.0
    jitter: float = 0.25

    def wait_s(self, tries: int, chance: float) -> float:
        """Return how long to wait after so many failed tries; chance is in [0, 1)."""
        plain = min(self.most_s, self.first_s * self.factor ** min(tries, 60))
        return plain * (1 + self.jitter * (2 * chance - 1))


class LiveSource(Source):
    """Frames of a camera or stream, opened again whenever it breaks off.

    The first connection must succeed: SourceError at once says that an address is wrong. From then on every loss is
    logged and counted, and tried again after `backoff`, for ever or for give_up_s seconds without a frame; then
    SourceError. Frames may have another size afterwards. A recording that breaks off ends, with a problem that says so.
    time_s counts from opening, by the stream's own time stamps where it has any: they are steadier than arrival. A jump
    in them, a new connection and cameras without any go by the monotonic clock, which no change of the date moves.
    counters: "reconnects" that gave frames again, "gaps" of more than a second between frames.
    """

    live = True

    def __init__(
        self,
        name: str,
        connect: Callable[[], Feed],
        *,
        max_frames: int | None = None,
        backoff: Backoff = Backoff(),
        give_up_s: float | None = None,
    ) -> None:
        super().__init__(name, fps=30.0, max_frames=max_frames)
        self.counters = {"reconnects": 0, "gaps": 0}
        self._connect, self._backoff, self._give_up_s = connect, backoff, give_up_s
        self._tries = 0
        self._lost, self._why = False, ""
        self._feed: Feed | None
        self._feed, self._first = first_picture(connect)
        if self._first is None:
            why = self._feed.why()
            self.close()
            raise SourceError(f"{name}: no picture came" + (f": {why}" if why else ""))
        self.live = not self._feed.finite
        self.fps = self._feed.fps or self.fps
        self._begun_s = self._last_came_s = time.monotonic()
        self._last_s = 0.0
        self._first_stamp_s = self._first[1] or 0.0
        self._last_stamp_s: float | None = None

    def _read(self) -> Frame | None:
        while not self._stopping.is_set():
            got, self._first = self._first, None
            if got is None and self._feed is not None:
                got = self._feed.read()
            if got is not None:
                return self._frame(*got)
            if self._stopping.is_set():
                return None
            if self._feed is not None and self._feed.finite:  # to begin anew would give the same frames twice
                if why := self._feed.why():
                    self.report(f"{self.name}: ended after frame {self.taken}: {why}")
                return None
            self._again()
        return None

    def _frame(self, image: Image, stamp_s: float | None) -> Frame:
        now = time.monotonic()
        if self._lost:
            self._lost, self._tries = False, 0
            self.counters["reconnects"] += 1
            log.warning("%s: pictures again, %s x %s", self.name, image.shape[1], image.shape[0])
        if self.taken and self.live and now - self._last_came_s > PAUSE_S:
            self.counters["gaps"] += 1
        self._last_s = self._time_s(stamp_s, now) if self.taken else 0.0
        self._last_came_s, self._last_stamp_s = now, stamp_s
        return Frame(image, self._last_s, self.taken, self.name)

    def _time_s(self, stamp_s: float | None, now: float) -> float:
        """Return the time of a frame that came just now."""
        if not self.live:
            at_s = stamp_s - self._first_stamp_s if stamp_s is not None else -1.0
            return at_s if at_s > self._last_s else self._last_s + 1 / self.fps
        arrived_s = now - self._begun_s
        if stamp_s is not None and self._last_stamp_s is not None and stamp_s > self._last_stamp_s:
            at_s = self._last_s + (stamp_s - self._last_stamp_s)
            if abs(at_s - arrived_s) < ASTRAY_S:
                return at_s
        return max(arrived_s, self._last_s + STEP_S)

    def _again(self) -> None:
        """Say what happened, wait, and connect anew; a failure is left to the next turn."""
        if self._feed is not None:
            why = self._feed.why() or "it ended"
            self._let_go()
            self._last_stamp_s = None
        else:
            why = self._why
        silent_s = time.monotonic() - self._last_came_s
        if self._give_up_s is not None and silent_s > self._give_up_s:
            raise SourceError(f"{self.name}: {why}; given up after {silent_s:.0f} s without a picture")
        wait_s = self._backoff.wait_s(self._tries, random.random())
        self._tries += 1
        self._lost = True
        self.report(f"{self.name}: {why}; trying again in {wait_s:.1f} s")
        if self._stopping.wait(wait_s):
            return
        try:
            feed = self._connect()
        except SourceError as err:
            self._why = str(err).removeprefix(f"{self.name}: ").removeprefix(f"{self.name} ")
            return
        self._feed = feed
        if self._stopping.is_set():  # it was too late to stop the new one
            feed.stop()

    def report(self, problem: str) -> None:
        """Log a problem, and note it while there are few."""
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(problem)
        log.warning("%s", problem)

    def _let_go(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()

    def stop(self) -> None:
        """End the stream from another thread; a wait for the next try ends at once."""
        super().stop()
        feed = self._feed
        if feed is not None:
            feed.stop()

    def close(self) -> None:
        """Let go of the camera or the connection."""
        self._stopping.set()
        self._first = None
        self._let_go()
