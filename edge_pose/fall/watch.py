"""From poses to falls without a camera: the part of the loop that live streams, recordings and evaluations share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edge_pose.errors import SourceError
from edge_pose.estimators import Estimator
from edge_pose.estimators.movenet import MoveNet
from edge_pose.fall.config import FallConfig
from edge_pose.fall.detector import FallDetector
from edge_pose.fall.event import FallEvent
from edge_pose.fall.second_look import SecondLook
from edge_pose.fall.zones import Zone
from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.track import Tracker

# What a person may score to be looked at: the fallen score low, and the tracker sorts out what is nobody.
CONFIDENCE = 0.1
Moment = tuple[float, tuple[int, int], Poses]  # time in seconds, height and width of the frame, poses without ids


def looking_twice(estimator: Estimator, detector: FallDetector) -> Estimator:
    """Return an estimator that takes second looks for the detector, or the same one where it cannot."""
    if detector.config.look_every_s == 0 or isinstance(estimator, MoveNet):
        return estimator  # MoveNet follows one person by itself, and would be led astray
    return SecondLook(estimator, detector)


def moments(frames: Iterable[Frame], estimator: Estimator) -> Iterator[Moment]:
    """Estimate every frame of a source."""
    for frame in frames:
        height, width = frame.image.shape[:2]
        yield frame.time_s, (height, width), estimator(frame.image)


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
