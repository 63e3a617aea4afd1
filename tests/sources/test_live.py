"""What every live source does when its camera or stream dies, with feeds that die on command."""

import signal
import threading
import time

import numpy as np
import pytest

from edge_pose.errors import SourceError
from edge_pose.sources import Backoff, LiveSource

FAST = Backoff(first_s=0.01, most_s=0.02)


class Feed:
    """Plays a list: a number is a picture of that width, with a stamp as a pair; "end" ends it; "hang" blocks."""

    fps = 25.0

    def __init__(self, script, finite=False):
        self.script, self.finite, self.closed = list(script), finite, False
        self.woken, self.reason = threading.Event(), "" if finite else "the cable was cut"

    def read(self):
        step = self.script.pop(0) if self.script else "end"
        if step == "end":
            return None
        if step == "hang":
            self.woken.wait(20)
            return None
        width, stamp = step if isinstance(step, tuple) else (step, None)
        return np.zeros((4, width, 3), np.uint8), stamp

    def why(self):
        return self.reason

    def stop(self):
        self.woken.set()

    def close(self):
        self.closed = True


def source_of(*feeds, **options):
    """A source whose connections are these feeds, one after the other; a string is a connection that fails."""
    left = list(feeds)

    def connect():
        feed = left.pop(0) if left else "no more"
        if isinstance(feed, str):
            raise SourceError(f"cam: {feed}")
        return feed

    return LiveSource("cam", connect, **{"backoff": FAST, **options})


def test_it_comes_back_with_another_size():
    first, second = Feed([8, 8]), Feed([16, 16])
    source = source_of(first, "refused", "refused again", second, max_frames=4)
    frames = list(source)
    assert [f.image.shape[1] for f in frames] == [8, 8, 16, 16]
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert source.counters == {"reconnects": 1, "gaps": 0}
    assert first.closed
    assert second.closed
    reasons = [problem.partition("; trying")[0] for problem in source.problems]
    assert reasons == ["cam: the cable was cut", "cam: refused", "cam: refused again"]
    times = [f.time_s for f in frames]
    assert (np.diff(times) > 0).all()


def test_a_server_that_accepts_and_gives_nothing_is_no_reconnect():
    source = source_of(Feed([8]), Feed([]), Feed([]), Feed([8]), max_frames=2)
    assert len(list(source)) == 2
    assert source.counters["reconnects"] == 1
    assert len(source.problems) == 3


def test_the_first_connection_must_succeed():
    with pytest.raises(SourceError, match="cam: wrong password"):
        source_of("wrong password")
    silent = Feed([])
    with pytest.raises(SourceError, match="cam: no picture came: the cable was cut"):
        source_of(silent)
    assert silent.closed


def test_a_connection_that_nobody_waits_for_is_let_go():
    """Ctrl-C while it connects: the thread that does so cannot be stopped, but closes what it opens."""
    feed, go = Feed(["hang"]), threading.Event()

    def connect():
        go.wait(20)
        return feed

    class Interrupted(BaseException):
        pass

    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Interrupted):
            LiveSource("cam", connect)
    finally:
        signal.signal(signal.SIGALRM, before)
    go.set()
    deadline = time.monotonic() + 20
    while not feed.closed:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_gives_up_when_told_to():
    source = source_of(Feed([8]), give_up_s=0.1)
    with pytest.raises(SourceError, match=r"cam: .*; given up after 0 s without a picture"):
        list(source)


def test_a_recording_ends():
    feed = Feed([(8, 0.0), (8, 0.5), (8, 0.5), (8, 2.0)], finite=True)
    source = source_of(feed)
    assert not source.live
    assert [f.time_s for f in source] == [0.0, 0.5, pytest.approx(0.54), 2.0]
    assert source.problems == []


def test_a_recording_that_breaks_off_says_so_and_does_not_begin_anew():
    feed = Feed([(8, 0.0), (8, 0.5)], finite=True)
    feed.reason = "the connection broke"
    source = source_of(feed, Feed([(8, 0.0)], finite=True))
    assert len(list(source)) == 2
    assert source.problems == ["cam: ended after frame 2: the connection broke"]


def test_gaps_are_counted(monkeypatch):
    clock = iter([0.0, 0.0, 0.1, 2.0, 2.1, 5.0, 5.1, 9.0, 9.1, 9.2])
    monkeypatch.setattr("edge_pose.sources.live.time.monotonic", lambda: next(clock))
    source = source_of(Feed([8] * 6), max_frames=6)
    assert [f.time_s for f in source] == [0.0, 0.1, 2.0, 2.1, 5.0, 5.1]
    assert source.counters["gaps"] == 2


@pytest.mark.parametrize(
    ("stamps", "arrivals", "times"),
    [
        ([7.0, 7.1, 7.2], [0, 0, 0.01], [0, 0.1, 0.2]),  # a burst: its own clock is better
        ([7.0, 7.1, 99.0, 99.1], [0, 0.1, 0.2, 0.3], [0, 0.1, 0.2, 0.3]),  # the camera's clock was set
        ([7.0, 7.1, 3.0, 3.1], [0, 0.1, 0.2, 0.3], [0, 0.1, 0.2, 0.3]),  # and set back
        ([None, None, None], [0, 0.1, 0.1], [0, 0.1, 0.101]),  # no clock
    ],
)
def test_times(stamps, arrivals, times, monkeypatch):
    clock = iter([0.0, *arrivals])
    monkeypatch.setattr("edge_pose.sources.live.time.monotonic", lambda: next(clock))
    frames = list(source_of(Feed([(8, stamp) for stamp in stamps]), max_frames=len(stamps)))
    assert [f.time_s for f in frames] == pytest.approx(times)


def test_the_date_may_jump_backwards(monkeypatch):
    dates = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: float(next(dates)))
    times = [f.time_s for f in source_of(Feed([8] * 5), max_frames=5)]
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize("state", ["blocked in a read", "waiting to try again"])
def test_it_stops_at_once(state):
    feed = Feed([8, "hang"] if state == "blocked in a read" else [8])
    source = source_of(feed, backoff=Backoff(first_s=1000))
    frames = []
    reader = threading.Thread(target=lambda: frames.extend(source))
    reader.start()
    while len(frames) < 1 and not source.problems and feed.script:
        time.sleep(0.001)
    source.stop()
    reader.join(10)
    assert not reader.is_alive()
    assert feed.closed


def test_problems_do_not_fill_the_memory(caplog):
    feeds = [Feed([8]) for _ in range(150)]
    source = source_of(*feeds, max_frames=150, backoff=Backoff(first_s=0))
    assert len(list(source)) == 150
    assert len(source.problems) == 100
    assert source.counters["reconnects"] == 149


def test_waiting_grows_and_is_spread():
    backoff = Backoff(first_s=0.5, factor=2, most_s=30, jitter=0.25)
    assert [backoff.wait_s(n, 0.5) for n in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.wait_s(10**9, 0.0) == 22.5
    assert backoff.wait_s(1, 0.999) == pytest.approx(1.25, abs=0.01)
