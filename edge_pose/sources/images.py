"""Still pictures: one file, or many in natural order."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_pose.errors import SourceError
from edge_pose.frames import Frame, Image
from edge_pose.opencv import opencv, quiet
from edge_pose.sources.base import Source
from edge_pose.sources.kinds import first_bytes, is_picture, is_text

PNG = b"\x89PNG\r\n\x1a\n"
MAX_SIDE, MAX_PIXELS = 1 << 20, 1 << 30  # what OpenCV decodes unless its environment variables say otherwise


def read_image(path: Path) -> Image:
    """Return the picture in a file as (H, W, 3) uint8 BGR, turned upright as its EXIF orientation says.

    Greyscale becomes three equal channels, 16 bit becomes 8, transparency is dropped, and of several pages or
    pictures the first is taken. Raises SourceError, also for a file that is cut off.
    """
    head = first_bytes(path)
    if not is_picture(head) and is_text(head):
        raise SourceError(f"{path} is no image that OpenCV can decode: it is a text file, it begins with {head[:20]!r}")
    cv2 = opencv()
    try:
        data = path.read_bytes()  # and not imread, which cannot open every name and invents the rest of a half file
        flaw = _flaw(data)
        with quiet:
            image: Image | None = None if flaw else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except OSError as err:
        raise SourceError(f"cannot read {path}: {err.strerror or err}") from err
    except (cv2.error, MemoryError) as err:
        reason = str(err).strip().splitlines()[0]
        raise SourceError(f"{path} cannot be decoded; it may be too large: {reason}") from err
    if image is None or image.dtype != np.uint8:
        raise SourceError(f"{path} is no image that OpenCV can decode" + (f": {flaw}" if flaw else ""))
    return image


def _flaw(data: bytes) -> str:
    """Say what is wrong with a file where OpenCV would say nothing, invent grey, or write to stderr; else ""."""
    cut = f"the file is cut off after {len(data)} bytes"
    if data.startswith(b"\xff\xd8\xff"):
        return "" if data.rfind(b"\xff\xd9") > 2 else cut  # JPEG's end mark; some writers put bytes behind it
    if not data.startswith(PNG):
        return ""
    at = len(PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR" and at + 16 <= len(data):
            width, height = struct.unpack_from(">II", data, at + 8)
            if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
                return f"{width} x {height} pixels are more than OpenCV's limit of {MAX_PIXELS} (a side: {MAX_SIDE})"
        at += 12 + length
        if kind == b"IEND":
            return "" if at <= len(data) else cut
    return cut


class ImageSource(Source):
    """Pictures one after the other. A bad one among good ones is reported and left out.

    The first good one is read at once, so that a source without any fails here, with SourceError.
    Frames are numbered as they come out; time_s is the index, as if there was one picture a second.
    """

    stills = True

    def __init__(self, name: str, paths: Sequence[Path], *, max_frames: int | None = None) -> None:
        super().__init__(name, fps=1.0, max_frames=max_frames)
        self.count = self._at_most(len(paths))
        self._paths = iter(paths)
        self._first = self._next_good(alone=len(paths) == 1)
        if self._first is None:
            raise SourceError(f"none of the {len(paths)} images of {name} can be read; {self.problems[0]}")

    def _read(self) -> Frame | None:
        found, self._first = self._first or self._next_good(), None
        if found is None:
            return None
        path, image = found
        return Frame(image, float(self.taken), self.taken, str(path))

    def _next_good(self, alone: bool = False) -> tuple[Path, Image] | None:
        for path in self._paths:
            try:
                return path, read_image(path)
            except SourceError as err:
                if alone:
                    raise
                self.report(f"skipped: {err}")
        return None

    def close(self) -> None:
        """Forget the pictures that were not read yet."""
        self._paths, self._first = iter(()), None
