"""A window with the live picture."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping

from edge_pose.drawing import draw
from edge_pose.errors import OutputError
from edge_pose.frames import Frame
from edge_pose.opencv import opencv
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink

LEAVE = (27, ord("q"))  # Esc


class WindowSink(Sink):
    """Shows every frame with its people. Belongs to the main thread, because window systems want it so.

    closed: whether somebody pressed q or Esc or closed the window; nothing is shown any more then.
    Raises OutputError where there is no display, or OpenCV has no windows.
    """

    def __init__(self, title: str = "edge-pose", *, threshold: float = 0.3) -> None:
        missing = no_display()
        if missing:
            raise OutputError(f"cannot show a window: {missing}")
        self.closed = False
        self._title, self._threshold = title, threshold
        cv2 = opencv()
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as err:
            raise OutputError(
                "cannot show a window: this OpenCV has none; run: pip uninstall -y opencv-python-headless && "
                "pip install opencv-python"
            ) from err

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Show a frame."""
        if self.closed:
            return
        cv2 = opencv()
        cv2.imshow(self._title, draw(frame.image, poses, threshold=self._threshold))
        key = cv2.waitKey(1) & 0xFF
        if key in LEAVE or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self.close()

    def close(self) -> None:
        """Close the window."""
        if not self.closed:
            self.closed = True
            cv2 = opencv()
            if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 0:  # else the user has closed it
                cv2.destroyWindow(self._title)
                cv2.waitKey(1)


def no_display() -> str:
    """Say why there is no display, else "": asked beforehand, because Qt ends the whole program where there is none."""
    if not sys.platform.startswith("linux") or os.environ.get("WAYLAND_DISPLAY"):
        return ""
    name = os.environ.get("DISPLAY", "")
    if not name:
        return "this machine has no display (DISPLAY is not set); over ssh, use: ssh -X"
    found = re.fullmatch(r"(?:unix)?(?P<host>[^:/]*):(?P<number>\d+)(?:\.\d+)?", name)
    if found is None:
        return ""  # a form that only its window system knows
    host, number = found["host"], int(found["number"])
    path = f"/tmp/.X11-unix/X{number}"  # where X listens
    tries = [(socket.AF_UNIX, path), (socket.AF_UNIX, f"\0{path}")] if not host else []
    for family, address in tries:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(address) == 0:
                return ""
    if host:
        try:
            socket.create_connection((host, 6000 + number), timeout=3).close()
            return ""
        except OSError:
            return f"the display {name} does not answer"
    return f"there is no display {name}"
