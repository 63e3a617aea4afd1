"""The three threads of a pipeline: one reads, one estimates, one writes; and how they end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

from edge_pose.frames import Frame
from edge_pose.pipeline.after import AfterNetwork
from edge_pose.pipeline.estimate import Estimation
from edge_pose.pipeline.handover import Closed, Handover
from edge_pose.pipeline.result import Result, decisions
from edge_pose.sinks import Sink
from edge_pose.sources import Source

if TYPE_CHECKING:
    from edge_pose.fall import FallEvent
    from edge_pose.recording import Recorder

log = logging.getLogger("edge_pose.pipeline")

AHEAD = 2  # frames of a file that are decoded before their turn
BEHIND = 4  # results that sinks and the caller may lag behind
STOP_S = 0.7  # a thread that needs longer to stop is left behind


class Viewer(Protocol):
    """Takes results as they come and never blocks; the web page is one."""

    def publish(self, result: Result) -> None:
        """Show a result. At the end the last may come again, with the events that the end told."""


class Work:
    """What the threads share. taking: how the program takes results; nobody knows before it does.

    frames, results: hand-overs to the second thread, and to the program. latest, estimated, written: how far it is.
    counters: of the whole run, into every result. ending: what the end of the stream told. told: the program knows of
    the error that one of the threads ended with.
    """

    def __init__(
        self,
        source: Source | None,
        estimation: Estimation,
        after: AfterNetwork,
        counters: Callable[[], dict[str, int]],
        sinks: Sequence[Sink],
        viewers: Sequence[Viewer],
        record: Recorder | None,
    ) -> None:
        self._source, self._estimation, self._after, self._counters = source, estimation, after, counters
        self._sinks, self._viewers, self._record = tuple(sinks), tuple(viewers), record
        self._writes = bool(sinks or viewers or record is not None)
        live = source is None or source.live
        self.frames: Handover[tuple[Frame, float, float]] = Handover(1 if live else AHEAD, newest=live)
        self.results: Handover[Result] = Handover(BEHIND)
        self.to_write: Handover[Result] = Handover(BEHIND)
        self.taking: Literal["?", "each", "latest"] = "?"
        self.latest: Result | None = None
        self.estimated = self.written = 0
        self.ending: tuple[FallEvent, ...] = ()
        self.told = False
        self._sinks_ms = 0.0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._trace: TracebackType | None = None

    @property
    def begun(self) -> bool:
        """Whether there are threads."""
        return bool(self._threads)

    @property
    def over(self) -> bool:
        """Whether there were threads, and all have ended; one that is about to start has not."""
        return self.begun and all(thread.ident is not None and not thread.is_alive() for thread in self._threads)

    def begin(self) -> None:
        """Start the threads, once."""
        with self._lock:
            if self._threads:
                return
            stages = [("inference", self._infer)]
            if self._source is not None:
                stages.insert(0, ("capture", self._capture))
            if self._writes:
                stages.append(("sinks", self._write))
            self._threads = [
                threading.Thread(target=self._guarded, args=(stage,), name=f"edge-pose {name}", daemon=True)
                for name, stage in stages
            ]
            for thread in self._threads:
                thread.start()

    def _guarded(self, stage: Callable[[], None]) -> None:
        """Run a thread's work; what goes wrong stops all and is raised where results are asked for."""
        try:
            stage()
        except BaseException as err:
            with self._lock:
                if self._error is None:
                    self._error, self._trace = err, err.__traceback__
            self.stop()

    def _capture(self) -> None:
        assert self._source is not None  # or there is no such thread
        clock = time.perf_counter
        try:
            begun = clock()
            for frame in self._source:
                came = clock()
                if not self.frames.put((frame, came, (came - begun) * 1e3)):
                    break
                begun = clock()
        finally:
            self.frames.close()
            self._source.close()  # in here, because nothing else may be done with a decoder while it reads

    def _infer(self) -> None:
        try:
            self._estimation.begin()
            while (job := self.frames.take()) is not None:
                result = self._result(*job)
                del job
                self.latest = result
                self.estimated += 1
                if self._writes and not self.to_write.put(result):
                    return
                taking = self.taking
                if taking != "latest" and not self.results.put(result, newest=taking == "?"):
                    return
        except Closed:
            self.ending = self._after.finish()
        finally:
            self._estimation.close()
            self.to_write.close()
            self.results.close()

    def _result(self, frame: Frame, came: float, source_ms: float) -> Result:
        start = time.perf_counter()
        raw, timings, given_up = self._estimation(frame)
        poses, events = self._after(frame, raw, timings)
        poses = self._estimation.shown(poses)
        end = time.perf_counter()
        timings["total"] = (end - start) * 1e3
        timings["queue"] = (start - came) * 1e3
        timings["latency"] = (end - came) * 1e3
        timings["source"] = source_ms
        if self._writes:
            timings["sinks"] = self._sinks_ms
        given_up += self._estimation.settle(timings)
        seen = raw if self._after.tracked is None else self._after.tracked
        return Result(frame, poses, events, timings, seen, given_up, self._counters())

    def _write(self) -> None:
        try:
            while (result := self.to_write.take()) is not None:
                start = time.perf_counter()
                frame = result.frame
                if self._record is not None:
                    height, width = frame.image.shape[:2]
                    decided = decisions(result)
                    self._record.write(frame.index, frame.time_s, (height, width), result.raw, decided)
                for sink in self._sinks:
                    sink.write(frame, result.poses, result.timings_ms)
                for viewer in self._viewers:
                    viewer.publish(result)
                self._sinks_ms = (time.perf_counter() - start) * 1e3
                self.written += 1
        except Closed:
            newest = self.latest
            if self.ending and newest is not None:
                for viewer in self._viewers:
                    viewer.publish(replace(newest, events=self.ending))
        finally:
            self.to_write.abort()

    def raise_error(self) -> None:
        """Raise what went wrong in a thread, every time anew, as it was raised there."""
        if self._error is not None:
            self.told = True
            raise self._error.with_traceback(self._trace)

    def stop(self) -> None:
        """Let every thread end as soon as it can; results that are worked out already are still written."""
        if self._source is not None:
            self._source.stop()
        self.frames.abort()
        self.results.abort()

    def wait_for_writing(self) -> None:
        """Wait until what was worked out is written."""
        for thread in self._threads:
            if thread.name != "edge-pose capture":  # a decoder may take its time to close
                thread.join()

    def end(self) -> None:
        """Stop, and wait for the threads, but not for long: one that hangs is left behind."""
        self.stop()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:  # sinks come last: they need what inference still gives them
            if thread.name == "edge-pose sinks":
                self.to_write.close()
            if thread is not threading.current_thread():
                thread.join(max(0.1, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.info("%s did not end in %g s and was left behind", ", ".join(late), STOP_S)
        if self._source is not None and not self._threads:
            self._source.close()
