"""Cameras of Linux (V4L2): `0`, `/dev/video0`, `v4l2:///dev/video0`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from edge_pose.errors import SourceError
from edge_pose.frames import Image
from edge_pose.opencv import opencv, quiet
from edge_pose.sources.base import log

DEVICES = Path("/dev")
MAX_FPS = 480.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a camera is asked for: size (width, height) in pixels, fps, pixel_format in four letters (MJPG, YUYV)."""

    size: tuple[int, int] | None = None
    fps: float | None = None
    pixel_format: str | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not (len(self.size) == 2 and min(self.size) > 0):
            raise SourceError(f"size must be width and height in pixels, got {self.size}")
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise SourceError(f"fps must be between 0 and {MAX_FPS:g}, got {self.fps}")
        if self.pixel_format is not None and not re.fullmatch(r"[ -~]{4}", self.pixel_format):
            raise SourceError(f"pixel_format must be four letters such as MJPG or YUYV, got {self.pixel_format!r}")

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for."""
        return self == Wish()


class CameraFeed:
    """One opened camera. What it does not give as it was asked to is logged: cameras take the nearest they have."""

    finite = False

    def __init__(self, device: Path, wish: Wish) -> None:
        cv2 = opencv()
        self._device = device
        check_device(device)
        with quiet:
            self._capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(f"{device} cannot be opened: no camera, or another program uses it (see: fuser {device})")
        self._ask(wish)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= MAX_FPS else 0.0

    def _ask(self, wish: Wish) -> None:
        cv2, capture = opencv(), self._capture
        wanted: list[tuple[str, int, float]] = []
        if wish.pixel_format is not None:  # first: sizes and rates depend on it
            wanted.append(("pixel format", cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*wish.pixel_format)))
        if wish.size is not None:
            wanted.append(("width", cv2.CAP_PROP_FRAME_WIDTH, wish.size[0]))
            wanted.append(("height", cv2.CAP_PROP_FRAME_HEIGHT, wish.size[1]))
        if wish.fps is not None:
            wanted.append(("fps", cv2.CAP_PROP_FPS, wish.fps))
        with quiet:
            for _, key, value in wanted:
                capture.set(key, value)
            for name, key, value in wanted:
                got = capture.get(key)
                if round(got, 1) != round(value, 1):
                    words = _letters(int(value)), _letters(int(got))
                    asked, given = words if name == "pixel format" else (f"{value:g}", f"{got:g}")
                    log.warning("%s: %s %s was asked for, the camera gives %s", self._device, name, asked, given)

    def read(self) -> tuple[Image, float | None] | None:
        """Return the next picture."""
        try:
            with quiet:
                fine, image = self._capture.read()
        except opencv().error:
            return None
        return (image, None) if fine and image is not None and image.ndim == 3 and image.size else None

    def why(self) -> str:
        """Say whether the camera is still there."""
        return "the camera gives no more pictures" if self._device.exists() else "the camera was unplugged"

    def stop(self) -> None:
        """Nothing can be done: the read ends by itself when the driver's time is up."""

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def device_of(text: str) -> Path | None:
    """Return the device that an address means: 0, /dev/video0, v4l2:///dev/video0; None for any other address."""
    plain = text.strip()
    if plain.isascii() and plain.isdecimal():
        return DEVICES / f"video{int(plain)}"
    if plain.startswith("v4l2://"):
        return Path(plain.removeprefix("v4l2://") or "/")
    return Path(plain) if re.fullmatch(rf"{re.escape(str(DEVICES))}/(video\d+|v4l/by-\w+/.+)", plain) else None


def check_device(device: Path) -> None:
    """Raise SourceError, with the mend, for a camera that is not there or may not be used."""
    if not device.exists():
        there = sorted(str(path) for path in DEVICES.glob("video*"))
        raise SourceError(
            f"{device} does not exist; " + (f"there is {', '.join(there)}" if there else "this machine has no camera")
        )
    if not device.is_char_device():
        raise SourceError(f"{device} is no camera")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"no permission for {device}; run: sudo usermod -aG video $USER, and log in again")


def _letters(code: int) -> str:
    text = code.to_bytes(4, "little", signed=False).decode("ascii", errors="replace") if 0 <= code < 2**32 else "?"
    return text if text.isprintable() else hex(code)


__all__ = ["CameraFeed", "Wish", "check_device", "device_of"]
