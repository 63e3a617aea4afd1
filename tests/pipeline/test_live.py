"""The pipeline's promises: what is lost and what is not, who waits for whom, how it ends."""

import threading
import time

import numpy as np
import pytest

import edge_pose
from edge_pose.errors import ImageError, OutputError, PipelineError, SourceError, TimeError
from edge_pose.pipeline import Pipeline
from tests.pipeline.standins import IMAGE, Keeping, Numbers, Seeing, number_of


def place(result):
    """The frame's number, as the estimator saw it."""
    return round(float(result.poses.boxes[0, 0]) + 10)


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.002)


def test_public_names():
    assert edge_pose.Pipeline is Pipeline


def test_of_a_file_every_frame_comes_out_in_order():
    sink = Keeping()
    with Pipeline(Seeing(), Numbers(100), sinks=[sink]) as stream:
        results = list(stream)
    assert [r.frame.index for r in results] == list(range(100)) == [place(r) for r in results]
    assert sink.indices == list(range(100))
    assert stream.ended
    counters = stream.counters
    assert (counters["frames"], counters["results"], counters["written"], counters["dropped"]) == (100, 100, 100, 0)


def test_a_slow_network_makes_a_file_wait_and_counts_it():
    with Pipeline(Seeing(slow_s=0.002), Numbers(50)) as stream:
        assert len(list(stream)) == 50
    assert stream.counters["waited"] > 10


def test_of_a_camera_the_newest_frame_is_taken():
    source = Numbers(300, live=True, pace_s=0.001)
    with Pipeline(Seeing(slow_s=0.02), source) as stream:
        results = list(stream)
    indices = [r.frame.index for r in results]
    assert indices == sorted(set(indices))
    assert indices[-1] == 299
    counters = stream.counters
    assert counters["dropped"] == 300 - len(results) > 100
    assert counters["waited"] == 0
    for result in results[2:]:  # what is worked on is never older than one frame of the network
        assert result.timings_ms["queue"] < 1000


def test_a_slow_reader_loses_frames_of_a_camera_but_no_results():
    with Pipeline(Seeing(), Numbers(None, live=True, pace_s=0.001)) as stream:
        seen = []
        for result in stream:
            time.sleep(0.01)
            seen.append(result.frame.index)
            if len(seen) == 20:
                break
        counters = stream.counters
    assert counters["results"] <= 20 + 6
    assert counters["dropped"] > 20


def test_latest_never_waits():
    source, begin = Numbers(None, live=True, pace_s=0.005), threading.Event()

    class Late(Seeing):
        def __call__(self, image):
            begin.wait(20)
            return super().__call__(image)

    with Pipeline(Late(), source) as stream:
        assert stream.latest() is None
        begin.set()
        wait_for(lambda: stream.latest() is not None)
        first = stream.latest().frame.index
        wait_for(lambda: stream.latest().frame.index > first + 20)  # nobody iterates, and it goes on
        assert not stream.ended


def test_latest_of_a_file_runs_through_and_keeps_the_last():
    with Pipeline(Seeing(), Numbers(30)) as stream:
        stream.latest()
        wait_for(lambda: stream.ended)
        assert stream.latest().frame.index == 29


def test_leaving_the_loop_lets_the_stream_go_on():
    with Pipeline(Seeing(), Numbers(None, live=True, pace_s=0.001)) as stream:
        for _ in stream:
            break
        before = stream.latest().frame.index
        wait_for(lambda: stream.latest().frame.index > before + 20)


def test_poll_gives_up_in_time_and_tells_the_end():
    source = Numbers(3, hangs_at=2, live=True)
    with Pipeline(Seeing(), source) as stream:
        wait_for(lambda: stream.poll(0.05) is not None)
        while stream.poll(0.05) is not None:
            pass
        assert stream.poll(0.01) is None
        assert not stream.ended
        source.release.set()
        wait_for(lambda: stream.poll(0.05) is None and stream.ended)


