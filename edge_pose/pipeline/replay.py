"""A recording in place of source and network: everything after the network runs again, bit for bit."""

from __future__ import annotations

from collections import deque
from itertools import islice
from pathlib import Path

import numpy as np

from edge_pose.errors import RecordingError
from edge_pose.estimators import Estimator
from edge_pose.frames import Frame, Image
from edge_pose.poses import Poses
from edge_pose.recording import Recording, read_recording
from edge_pose.sources import Source

MAX_PIXELS = 1 << 28
LOOK = 16  # frames that tell the rate


class ReplaySource(Source):
    """Black frames of the recorded sizes at the recorded times, without a hurry; their people are in `waiting`."""

    def __init__(self, recording: Recording, *, max_frames: int | None = None) -> None:
        super().__init__(str(recording.path), fps=30.0, max_frames=max_frames)
        self.waiting: deque[Poses] = deque()
        self._rows = iter(recording)
        self._last_s = -np.inf
        self._first = deque(islice(self._rows, LOOK))
        times = [row.time_s for row in self._first]
        steps = np.diff(times)
        if len(steps) and (middle := float(np.median(steps))) > 0:
            self.fps = 1 / middle
        self._black: Image = np.zeros((0, 0, 3), np.uint8)

    def _read(self) -> Frame | None:
        row = self._first.popleft() if self._first else next(self._rows, None)
        if row is None:
            return None
        if not row.time_s > self._last_s:
            raise RecordingError(
                f"{self.name}: frame {row.index}: time must grow, got {row.time_s} after {self._last_s}"
            )
        self._last_s = row.time_s
        height, width = row.frame_hw
        if self._black.shape[:2] != row.frame_hw:
            if not 0 < height * width <= MAX_PIXELS:
                raise RecordingError(f"{self.name}: frame {row.index} has {width} x {height} pixels")
            self._black = np.zeros((height, width, 3), np.uint8)
            self._black.setflags(write=False)  # it is every frame
        self.waiting.append(row.poses)
        return Frame(self._black, row.time_s, row.index, self.name)

    def close(self) -> None:
        """Forget what was not read yet."""
        self._first.clear()
        self._rows = iter(())


class Replayed(Estimator):
    """Finds in the frames of a ReplaySource, taken in order, whom the network found when they were recorded.

    confidence: what the recording's settings say, so that results hold whom those of the live run held.
    """

    follows = True

    def __init__(self, recording: Recording, source: ReplaySource) -> None:
        self.skeleton = recording.header.skeleton
        least = recording.header.settings.get("confidence", 0.0)
        sound = isinstance(least, (int, float)) and not isinstance(least, bool) and 0 <= least <= 1
        self.confidence = float(least) if sound else 0.0
        self._source = source

    def __call__(self, image: Image) -> Poses:
        """Return the people of the frame whose turn it is."""
        return self._source.waiting.popleft()

    @property
    def timings_ms(self) -> dict[str, float]:
        """Nothing: no network ran."""
        return {}

    def close(self) -> None:
        """Nothing to give back."""


def open_replay(path: str | Path, *, max_frames: int | None = None) -> tuple[ReplaySource, Replayed]:
    """Return what a Pipeline takes to run a recording again. Raises SourceError, RecordingError."""
    recording = read_recording(path)
    source = ReplaySource(recording, max_frames=max_frames)
    return source, Replayed(recording, source)
