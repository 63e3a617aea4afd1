"""Whether the camera sees anything: frames that stay away, a covered lens, a dark room."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_pose.frames import Image
from edge_pose.opencv import opencv

GRID = (32, 24)  # width, height of what is left of a frame: noise of the sensor is averaged away
STATES = ("ok", "no_frames", "covered", "dark")


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """When something is wrong. Brightness and contrast in grey levels, 0..255; pairs are (becomes bad, is good again).

    no_frames_s: silence of the source that is told. blind_s: how long the picture is dark or covered, with nobody in
    it, before that is told; clear_s: how long it is good before that is. every_s: between two looks at the picture.
    contrast: half of the span between the 5th and 95th percentile of the picture.
    """

    no_frames_s: float = 10.0
    blind_s: float = 10.0
    clear_s: float = 3.0
    every_s: float = 0.5
    dark: tuple[float, float] = (12.0, 20.0)
    contrast: tuple[float, float] = (5.0, 9.0)


@dataclass(frozen=True, slots=True)
class Change:
    """The watch's new state, and what it was seen by."""

    state: str
    evidence: dict[str, Any]


class Watchdog:
    """Looks at one frame in many, and at the clock. Clocks are any that run evenly, in seconds.

    `frame` is called with every frame (it is cheap for most), `tick` about once a second by anybody, also when no
    frames come; both return a Change, or None. state: that of an earlier run, so that a restart tells nothing twice.
    """

    def __init__(self, config: WatchConfig = WatchConfig(), state: str = "ok", now_s: float | None = None) -> None:
        self.config, self.state = config, state if state in STATES else "ok"
        now = time.monotonic() if now_s is None else now_s
        self.last_frame_s = self._looked_s = self._same_since_s = now
        self._view = self.state if self.state in ("covered", "dark") else "ok"  # what the last looks were like
        self._guard = threading.Lock()

    def frame(self, image: Image, people: int, now_s: float) -> Change | None:
        """Take a frame. image: (H, W, 3) uint8; people: how many are seen in it, who prove that it is not blind."""
        with self._guard:
            self.last_frame_s = now_s
            if now_s - self._looked_s < self.config.every_s:
                return None
            self._looked_s = now_s
            brightness, contrast = statistics(image)
            view = "ok" if people else self._judged(brightness, contrast)
            if view != self._view:
                self._view, self._same_since_s = view, now_s
            if view == self.state:
                return None
            needed = self.config.clear_s if view == "ok" else self.config.blind_s
            if now_s - self._same_since_s < needed:
                return None
            seconds = round(now_s - self._same_since_s, 1)
            evidence = {"brightness": round(brightness, 1), "contrast": round(contrast, 1), "seconds": seconds}
            return self._change(view, evidence)

    def tick(self, now_s: float) -> Change | None:
        """Look at the clock."""
        with self._guard:
            silent_s = now_s - self.last_frame_s
            if self.state == "no_frames" or silent_s < self.config.no_frames_s:
                return None
            self._view, self._same_since_s = "no_frames", now_s
            return self._change("no_frames", {"seconds": round(silent_s, 1)})

    def _judged(self, brightness: float, contrast: float) -> str:
        """Name what the picture is like; what was bad has to become clearly better to be good."""
        dark = self.config.dark[self._view == "dark"]
        flat = self.config.contrast[self._view == "covered"]
        return "dark" if brightness < dark else "covered" if contrast < flat else "ok"

    def _change(self, state: str, evidence: dict[str, Any]) -> Change:
        evidence["was"], self.state = self.state, state
        return Change(state, evidence)


def statistics(image: Image) -> tuple[float, float]:
    """Return mean brightness and contrast of a picture, both in grey levels (see WatchConfig)."""
    cv2 = opencv()
    step = max(1, min(image.shape[0] // (4 * GRID[1]), image.shape[1] // (4 * GRID[0])))
    small = cv2.resize(np.ascontiguousarray(image[::step, ::step]), GRID, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    low, high = np.percentile(grey, (5, 95))
    return float(grey.mean()), float(high - low) / 2