@pytest.mark.parametrize("used", ["iterate", "latest"])
@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"source": {"breaks_at": 5}}, SourceError, "the camera fell off"),
        ({"estimator": {"breaks_at": 5}}, ZeroDivisionError, "inside the network"),
        ({"sink": {"full_after": 5}}, OutputError, "No space left"),
    ],
)
def test_what_goes_wrong_in_any_thread_is_raised_to_the_caller(used, parts, error, message):
    sink = Keeping(**parts.get("sink", {}))
    source = Numbers(None, live=True, pace_s=0.001, **parts.get("source", {}))
    with (
        pytest.raises(error, match=message) as caught,
        Pipeline(Seeing(**parts.get("estimator", {})), source, sinks=[sink]) as stream,
    ):
        if used == "iterate":
            for _ in stream:
                pass
        else:
            while True:
                stream.latest()
                time.sleep(0.001)
    names = [entry.name for entry in caught.traceback]
    assert {"_read", "__call__", "write"} & set(names), names  # where it went wrong is told
    assert len(sink.indices) <= 5 if "sink" in parts else True


def test_an_error_that_nobody_asked_for_is_raised_at_the_end():
    with pytest.raises(ZeroDivisionError), Pipeline(Seeing(breaks_at=0), Numbers(None)) as stream:
        stream.latest()
        wait_for(lambda: stream.ended)


def test_an_error_stays_until_the_end():
    """A loop that goes on all the same must not take old results for new ones."""
    with Pipeline(Seeing(breaks_at=3), Numbers(None)) as stream:
        depths = []
        for _ in range(5):
            with pytest.raises(ZeroDivisionError) as caught:
                list(stream)
            depths.append(len(caught.traceback))
            with pytest.raises(ZeroDivisionError):
                stream.latest()
    assert len(set(depths)) == 1  # and it does not grow


def test_an_error_of_the_program_itself_is_not_covered():
    with pytest.raises(KeyError), Pipeline(Seeing(breaks_at=0), Numbers(None)) as stream:
        stream.latest()
        wait_for(lambda: stream.ended)
        raise KeyError("mine")


STATES = {
    "never begun": {},
    "a source that hangs": {"source": {"hangs_at": 3, "live": True}},
    "a network that is slow": {"estimator": {"slow_s": 0.3}},
    "a sink that hangs": {"hanging_sink": True},
    "a reader that went away": {},
}


@pytest.mark.parametrize("state", STATES)
def test_it_stops_from_any_state(state):
    """And in under a second: measured loosely here, because a test machine may be busy."""
    gate = threading.Event()
    parts = STATES[state]
    source = Numbers(None, **parts.get("source", {"live": True, "pace_s": 0.002}))
    sinks = [Keeping(gate=gate)] if parts.get("hanging_sink") else []
    stream = Pipeline(Seeing(**parts.get("estimator", {})), source, sinks=sinks)
    if state != "never begun":
        stream.poll(0.1)
        time.sleep(0.05)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < 3
    stream.close()
    assert stream.ended
    gate.set()
    source.release.set()
    wait_for(lambda: not any(t.name.startswith("edge-pose") for t in threading.enumerate()))
    assert source.closed_in is not None


def test_the_source_is_closed_by_the_thread_that_reads_it():
    source = Numbers(5)
    with Pipeline(Seeing(), source) as stream:
        list(stream)
    assert source.closed_in == "edge-pose capture"


def test_what_was_worked_out_is_written_when_it_stops():
    gate, sink = threading.Event(), Keeping()
    sink.gate = gate
    with Pipeline(Seeing(), Numbers(None), sinks=[sink]) as stream:
        taken = [r.frame.index for r, _ in zip(stream, range(3), strict=False)]
        threading.Timer(0.1, gate.set).start()
    assert sink.indices[: len(taken)] == taken
    assert stream.counters["written"] == len(sink.indices)


def test_stills_share_no_state():
    estimator = Seeing()
    with Pipeline(estimator, Numbers(7, stills=True)) as stream:
        list(stream)
    assert estimator.resets == 7


def test_pushed_frames():
    with Pipeline(Seeing()) as stream:
        for i in range(50):
            image = IMAGE.copy()
            image[0, 0, 0] = i
            stream.push(image, i / 10)
            wait_for(lambda i=i: stream.latest() is not None and stream.latest().frame.index == i)
            result = stream.latest()
            assert (result.frame.time_s, place(result)) == (i / 10, i)
            assert result.frame.image is image  # nothing is copied
        stream.end()
        wait_for(lambda: stream.ended)


def test_a_pipeline_that_is_just_beginning_has_not_ended(monkeypatch):
    """Another thread may ask while the first push starts the threads."""
    asked, start = [], threading.Thread.start

    def asking(thread):
        asked.append(stream.ended)
        start(thread)

    with Pipeline(Seeing()) as stream:
        monkeypatch.setattr(threading.Thread, "start", asking)
        stream.push(IMAGE, 0.0)
        monkeypatch.undo()
        assert asked == [False]
        assert stream.poll(20) is not None and not stream.ended


