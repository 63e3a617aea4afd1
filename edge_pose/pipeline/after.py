"""What follows the network: ids, steadier joints, falls. No pixels are needed, so a replay does exactly the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edge_pose.frames import Frame
from edge_pose.poses import Poses

if TYPE_CHECKING:
    from edge_pose.fall import FallConfig, FallDetector, FallEvent
    from edge_pose.smooth import SmoothConfig, Smoother
    from edge_pose.track import TrackConfig, Tracker


class AfterNetwork:
    """Tracking, smoothing and fall detection, each where it was asked for: True for defaults, a config, or an object.

    tracked: the frame's rows as they came, with ids; None without a tracker.
    Falls need ids, so they switch tracking on. A frame of another size than the one before is another picture, of
    which nothing is known: ids begin anew.
    """

    def __init__(
        self,
        track: bool | TrackConfig | Tracker = False,
        smooth: bool | SmoothConfig | Smoother = False,
        fall: FallConfig | FallDetector | None = None,
    ) -> None:
        self.tracker: Tracker | None = None
        self.smoother: Smoother | None = None
        self.fall: FallDetector | None = None
        self.tracked: Poses | None = None
        self._last_s: float | None = None
        self._frame_hw: tuple[int, int] | None = None
        if track or smooth or fall is not None:  # joints are smoothed by id
            from edge_pose.track import Tracker

            self.tracker = _opened(Tracker, track)
        if smooth:
            from edge_pose.smooth import Smoother

            self.smoother = _opened(Smoother, smooth)
        if fall is not None:
            from edge_pose.fall import FallDetector

            self.fall = _opened(FallDetector, fall)

    def __call__(self, frame: Frame, raw: Poses, timings_ms: dict[str, float]) -> tuple[Poses, tuple[FallEvent, ...]]:
        """Return the poses with ids, steadier, and what happened; adds its stages to the timings."""
        poses = raw
        events: tuple[FallEvent, ...] = ()
        clock = time.perf_counter
        start = clock()
        height, width = frame.image.shape[:2]
        if self._frame_hw != (height, width):
            self._another_picture((height, width))
        if self.tracker is not None:
            poses = self.tracked = self.tracker.update(poses, frame.time_s)
            timings_ms["track"] = ((now := clock()) - start) * 1e3
            start = now
        if self.smoother is not None:
            poses = self.smoother.update(poses, frame.time_s)
            timings_ms["smooth"] = ((now := clock()) - start) * 1e3
            start = now
        if self.fall is not None:
            events = self.fall.update(poses, frame.time_s, (height, width))
            timings_ms["fall"] = (clock() - start) * 1e3
        self._last_s = frame.time_s
        return poses, events

    def _another_picture(self, frame_hw: tuple[int, int]) -> None:
        """Forget places in pixels of another size; the fall detector does so by itself."""
        if self._frame_hw is not None:
            for part in (self.tracker, self.smoother):
                if part is not None:
                    part.reset()
        self._frame_hw = frame_hw

    def finish(self) -> tuple[FallEvent, ...]:
        """Return what the end of the stream tells: falls that were about to be confirmed."""
        if self.fall is None or self._last_s is None:
            return ()
        return self.fall.finish(self._last_s)


def _opened(kind: Any, asked: Any) -> Any:
    """Return an object of the kind: with defaults, with a config, or the one that was given."""
    if isinstance(asked, kind):
        return asked
    return kind() if isinstance(asked, bool) else kind(asked)
