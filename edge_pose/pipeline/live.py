"""The pipeline as a program sees it: results one by one, or the newest, while threads do the work."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge_pose.errors import PipelineError
from edge_pose.estimators import Estimator
from edge_pose.pipeline.after import AfterNetwork
from edge_pose.pipeline.estimate import Estimation
from edge_pose.pipeline.handover import Closed
from edge_pose.pipeline.intake import Intake
from edge_pose.pipeline.result import Result
from edge_pose.pipeline.work import Viewer, Work
from edge_pose.sinks import Sink
from edge_pose.sources import Source, open_source

if TYPE_CHECKING:
    from edge_pose.fall import FallConfig, FallDetector, FallEvent, SecondLook
    from edge_pose.recording import Recorder
    from edge_pose.smooth import SmoothConfig, Smoother
    from edge_pose.track import TrackConfig, Tracker


class Pipeline:
    """Poses of a stream: `with Pipeline(estimator, source, track=True) as stream: for result in stream: ...`.

    source: an address as `open_source` takes it, a Source (which is closed with the pipeline), or None: then the
    program gives its own frames with `push(image, time_s)`. From live sources the newest frame is taken and others
    are dropped; of files every frame is. track, smooth, fall: True, a config, or an object of that kind. sinks get
    every result in order, and stay the caller's to close, like `record`, which is given what the network saw and what
    was decided on it; viewers get results without being waited for.

    Where ids are kept, weak rows keep them too: the estimator's confidence is lowered to the tracker's `keep_score` as
    long as the pipeline runs (that of a detector only with `fall`, because every box costs), and results hold whoever
    scores as much as it asked for. With `fall` the network looks a second time where somebody was lost while low, as
    FallConfig says; not if the estimator follows somebody by itself, as MoveNet does.

    budget_ms: what a frame's work may take; the detector then runs less often and fewer people are looked at, as
    `result.given_up` says. detect_every: frames from one detection to the next, with boxes of tracked people between.

    Work begins with the first of `for`, `poll`, `latest` or `push`. What goes wrong in any thread is raised there.
    The estimator stays the caller's to close.
    """

    def __init__(
        self,
        estimator: Estimator,
        source: Source | str | Path | int | None = None,
        *,
        track: bool | TrackConfig | Tracker = False,
        smooth: bool | SmoothConfig | Smoother = False,
        fall: FallConfig | FallDetector | None = None,
        sinks: Sequence[Sink] = (),
        viewers: Sequence[Viewer] = (),
        record: Recorder | None = None,
        budget_ms: float | None = None,
        detect_every: int = 1,
    ) -> None:
        if not isinstance(estimator, Estimator):
            raise PipelineError(f"estimator must be what edge_pose.load returns, got {type(estimator).__name__}")
        self.after = AfterNetwork(track, smooth, fall)
        self.source = source if source is None or isinstance(source, Source) else open_source(source)
        self._intake = Intake()
        try:
            estimation = Estimation(
                estimator,
                tracker=self.after.tracker,
                second_look=self._second_look(estimator),
                falls=self.after.fall is not None,
                detect_every=detect_every,
                budget_ms=budget_ms,
                stills=self.source is not None and self.source.stills,
            )
        except PipelineError:
            if self.source is not None:
                self.source.close()
            raise
        self._work = Work(self.source, estimation, self.after, lambda: self.counters, sinks, viewers, record)
        self._closed = self._drained = False

    def _second_look(self, estimator: Estimator) -> SecondLook | None:
        if self.after.fall is None or estimator.follows:
            return None
        from edge_pose.fall import SecondLook

        return SecondLook(estimator, self.after.fall)

    @property
    def ending(self) -> tuple[FallEvent, ...]:
        """What the end of the stream told: falls that were about to be confirmed. Empty before the end."""
        return self._work.ending

    @property
    def counters(self) -> dict[str, int]:
        """What happened so far: frames that came, dropped unread, waited for room; reconnects and gaps of the source.

        "results" were worked out, "written" have gone through all sinks; "births" and "deaths" are the tracker's.
        """
        source, work = self.source, self._work
        counts = {
            "frames": self._intake.taken if source is None else source.taken,
            "dropped": work.frames.dropped,
            "waited": work.frames.waited,
            "results": work.estimated,
            "written": work.written,
            "sinks_waited": work.to_write.waited,
        }
        if source is not None:
            counts |= source.counters
        if self.after.tracker is not None:
            counts |= {"births": self.after.tracker.births, "deaths": self.after.tracker.deaths}
        return counts

    @property
    def ended(self) -> bool:
        """Whether there will be no more results: the source is exhausted and all were taken, or it was closed."""
        if self._closed or self._drained:
            return True
        return self._work.taking != "each" and self._work.over

    def push(self, image: Any, time_s: float | None = None) -> None:
        """Give the next frame, (H, W, 3) uint8 BGR, of a pipeline without a source; never waits.

        time_s: when it was taken, in seconds of any clock, strictly increasing; None: now. A frame that comes before
        the last one was begun takes its place. The image is not copied: leave it as it is until its result is there.
        Raises ImageError, TimeError; PipelineError when there is a source, or nothing is taken any more.
        """
        if self.source is not None:
            raise PipelineError("push() is for a pipeline without a source: Pipeline(estimator)")
        self._begin()
        self._work.raise_error()
        frame = self._intake.frame(image, time_s)
        if not self._work.frames.put((frame, time.perf_counter(), 0.0)):
            raise PipelineError("push() came after the pipeline was closed")

    def end(self) -> None:
        """Say that no frame will be pushed any more: what is there is still worked out, then results end."""
        self._work.frames.close()

    def latest(self) -> Result | None:
        """Return the newest result at once: None before the first. The same one again until there is a newer one."""
        self._begin()
        self._work.raise_error()
        if self._work.taking == "?":
            self._work.taking = "latest"
            self._work.results.forget()
        return self._work.latest

    def poll(self, timeout_s: float | None = None) -> Result | None:
        """Return the next result, or None when none came in time or there will be none any more (see `ended`)."""
        self._work.taking = "each"
        self._begin()
        try:
            return self._work.results.take(timeout_s)
        except Closed:
            self._drained = True
            self._work.wait_for_writing()
            self._work.raise_error()
            return None

    def __iter__(self) -> Iterator[Result]:
        """Return every result from here on, in order."""
        try:
            while (result := self.poll()) is not None:
                yield result
        finally:
            self._work.taking = "latest"
            self._work.results.forget()

    def _begin(self) -> None:
        if not self._closed:
            self._work.begin()

    def close(self) -> None:
        """Stop all threads; what was worked out is still written. Takes less than a second. May be called twice.

        A thread that does not come back from a decoder, an engine or a full pipe in time is left behind; it ends by
        itself when that returns.
        """
        self._closed = True
        self._work.end()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and not self._work.told:
            self._work.raise_error()
