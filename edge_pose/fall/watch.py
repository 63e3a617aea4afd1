"""From recorded poses to falls, without pictures, threads or a network: what tuning and simulations run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edge_pose.errors import SourceError
from edge_pose.fall.config import FallConfig
from edge_pose.fall.detector import FallDetector
from edge_pose.fall.event import FallEvent
from edge_pose.fall.zones import Zone
from edge_pose.poses import Poses
from edge_pose.track import TrackConfig, Tracker

# What a person may score to be looked at: the fallen score low, and the tracker sorts out what is nobody.
CONFIDENCE = 0.1
Moment = tuple[float, tuple[int, int], Poses]  # time in seconds, height and width of the frame, poses without ids


def tracks_of(confidence: float | None) -> TrackConfig:
    """Return how people are tracked where those below a confidence are nobody; None: where it is CONFIDENCE."""
    least, usual = CONFIDENCE if confidence is None else confidence, TrackConfig()
    start, sure = max(least, usual.start_score), max(least, usual.sure_score)
    return TrackConfig(keep_score=least, start_score=start, sure_score=sure)


def falls(rows: Iterable[Moment], detector: FallDetector) -> Iterator[tuple[FallEvent, ...]]:
    """Track everybody and watch for falls; the events of each frame, and at the end those that are left open.

    Raises SourceError when there is not one frame, TimeError when time does not grow.
    """
    tracker = Tracker()
    last_s: float | None = None
    for time_s, frame_hw, poses in rows:
        last_s = time_s
        yield detector.update(tracker.update(poses, time_s), time_s, frame_hw)
    if last_s is None:
        raise SourceError("there is not one frame to watch")
    yield detector.finish(last_s)


def falls_of(rows: Iterable[Moment], config: FallConfig, zones: Sequence[Zone] = ()) -> tuple[FallEvent, ...]:
    """Return all events of a recording."""
    return tuple(event for events in falls(rows, FallDetector(config, zones)) for event in events)
