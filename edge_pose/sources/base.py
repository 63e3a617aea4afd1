"""What every source of frames is."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

from edge_pose.errors import SourceError
from edge_pose.frames import Frame

log = logging.getLogger("edge_pose.sources")


S = TypeVar("S", bound="Source")


class Source(ABC, Iterator[Frame]):
    """An iterator of frames, one in memory at a time, that must be closed: `with open_source(x) as source:`.

    name: the address as the user wrote it.
    live: frames come at their own pace and are lost when nobody takes them (a camera); a file waits.
    stills: every frame is a picture of its own, with its own file name in `Frame.source`.
    count: how many frames will come, at most `max_frames`; what the container declares, so an estimate for some
    videos; None where nobody knows.
    fps: frames a second; stills have 1.0, that is, picture i has time_s = i.
    problems: one line for everything that could not be read although the run goes on; each is also logged as a
    warning. Complete once the iterator is exhausted.
    counters: what happened on the way, by name: live sources count "reconnects" and "gaps".
    """

    live = False
    stills = False

    def __init__(self, name: str, *, fps: float, count: int | None = None, max_frames: int | None = None) -> None:
        if max_frames is not None and max_frames < 1:
            raise SourceError(f"max_frames must be at least 1, got {max_frames}")
        self.name = name
        self.max_frames = max_frames
        self.count = self._at_most(count)
        self.fps = fps
        self.problems: list[str] = []
        self.counters: dict[str, int] = {}
        self.taken = 0
        self._stopping = threading.Event()

    def __next__(self) -> Frame:
        done = self.taken == self.max_frames or self._stopping.is_set()
        frame = None if done else self._read()
        if frame is None:
            self.close()
            raise StopIteration
        self.taken += 1
        return frame

    @abstractmethod
    def _read(self) -> Frame | None:
        """Return the next frame, with index `self.taken`; None at the end and after close()."""

    def stop(self) -> None:
        """End the stream from another thread: what is being read may still come, nothing after it.

        Live sources that can be woken up return at once. Files are let go of by `close`, in the thread that reads.
        """
        self._stopping.set()

    @abstractmethod
    def close(self) -> None:
        """Let go of files and decoders. May be called twice; afterwards there are no more frames."""

    def _at_most(self, count: int | None) -> int | None:
        return count if self.max_frames is None or count is None else min(count, self.max_frames)

    def report(self, problem: str) -> None:
        """Note something that could not be read although the run goes on."""
        self.problems.append(problem)
        log.warning("%s", problem)

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
