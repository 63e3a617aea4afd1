"""The window, with a window system that is played: test machines have none."""

import socket

import cv2
import numpy as np
import pytest

from edge_pose.errors import OutputError
from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks import WindowSink

FRAME = Frame(np.zeros((48, 64, 3), np.uint8), 0.0, 0)


class Windows:
    """What OpenCV would show, and which key is pressed."""

    def __init__(self, monkeypatch):
        self.shown, self.key, self.visible, self.open = [], -1, 1.0, []
        monkeypatch.setattr(cv2, "namedWindow", lambda name, flags: self.open.append(name))
        monkeypatch.setattr(cv2, "imshow", lambda name, image: self.shown.append(image))
        monkeypatch.setattr(cv2, "waitKey", lambda delay: self.key)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda name, what: self.visible)
        monkeypatch.setattr(cv2, "destroyWindow", self.open.remove)
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")


@pytest.fixture
def windows(monkeypatch):
    return Windows(monkeypatch)


def test_frames_are_shown_until_the_end(windows):
    with WindowSink("live") as window:
        window.write(FRAME, Poses.empty(), {})
        assert windows.open == ["live"]
    assert windows.shown[0].shape == (48, 64, 3)
    assert windows.open == []


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_a_key_closes_it(key, windows):
    window = WindowSink("live")
    windows.key = key
    window.write(FRAME, Poses.empty(), {})
    assert window.closed
    assert windows.open == []
    window.write(FRAME, Poses.empty(), {})
    assert len(windows.shown) == 1


def test_the_user_closes_it(windows):
    window = WindowSink("live")
    windows.visible = -1.0
    window.write(FRAME, Poses.empty(), {})
    assert window.closed
    assert windows.open == ["live"]  # it has gone already: destroying it again would be an error


def test_an_opencv_without_windows(windows, monkeypatch):
    def refuse(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    with pytest.raises(OutputError, match="pip install opencv-python"):
        WindowSink()


@pytest.mark.parametrize(
    ("display", "message"),
    [
        ("", "no display .DISPLAY is not set.; over ssh, use: ssh -X"),
        (":4711", "there is no display :4711"),
        ("localhost:4711", "the display localhost:4711 does not answer"),
    ],
)
def test_without_a_display(display, message, monkeypatch):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(OutputError, match=message):
        WindowSink()


def test_a_display_that_answers(monkeypatch):
    from edge_pose.sinks import window

    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{server.getsockname()[1] - 6000}")
        assert window.no_display() == ""
