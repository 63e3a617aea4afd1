"""The pipeline: capture, inference and sinks, each in a thread of its own, and the program that asks for results."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edge_pose.errors import PipelineError
from edge_pose.estimators import Estimator
from edge_pose.frames import Frame
from edge_pose.pipeline.after import AfterNetwork
from edge_pose.pipeline.estimate import Estimation
from edge_pose.pipeline.handover import Closed, Handover
from edge_pose.pipeline.intake import Intake
from edge_pose.pipeline.result import Result, decisions
from edge_pose.sinks import Sink
from edge_pose.sources import Source, open_source

if TYPE_CHECKING:
    from edge_pose.fall import FallConfig, FallDetector, FallEvent
    from edge_pose.recording import Recorder
    from edge_pose.smooth import SmoothConfig, Smoother
    from edge_pose.track import TrackConfig, Tracker

log = logging.getLogger("edge_pose.pipeline")

AHEAD = 2  # frames of a file that are decoded before their turn
BEHIND = 4  # results that sinks and the caller may lag behind
STOP_S = 0.7  # a thread that needs longer to stop is left behind


class Viewer(Protocol):
    """Takes results as they come and never blocks; the web page is one."""

    def publish(self, result: Result) -> None:
        """Show a result."""


class Pipeline:
    """Poses of a stream: `with Pipeline(estimator, source, track=True) as stream: for result in stream: ...`.

    source: an address as `open_source` takes it, a Source (which is closed with the pipeline), or None: then the
    program gives its own frames with `push(image, time_s)`. From live sources the newest frame is taken and others
    are dropped; of files every frame is. track, smooth, fall: True, a config, or an object of that kind. sinks get
    every result in order, and stay the caller's to close, like `record`, which is given what the network saw and what
    was decided on it; viewers get results without being waited for.
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
        self.after = AfterNetwork(track, smooth, fall)
        self.source = open_source(source) if isinstance(source, (str, Path, int)) else source
        self._intake = Intake()
        try:
            self._estimate = Estimation(
                estimator,
                tracker=self.after.tracker,
                detect_every=detect_every,
                budget_ms=budget_ms,
                stills=self.source is not None and self.source.stills,
            )
        except PipelineError:
            if self.source is not None:
                self.source.close()
            raise
        self._sinks, self._viewers, self._record = tuple(sinks), tuple(viewers), record
        self._writes = bool(sinks or viewers or record is not None)
        live = self.source is None or self.source.live
        self._frames: Handover[tuple[Frame, float, float]] = Handover(1 if live else AHEAD, newest=live)
        self._to_write: Handover[Result] = Handover(BEHIND)
        self._results: Handover[Result] = Handover(BEHIND)
        self._latest: Result | None = None
        self._taking: Literal["?", "each", "latest"] = "?"  # how the program takes results; unknown at first
        self._taken = self._written = 0
        self._sinks_ms = 0.0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._trace: TracebackType | None = None
        self._told = False  # somebody has been told of the error
        self._closed = self._drained = False
        self.ending: tuple[FallEvent, ...] = ()

    @property
    def counters(self) -> dict[str, int]:
        """What happened so far: frames that came, dropped unread, waited for room; reconnects and gaps of the source.

        "results" were worked out, "written" have gone through all sinks; "births" and "deaths" are the tracker's.
        """
        source = self.source
        counts = {
            "frames": self._intake.taken if source is None else source.taken,
            "dropped": self._frames.dropped,
            "waited": self._frames.waited,
            "results": self._taken,
            "written": self._written,
            "sinks_waited": self._to_write.waited,
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
        return bool(self._threads) and self._taking != "each" and not any(thread.is_alive() for thread in self._threads)

    def push(self, image: Any, time_s: float | None = None) -> None:
        """Give the next frame, (H, W, 3) uint8 BGR, of a pipeline without a source; never waits.

        time_s: when it was taken, in seconds of any clock, strictly increasing; None: now. A frame that comes before
        the last one was begun takes its place. The image is not copied: leave it as it is until its result is there.
        Raises ImageError, TimeError; PipelineError when there is a source, or nothing is taken any more.
        """
        if self.source is not None:
            raise PipelineError("push() is for a pipeline without a source: Pipeline(estimator)")
        self._begin()
        self._raise_error()
        frame = self._intake.frame(image, time_s)
        if not self._frames.put((frame, time.perf_counter(), 0.0)):
            raise PipelineError("push() came after the pipeline was closed")

    def end(self) -> None:
        """Say that no frame will be pushed any more: what is there is still worked out, then results end."""
        self._frames.close()

    def latest(self) -> Result | None:
        """Return the newest result at once: None before the first. The same one again until there is a newer one."""
        self._begin()
        self._raise_error()
        if self._taking == "?":
            self._taking = "latest"
            self._results.forget()
        return self._latest

    def poll(self, timeout_s: float | None = None) -> Result | None:
        """Return the next result, or None when none came in time or there will be none any more (see `ended`)."""
        self._taking = "each"
        self._begin()
        try:
            return self._results.take(timeout_s)
        except Closed:
            self._drained = True
            for thread in self._threads:  # what is under way is still written
                if thread.name != "edge-pose capture":
                    thread.join()
            self._raise_error()
            return None

    def __iter__(self) -> Iterator[Result]:
        """Return every result from here on, in order."""
        try:
            while (result := self.poll()) is not None:
                yield result
        finally:
            self._taking = "latest"
            self._results.forget()

    def _begin(self) -> None:
        with self._lock:
            if self._threads or self._closed:
                return
            stages = [("inference", self._infer)]
            if self.source is not None:
                stages.insert(0, ("capture", self._capture))
            if self._writes:
                stages.append(("sinks", self._write))
            self._threads = [
                threading.Thread(target=self._guarded, args=(stage,), name=f"edge-pose {name}", daemon=True)
                for name, stage in stages
            ]
            for thread in self._threads:
                thread.start()

    def _guarded(self, stage: Any) -> None:
        """Run a thread's work; what goes wrong stops all and is raised where results are asked for."""
        try:
            stage()
        except BaseException as err:
            with self._lock:
                if self._error is None:
                    self._error, self._trace = err, err.__traceback__
            self._stop()

    def _capture(self) -> None:
        assert self.source is not None  # or there is no such thread
        clock = time.perf_counter
        try:
            begun = clock()
            for frame in self.source:
                came = clock()
                if not self._frames.put((frame, came, (came - begun) * 1e3)):
                    break
                begun = clock()
        finally:
            self._frames.close()
            self.source.close()  # in here, because nothing else may be done with a decoder while it reads

    def _infer(self) -> None:
        try:
            while (job := self._frames.take()) is not None:
                result = self._work(*job)
                del job
                self._latest = result
                self._taken += 1
                if self._writes and not self._to_write.put(result):
                    return
                taking = self._taking
                if taking != "latest" and not self._results.put(result, newest=taking == "?"):
                    return
        except Closed:
            self.ending = self.after.finish()
        finally:
            self._estimate.close()
            self._to_write.close()
            self._results.close()

    def _work(self, frame: Frame, came: float, source_ms: float) -> Result:
        start = time.perf_counter()
        raw, timings, given_up = self._estimate(frame)
        poses, events = self.after(frame, raw, timings)
        end = time.perf_counter()
        timings["total"] = (end - start) * 1e3
        timings["queue"] = (start - came) * 1e3
        timings["latency"] = (end - came) * 1e3
        timings["source"] = source_ms
        if self._writes:
            timings["sinks"] = self._sinks_ms
        given_up += self._estimate.settle(timings)
        return Result(frame, poses, events, timings, raw, given_up, self.counters)

    def _write(self) -> None:
        try:
            while (result := self._to_write.take()) is not None:
                start = time.perf_counter()
                if self._record is not None:
                    hw = result.frame.image.shape[:2]
                    frame, decided = result.frame, decisions(result)
                    self._record.write(frame.index, frame.time_s, (hw[0], hw[1]), result.raw, decided)
                for sink in self._sinks:
                    sink.write(result.frame, result.poses, result.timings_ms)
                for viewer in self._viewers:
                    viewer.publish(result)
                self._sinks_ms = (time.perf_counter() - start) * 1e3
                self._written += 1
        except Closed:
            return
        finally:
            self._to_write.abort()

    def _raise_error(self) -> None:
        """Raise what went wrong in a thread, every time anew, as it was raised there."""
        if self._error is not None:
            self._told = self._closed = True
            raise self._error.with_traceback(self._trace)

    def _stop(self) -> None:
        """Let every thread end as soon as it can; results that are worked out already are still written."""
        if self.source is not None:
            self.source.stop()
        self._frames.abort()
        self._results.abort()

    def close(self) -> None:
        """Stop all threads; what was worked out is still written. Takes less than a second. May be called twice.

        A thread that does not come back from a decoder, an engine or a full pipe in time is left behind; it ends by
        itself when that returns.
        """
        self._closed = True
        self._stop()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:  # sinks come last: they need what inference still gives them
            if thread.name == "edge-pose sinks":
                self._to_write.close()
            if thread is not threading.current_thread():
                thread.join(max(0.1, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.info("%s did not end in %g s and was left behind", ", ".join(late), STOP_S)
        if self.source is not None and not self._threads:
            self.source.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and not self._told:
            self._raise_error()
