"""Frames as GStreamer's `gdppay` writes them into a pipe: every buffer and every change of format has its own header.

So pictures are told apart although their size may change, and a cut stream is noticed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import SourceError
from edge_pose.frames import Image

HEADER = 62  # bytes
BUFFER, CAPS, EVENT = 1, 2, 64
MAX_SIDE, MAX_PIXELS = 1 << 15, 1 << 28
MAX_WORDS = 1 << 20  # bytes of a payload that is not a picture
NO_TIME = (1 << 64) - 1

# Fills the whole buffer, or returns False at the end of the stream.
Fill = Callable[[memoryview], bool]


@dataclass(frozen=True, slots=True)
class Caps:
    """Size and rate of the pictures. Rows are padded to a multiple of four bytes, as GStreamer has them."""

    width: int
    height: int
    fps: float

    @property
    def stride(self) -> int:
        """Bytes from one row to the next."""
        return (3 * self.width + 3) // 4 * 4

    @classmethod
    def read(cls, text: str) -> Caps:
        """Read `video/x-raw, format=(string)BGR, width=(int)640, ...`. Raises SourceError."""
        found = dict(re.findall(r"(width|height|framerate|format)=\(?\w*\)?\s*([\w/-]+)", text))
        try:
            width, height = int(found["width"]), int(found["height"])
            over, _, under = found.get("framerate", "0/1").partition("/")
            fps = int(over) / int(under or "1") if int(under or "1") else 0.0
        except (KeyError, ValueError) as err:
            raise SourceError(f"GStreamer gives no pictures of a known size: {text[:200]!r}") from err
        if not text.startswith("video/x-raw") or found.get("format") != "BGR":
            raise SourceError(f"GStreamer gives no BGR pictures: {text[:200]!r}")
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
            raise SourceError(f"GStreamer gives pictures of {width} x {height} pixels")
        return cls(width, height, fps)


class Reader:
    """Takes pictures out of such a stream. fill: reads exactly as much as a buffer holds."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._header = bytearray(HEADER)
        self.caps: Caps | None = None

    def read(self) -> tuple[Image, float | None] | None:
        """Return the next picture and its time stamp in seconds; None at the end. Raises SourceError for garbage."""
        while self._fill(memoryview(self._header)):
            major, minor, kind, length = struct.unpack_from(">BBxxHI", self._header)
            if (major, minor) not in ((0, 2), (1, 0)) or not (kind in (BUFFER, CAPS) or kind >= EVENT):
                raise SourceError("what comes from GStreamer is not what gdppay writes: something else wrote into it")
            if kind == BUFFER:
                return self._picture(length)
            if length > MAX_WORDS:
                raise SourceError(f"GStreamer announces {length} bytes that are no picture")
            words = bytearray(length)
            if not self._fill(memoryview(words)):
                return None
            if kind == CAPS:
                self.caps = Caps.read(words.rstrip(b"\0").decode("utf-8", errors="replace"))
        return None

    def _picture(self, length: int) -> tuple[Image, float | None] | None:
        caps = self.caps
        if caps is None or length != caps.stride * caps.height:
            wanted = "none, before any format" if caps is None else f"{caps.stride * caps.height}"
            raise SourceError(f"GStreamer gives a picture of {length} bytes instead of {wanted}")
        stamp = struct.unpack_from(">Q", self._header, 10)[0]
        rows: NDArray[np.uint8] = np.empty((caps.height, caps.stride), np.uint8)
        if not self._fill(rows.data.cast("B")):
            return None
        image = np.lib.stride_tricks.as_strided(rows, (caps.height, caps.width, 3), (caps.stride, 3, 1))
        return image, None if stamp == NO_TIME else stamp / 1e9
