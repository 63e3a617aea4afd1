"""`gst:` and `csi:`, with the real gst-launch-1.0."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge_pose.errors import SourceError
from edge_pose.sources import Backoff, LiveSource, gstreamer, open_source
from edge_pose.sources.camera import Wish
from edge_pose.sources.gstreamer import GstFeed, csi_pipeline
from tests.conftest import missing

LIVE = "videotestsrc is-live=true ! video/x-raw,width={width},height=24,framerate=60/1"
FAST = Backoff(first_s=0.01, most_s=0.05)


@pytest.fixture(autouse=True)
def launcher():
    if shutil.which("gst-launch-1.0") is None:
        missing("gst-launch-1.0 (gstreamer1.0-tools)")


def children():
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, text=True)
    return listed.stdout.count("gst-launch")


@pytest.fixture(autouse=True)
def no_child_is_left(launcher):
    yield
    assert children() == 0


@pytest.mark.parametrize("width", [31, 32, 33, 34])
def test_pictures_of_any_width(width):
    """A white picture is white to its last column; padding would show as a slant of grey."""
    white = f"gst:videotestsrc num-buffers=3 pattern=white ! video/x-raw,width={width},height=7,framerate=10/1"
    with open_source(white) as source:
        assert (source.live, source.fps) == (False, 10.0)
        frames = list(source)
    assert [f.image.shape for f in frames] == [(7, width, 3)] * 3
    assert min(f.image.min() for f in frames) >= 250
    assert [f.time_s for f in frames] == pytest.approx([0.0, 0.1, 0.2], abs=1e-3)
    assert source.problems == []


def test_colours_are_in_opencvs_order():
    with open_source("gst:videotestsrc num-buffers=1 pattern=blue ! video/x-raw,width=16,height=16") as source:
        blue, green, red = next(source).image.reshape(-1, 3).mean(axis=0)
    assert blue > 200 > 50 > max(green, red)


def test_a_live_pipeline_is_live():
    with open_source("gst:" + LIVE.format(width=32), max_frames=3) as source:
        assert source.live
        times = [f.time_s for f in source]
    assert times[0] == 0.0
    assert np.all(np.diff(times) > 0)


def test_frames_go_through_the_kernels():
    from edge_pose.frames import check_image

    with open_source("gst:videotestsrc num-buffers=1 ! video/x-raw,width=33,height=7") as source:
        image = next(source).image
    assert check_image(image) is image


def test_the_child_is_killed_and_comes_back(caplog):
    feeds = []

    def connect():
        feeds.append(GstFeed("gst:test", LIVE.format(width=32 + 16 * len(feeds))))
        return feeds[-1]

    with LiveSource("gst:test", connect, backoff=FAST) as source:
        first = next(source)
        os.kill(feeds[0]._child.pid, signal.SIGKILL)
        for frame in source:
            if frame.image.shape[1] == 48:
                break
        assert first.image.shape[1] == 32
        assert source.counters["reconnects"] == 1
    assert source.problems[0].startswith("gst:test: gst-launch-1.0 was killed (signal 9); trying again in 0.0")
    assert len(feeds) == 2


def test_a_recording_whose_child_dies_ends_with_a_word():
    source = open_source("gst:videotestsrc ! video/x-raw,width=32,height=24")  # never ends, and is not live
    assert not source.live
    next(source)
    os.kill(source._feed._child.pid, signal.SIGKILL)
    frames = list(source)
    source.close()
    (problem,) = source.problems
    assert f"ended after frame {len(frames) + 1}: gst-launch-1.0 was killed (signal 9)" in problem


def test_a_child_that_hangs_is_taken_for_dead():
    feed = GstFeed("gst:test", LIVE.format(width=32), silent_s=0.5)
    assert feed.read() is not None
    os.kill(feed._child.pid, signal.SIGSTOP)
    while feed.read() is not None:
        pass
    assert feed.why() == "no picture for 0.5 s"
    feed.close()


def test_it_stops_while_it_waits_for_a_picture():
    source = open_source("gst:" + LIVE.format(width=32))
    next(source)
    os.kill(source._feed._child.pid, signal.SIGSTOP)
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    time.sleep(0.1)
    source.stop()
    reader.join(10)
    assert not reader.is_alive()


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("nonsense", r'no picture came: gst-launch-1.0: .*no element "nonsense" \(run: sudo apt-get install'),
        ("audiotestsrc", "could not link"),
        ("videotestsrc num-buffers=0", "no picture came$"),
        ("filesrc location=/nowhere.mp4 ! decodebin", "Resource not found"),
        ("videotestsrc !", "gst-launch-1.0: "),
        ("videotestsrc 'unclosed", "cannot be started: No closing quotation"),
        ("", "needs a pipeline behind it"),
        ("fakesrc num-buffers=1 user-pw=geheim location=rtsp://me:geheim@cam/1", "gst-launch-1.0: "),
    ],
)
def test_what_cannot_be_played(pipeline, message):
    with pytest.raises(SourceError, match=message) as caught:
        open_source(f"gst:{pipeline}")
    assert "geheim" not in str(caught.value)


def test_without_gstreamer(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SourceError, match=r"needs gst-launch-1\.0; run: sudo apt-get install gstreamer1\.0-tools"):
        open_source("gst:videotestsrc")
    with pytest.raises(SourceError, match=r"csi://0 needs GStreamer's nvarguscamerasrc"):
        open_source("csi://0")


def test_csi_cameras(monkeypatch):
    monkeypatch.setattr(gstreamer, "has_element", lambda name: name == "nvarguscamerasrc")
    jetson = csi_pipeline(1, Wish((1920, 1080), 60.0))
    assert jetson == (
        "nvarguscamerasrc sensor-id=1 ! 'video/x-raw(memory:NVMM),format=NV12,width=1920,height=1080,framerate=60/1' "
        "! nvvidconv ! video/x-raw,format=BGRx"
    )
    monkeypatch.setattr(gstreamer, "has_element", lambda name: name == "libcamerasrc")
    assert csi_pipeline(0, Wish(fps=29.97)) == ("libcamerasrc ! video/x-raw,width=1280,height=720,framerate=29970/1000")
    with pytest.raises(SourceError, match="csi://1: with libcamera"):
        csi_pipeline(1, Wish())


def test_a_csi_camera_is_played(monkeypatch):
    """The whole way, with a test picture where the sensor would be."""
    monkeypatch.setattr(gstreamer, "has_element", lambda name: name == "libcamerasrc")
    real = subprocess.Popen

    def stand_in(command, **options):
        return real(["videotestsrc" if word == "libcamerasrc" else word for word in command], **options)

    monkeypatch.setattr(subprocess, "Popen", stand_in)
    with open_source("csi://0", size=(64, 48), fps=30, max_frames=1) as source:
        assert next(source).image.shape == (48, 64, 3)


@pytest.mark.parametrize("address", ["csi://a", "csi://-1", "csi://123"])
def test_odd_csi_addresses(address):
    with pytest.raises(SourceError, match="a CSI camera is csi:// and its number"):
        open_source(address)


def test_no_child_outlives_a_killed_program(tmp_path):
    """The pipe closes, so GStreamer ends by itself."""
    code = (
        "import sys, time; from edge_pose.sources import open_source\n"
        f"s = open_source('gst:{LIVE.format(width=32)}'); next(s)\n"
        "print(s._feed._child.pid, flush=True); time.sleep(60)"
    )
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child = int(program.stdout.readline())
    program.kill()
    program.wait()
    program.stdout.close()
    state = Path(f"/proc/{child}/stat")
    deadline = time.monotonic() + 20
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
