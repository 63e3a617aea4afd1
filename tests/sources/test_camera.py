"""V4L2 cameras, with a driver that is played."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_pose.errors import SourceError
from edge_pose.sources import Backoff, LiveSource, camera, open_source
from edge_pose.sources.camera import CameraFeed, Wish, device_of


class Driver:
    """A camera of 640 x 480 at 30 frames a second that knows MJPG and YUYV; `frames` are left in it."""

    frames = 3
    opened = True
    device = None

    def __init__(self, path, api):
        Driver.device, self.api = path, api
        self.values = {
            cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0, cv2.CAP_PROP_FPS: 30.0,
            cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV")),
        }  # fmt: skip
        self.asked = []

    def isOpened(self):
        return self.opened

    def set(self, key, value):
        self.asked.append(key)
        sizes = {cv2.CAP_PROP_FRAME_WIDTH: (320, 640), cv2.CAP_PROP_FRAME_HEIGHT: (240, 480)}
        if key in sizes:
            value = min(sizes[key], key=lambda size: abs(size - value))
        self.values[key] = float(value)
        return True

    def get(self, key):
        return self.values.get(key, 0.0)

    def read(self):
        if Driver.frames == 0:
            return False, None
        Driver.frames -= 1
        size = int(self.values[cv2.CAP_PROP_FRAME_HEIGHT]), int(self.values[cv2.CAP_PROP_FRAME_WIDTH])
        return True, np.zeros((*size, 3), np.uint8)

    def release(self):
        pass


@pytest.fixture
def dev(tmp_path, monkeypatch):
    """A folder of devices with one camera, which is a character device that anybody may open."""
    (tmp_path / "video0").symlink_to("/dev/null")
    monkeypatch.setattr(camera, "DEVICES", tmp_path)
    monkeypatch.setattr(cv2, "VideoCapture", Driver)
    monkeypatch.setattr(Driver, "frames", 3)
    return tmp_path


@pytest.mark.parametrize("form", [0, "0", " 0 ", "{dev}/video0", "v4l2://{dev}/video0"])
def test_addresses(form, dev):
    text = form.format(dev=dev) if isinstance(form, str) else form
    with open_source(text, max_frames=2) as source:
        assert (source.live, source.fps) == (True, 30.0)
        assert [f.image.shape for f in source] == [(480, 640, 3)] * 2
    assert Driver.device == str(dev / "video0")


def test_files_are_no_devices():
    assert device_of("clip.mp4") is None
    assert device_of("/dev/null") is None
    assert device_of("/dev/v4l/by-id/usb-cam-index0") == Path("/dev/v4l/by-id/usb-cam-index0")


def test_what_is_asked_for_and_what_is_given(dev, caplog):
    with open_source("0", size=(320, 240), fps=15, pixel_format="MJPG") as source:
        assert next(source).image.shape == (240, 320, 3)
    assert caplog.messages == []
    with open_source("0", size=(1280, 720)) as source:
        assert next(source).image.shape == (480, 640, 3)
    assert caplog.messages == [
        f"{dev}/video0: width 1280 was asked for, the camera gives 640",
        f"{dev}/video0: height 720 was asked for, the camera gives 480",
    ]


def test_the_pixel_format_comes_first(dev):
    feed = CameraFeed(dev / "video0", Wish((320, 240), 15, "MJPG"))
    assert feed._capture.asked[0] == cv2.CAP_PROP_FOURCC


def test_it_disappears_and_comes_back(dev, monkeypatch):
    device = dev / "video0"
    source = LiveSource("0", lambda: CameraFeed(device, Wish()), max_frames=5, backoff=Backoff(0.01, most_s=0.01))
    frames = [next(source) for _ in range(3)]
    device.unlink()  # and now there are no frames left

    def again(problem, report=source.report):
        report(problem)
        if len(source.problems) == 3:
            device.symlink_to("/dev/null")
            monkeypatch.setattr(Driver, "frames", 5)

    monkeypatch.setattr(source, "report", again)
    frames += list(source)
    assert len(frames) == 5
    assert source.counters["reconnects"] == 1
    reasons = [problem.partition("; trying")[0] for problem in source.problems]
    assert reasons[0] == "0: the camera was unplugged"
    assert reasons[1] == f"0: {device} does not exist; this machine has no camera"


def test_missing_cameras(dev):
    with pytest.raises(SourceError, match=f"^{dev}/video9 does not exist; there is {dev}/video0$"):
        open_source(9)
    (dev / "video0").unlink()
    with pytest.raises(SourceError, match=r"video9 does not exist; this machine has no camera$"):
        open_source(f"{dev}/video9")


def test_what_is_no_camera(dev, monkeypatch):
    (dev / "video1").write_text("text")
    with pytest.raises(SourceError, match="video1 is no camera"):
        open_source("1")
    monkeypatch.setattr(Driver, "opened", False)
    with pytest.raises(SourceError, match=r"video0 cannot be opened: no camera, or another program uses it"):
        open_source("0")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(SourceError, match=r"no permission for .*video0; run: sudo usermod -aG video"):
        open_source("0")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 480)}, "size must be width and height"),
        ({"fps": 0}, "fps must be between 0 and 480, got 0"),
        ({"fps": float("nan")}, "fps must be between"),
        ({"pixel_format": "MJPEG"}, "pixel_format must be four letters"),
    ],
)
def test_wishes_that_make_no_sense(options, message, dev):
    with pytest.raises(SourceError, match=message):
        open_source("0", **options)


@pytest.mark.parametrize("address", ["a.mp4", "rtsp://cam/1", "gst:videotestsrc"])
def test_wishes_are_for_cameras(address):
    with pytest.raises(SourceError, match="size, fps and pixel_format are for cameras"):
        open_source(address, size=(640, 480))
