"""What comes out of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_pose.frames import Frame
from edge_pose.poses import Poses

if TYPE_CHECKING:
    from edge_pose.fall import FallEvent


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of one frame.

    poses: after tracking and smoothing. events: of the fall detector. raw: what the network gave, also rows that are
    too weak for anything but keeping an id, with the ids they got.
    timings_ms: the estimator's stages, then "track", "smooth", "fall"; "total" is all of this frame's work; "queue" is
    how long the frame waited for it and "latency" both together, from leaving the source; "source" is how long the
    source took to deliver the frame, "sinks" what writing the frame before took.
    given_up: what had to go to keep the budget, in words; empty when nothing. counters: of the run so far: "frames"
    that came, "dropped" unread, "waited" for room (back-pressure), and the source's own ("reconnects", "gaps").
    """

    frame: Frame
    poses: Poses
    events: tuple[FallEvent, ...]
    timings_ms: dict[str, float]
    raw: Poses
    given_up: tuple[str, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)


def decisions(result: Result) -> dict[str, Any]:
    """Return what was decided on a frame, as a recording keeps it: ids, events, what was given up."""
    decided: dict[str, Any] = {}
    if (result.raw.ids >= 0).any():
        decided["ids"] = result.raw.ids
    if result.events:
        decided["events"] = told(result.events)
    if result.given_up:
        decided["given_up"] = result.given_up
    return decided


def told(events: tuple[FallEvent, ...]) -> list[dict[str, Any]]:
    """Return of events what is the same whenever the same poses are looked at: not their ids and wall times."""
    return [{"event": e.event, "track_id": e.track_id, "time_s": e.time_s} for e in events]


@dataclass(slots=True)
class Summary:
    """What came of a run: frames seen, people found in all of them, events, and every frame's total milliseconds."""

    frames: int = 0
    people: int = 0
    events: int = 0
    total_ms: list[float] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one more frame."""
        self.frames += 1
        self.people += len(result.poses)
        self.events += len(result.events)
        if len(self.total_ms) < 20_000:  # a camera runs for months
            self.total_ms.append(result.timings_ms["total"])
