"""An annotated video."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_pose.drawing import draw
from edge_pose.errors import OutputError
from edge_pose.frames import Frame, Image
from edge_pose.opencv import opencv, quiet
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink
from edge_pose.sinks.files import failed, part_of, prepare_file, refuse_input

CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
RESERVE = 1 << 20  # bytes that must stay free: encoders say nothing when the disk is full


class VideoSink(Sink):
    """Draws people and writes a video of the first frame's size (plus one black row or column where that is odd).

    Frames of another size are fitted into it, with black borders. Every frame lasts 1/fps. The file grows under a
    hidden name, and gets its own at close() after it was opened once to see that it is whole. .mp4, .m4v, .mov and .mkv
    hold MPEG-4, .avi holds Motion JPEG. Raises OutputError.
    """

    def __init__(self, path: Path, *, fps: float, threshold: float = 0.3) -> None:
        if path.suffix.lower() not in CODECS:
            raise OutputError(f"cannot write {path}: a video's name must end in one of {', '.join(CODECS)}")
        if not 0 < fps < 1000:
            raise OutputError(f"cannot write {path}: fps must be between 0 and 1000, got {fps}")
        self._path = prepare_file(path, whole=True)
        if self._path.exists() and not self._path.is_file():
            raise OutputError(f"cannot write {self._path}: it is no ordinary file")
        try:
            str(self._path).encode()  # OpenCV crashes on what this refuses
        except UnicodeEncodeError as err:
            raise OutputError(f"cannot write {self._path!r}: OpenCV wants a name that is valid UTF-8") from err
        self._part = part_of(self._path)
        self._fps = fps
        self._threshold = threshold
        self._writer: Any = None
        self._canvas: Image | None = None
        self._written = 0

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Add a frame."""
        if self._canvas is None:
            refuse_input(self._path, frame.source)
            height, width = frame.image.shape[:2]
            self._canvas = np.zeros((height + height % 2, width + width % 2, 3), np.uint8)
            self._open(self._canvas)
        if self._writer is None:
            raise OutputError(f"cannot write {self._path}: it is closed")
        try:
            free = shutil.disk_usage(self._part.parent).free
        except OSError as err:
            raise failed(self._path, err) from err
        if free < RESERVE:
            raise OutputError(f"cannot write {self._path}: the disk is full")
        if frame.image.shape == self._canvas.shape:
            drawn = draw(frame.image, poses, threshold=self._threshold, out=self._canvas)
        else:
            drawn = fitted(draw(frame.image, poses, threshold=self._threshold), self._canvas)
        self._writer.write(drawn)
        self._written += 1

    def _open(self, canvas: Image) -> None:
        cv2 = opencv()
        codec = cv2.VideoWriter_fourcc(*CODECS[self._path.suffix.lower()])
        height, width = canvas.shape[:2]
        with quiet:
            writer = cv2.VideoWriter(str(self._part), codec, self._fps, (width, height))
        if not writer.isOpened():
            self._part.unlink(missing_ok=True)
            raise OutputError(
                f"cannot write {self._path}: OpenCV cannot encode {width} x {height} pixels in {self._path.suffix}; "
                "try .avi, or a folder for single pictures"
            )
        self._writer = writer

    def close(self) -> None:
        """Finish the file and give it its name. Without a single frame there is none."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        if self._frames_in_part() < 0.98 * self._written - 1:  # some containers only store a duration
            self._part.unlink(missing_ok=True)
            raise OutputError(f"cannot write {self._path}: the video is not whole; is the disk full?")
        try:
            self._part.replace(self._path)
        except OSError as err:
            raise failed(self._path, err) from err

    def _frames_in_part(self) -> int:
        cv2 = opencv()
        with quiet:
            capture = cv2.VideoCapture(str(self._part))
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        return count

    def discard(self) -> None:
        """Remove what was written."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            with contextlib.suppress(OSError):  # called while another error is on its way
                self._part.unlink(missing_ok=True)


def fitted(image: Image, canvas: Image) -> Image:
    """Return the canvas with the image in its middle, as large as fits; one that lacks a pixel a side is not scaled."""
    (height, width), (full_h, full_w) = image.shape[:2], canvas.shape[:2]
    canvas[:] = 0
    if 0 <= full_h - height <= 1 and 0 <= full_w - width <= 1:
        canvas[:height, :width] = image
        return canvas
    scale = min(full_h / height, full_w / width)
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (full_h - height) // 2, (full_w - width) // 2
    canvas[top : top + height, left : left + width] = opencv().resize(image, (width, height))
    return canvas