def test_pushed_frames_can_be_iterated_from_another_thread():
    with Pipeline(Seeing()) as stream:

        def drive():
            for i in range(20):
                stream.push(IMAGE, i)
                time.sleep(0.005)
            stream.end()

        driver = threading.Thread(target=drive)
        driver.start()
        indices = [r.frame.index for r in stream]
        driver.join()
    assert indices == sorted(indices)
    assert indices[-1] == 19
    assert stream.counters["frames"] == 20 == len(indices) + stream.counters["dropped"]


@pytest.mark.parametrize(
    ("image", "time_s", "error", "message"),
    [
        (IMAGE, 1.0, TimeError, r"time_s must increase, got 1\.0 after 1\.0"),
        (IMAGE, 0.5, TimeError, r"time_s must increase, got 0\.5 after 1\.0"),
        (IMAGE, float("nan"), TimeError, "time_s must"),
        (IMAGE.astype(np.float32), 2.0, ImageError, "image must be uint8"),
        (None, 2.0, ImageError, "image must be a numpy array"),
    ],
)
def test_pushes_that_are_refused(image, time_s, error, message):
    with Pipeline(Seeing()) as stream:
        stream.push(IMAGE, 1.0)
        with pytest.raises(error, match=message):
            stream.push(image, time_s)
        stream.push(IMAGE, 3.0)  # and it goes on
        wait_for(lambda: stream.latest() is not None and stream.latest().frame.time_s == 3.0)


def test_push_is_for_pipelines_without_a_source():
    with Pipeline(Seeing(), Numbers(1)) as stream, pytest.raises(PipelineError, match="without a source"):
        stream.push(IMAGE, 0.0)
    with Pipeline(Seeing()) as stream:
        pass
    with pytest.raises(PipelineError, match="after the pipeline was closed"):
        stream.push(IMAGE, 0.0)


def test_a_source_that_cannot_be_opened(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        Pipeline(Seeing(), tmp_path / "none.mp4")


def test_what_is_neither_source_nor_estimator():
    with pytest.raises(SourceError, match=r"the source must be a picture, .*, got 3\.5"):
        Pipeline(Seeing(), 3.5)
    with pytest.raises(PipelineError, match=r"estimator must be what edge_pose\.load returns, got str"):
        Pipeline("movenet-lightning", Numbers(1))


def test_timings_name_every_stage():
    with Pipeline(Seeing(), Numbers(3), sinks=[Keeping()]) as stream:
        results = list(stream)
    for result in results:
        assert set(result.timings_ms) == {"network", "total", "queue", "latency", "source", "sinks"}
        assert result.timings_ms["latency"] == pytest.approx(result.timings_ms["queue"] + result.timings_ms["total"])
        assert number_of(result.frame.image) == result.frame.index


def test_two_pipelines_share_nothing():
    with Pipeline(Seeing(), Numbers(40)) as one, Pipeline(Seeing(), Numbers(60)) as two:
        pairs = list(zip(one, two, strict=False))
    assert [a.frame.index for a, _ in pairs] == [b.frame.index for _, b in pairs] == list(range(40))


def test_the_date_may_jump_backwards(monkeypatch):
    """Set by a time server, say: nothing of the pipeline goes by it."""
    dates = iter(range(10**9, 0, -(10**5)))
    monkeypatch.setattr(time, "time", lambda: float(next(dates)))
    with Pipeline(Seeing(), Numbers(40), track=True, smooth=True) as stream:
        results = list(stream)
    assert len(results) == 40
    assert min(min(r.timings_ms.values()) for r in results) >= 0


def test_what_the_end_tells_reaches_viewers(monkeypatch):
    class Page:
        def __init__(self):
            self.seen = []

        def publish(self, result):
            self.seen.append((result.frame.index, result.events))

    page = Page()
    with Pipeline(Seeing(), Numbers(3), viewers=[page]) as stream:
        monkeypatch.setattr(stream.after, "finish", lambda: ("a fall that was about to be confirmed",))
        list(stream)
    assert page.seen == [(0, ()), (1, ()), (2, ()), (2, stream.ending)]
    assert stream.ending == ("a fall that was about to be confirmed",)
