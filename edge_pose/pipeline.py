"""Frames in, poses out, results written: the loop that `edge-pose run` and the examples share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge_pose.estimators import Estimator
from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks import Sink
from edge_pose.sources import Source


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of one frame. timings_ms: milliseconds by stage; "total" is all of them and what lies between."""

    frame: Frame
    poses: Poses
    timings_ms: dict[str, float]


@dataclass(slots=True)
class Summary:
    """What came of a run: frames seen, people found in all of them, and every frame's total milliseconds."""

    frames: int = 0
    people: int = 0
    total_ms: list[float] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one more frame."""
        self.frames += 1
        self.people += len(result.poses)
        self.total_ms.append(result.timings_ms["total"])


def results(source: Source, estimator: Estimator) -> Iterator[Result]:
    """Estimate every frame of a source. Pictures that do not follow each other in time share no state."""
    for frame in source:
        if source.stills:
            estimator.reset()
        start = time.perf_counter()
        poses = estimator(frame.image)
        total_ms = (time.perf_counter() - start) * 1e3
        yield Result(frame, poses, {**estimator.timings_ms, "total": total_ms})


def run(source: Source, estimator: Estimator, sink: Sink) -> Iterator[Result]:
    """Estimate every frame and write each result before it is handed out; opening and closing are the caller's."""
    for result in results(source, estimator):
        sink.write(result.frame, result.poses, result.timings_ms)
        yield result
