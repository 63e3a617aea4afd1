"""Frames that the program itself gives."""

from __future__ import annotations

import time
from typing import Any

from edge_pose.errors import TimeError
from edge_pose.frames import Frame, check_image


class Intake:
    """Numbers pushed frames, checks them, and sees to it that time goes on."""

    def __init__(self) -> None:
        self.taken = 0
        self._last_s: float | None = None

    def frame(self, image: Any, time_s: float | None) -> Frame:
        """Return the frame. Raises ImageError, TimeError."""
        image = check_image(image)
        at_s = time.monotonic() if time_s is None else float(time_s)
        if self._last_s is not None and not at_s > self._last_s:
            raise TimeError(f"time_s must increase, got {at_s} after {self._last_s}")
        if at_s != at_s or at_s in (float("inf"), float("-inf")):
            raise TimeError(f"time_s must be a finite number of seconds, got {at_s}")
        self._last_s = at_s
        frame = Frame(image, at_s, self.taken, "push")
        self.taken += 1
        return frame
