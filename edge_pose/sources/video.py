"""Video files, through the FFmpeg inside OpenCV."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from edge_pose.errors import SourceError
from edge_pose.frames import Frame, Image
from edge_pose.opencv import opencv, quiet
from edge_pose.sources.base import Source
from edge_pose.sources.containers import inspect, why_nothing

MAX_FPS = 480.0  # above, it is a time base that was written into the wrong field
USUAL_FPS = 30.0  # where the container does not say


class VideoSource(Source):
    """The frames of a video file, upright as its rotation mark says.

    time_s is the container's time stamp; where that is missing or does not increase, the last one + 1/fps.
    Whatever could be decoded before or between damage comes out; `problems` then says how much was declared.
    Raises SourceError, at once, when not even the first frame can be decoded.
    """

    def __init__(self, name: str, path: Path, *, max_frames: int | None = None) -> None:
        cv2 = opencv()
        super().__init__(name, fps=USUAL_FPS, max_frames=max_frames)
        self._container = inspect(path)
        self._capture = _open(path)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.declared: int | None = None
        if 0 < fps <= MAX_FPS:  # false for NaN
            self.fps = fps
            self.declared = int(declared) if 0 < declared < 2**53 else None
        self.count = self._at_most(self.declared)
        self._last_s = -math.inf
        self._first = self._decode()
        if self._first is None:
            self.close()
            flaw = why_nothing(self._container)
            raise SourceError(f"{name} is no video that OpenCV can decode" + (f": {flaw}" if flaw else ""))

    def _decode(self) -> tuple[Image, float] | None:
        """Return the next picture and its time stamp in seconds."""
        fine, image = self._capture.read()
        return (image, self._capture.get(opencv().CAP_PROP_POS_MSEC) / 1000) if fine else None

    def _read(self) -> Frame | None:
        decoded, self._first = self._first or self._decode(), None
        if decoded is None:
            self._compare()
            return None
        image, stamp_s = decoded
        if not (math.isfinite(stamp_s) and stamp_s >= 0 and stamp_s > self._last_s):
            stamp_s = self._last_s + 1 / self.fps if self.taken else 0.0
        self._last_s = stamp_s
        return Frame(image, stamp_s, self.taken, self.name)

    def skip(self, count: int) -> None:
        """Pass over the next `count` frames without turning them into pictures; over the end, all that are left."""
        for _ in range(max(0, count)):
            if self._first is not None:
                self._first = None
            elif not self._capture.grab():
                return
            self.taken += 1

    def _compare(self) -> None:
        """Report what the container declared and the decoder did not deliver.

        A count may be off by a few: edit lists hide frames. Where it is only duration x rate, as in Matroska, sound
        may last longer than the pictures, and a varying frame rate makes the product meaningless: there time decides.
        """
        if self.declared is None or not self._capture.isOpened():
            return
        short = self.declared - self.taken
        duration_s = self.declared / self.fps
        stopped = duration_s - self._last_s > max(1.0, 0.05 * duration_s)
        missing = self._container.missing
        if short > 0 and (missing or stopped):
            reason = (
                f"the file is cut off, {missing} bytes are missing" if missing else "the rest is damaged or missing"
            )
            self.report(
                f"{self.name}: decoding stopped after frame {self.taken} of {self.declared} (declared): {reason}"
            )
        elif self._container.exact and short > max(2, 0.02 * self.declared):
            self.report(f"{self.name}: only {self.taken} of {self.declared} (declared) frames could be decoded")

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
        self._first = None


def _open(path: Path) -> Any:
    """Return an OpenCV capture, opened or not."""
    cv2 = opencv()
    try:
        address = str(path.absolute())  # a relative "a:b.mp4" would be an address of protocol "a"
        address.encode()  # OpenCV crashes on what this refuses
    except UnicodeEncodeError as err:
        raise SourceError(f"cannot open {str(path)!r}: OpenCV wants a name that is valid UTF-8; rename it") from err
    # Any other reader of OpenCV would take "shot_001.mp4" for the first of a sequence of pictures.
    has_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getStreamBackends()
    with quiet:
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # the default, but not in OpenCV 4.11
    return capture
