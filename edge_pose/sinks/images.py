"""Annotated pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_pose.drawing import draw
from edge_pose.errors import OutputError
from edge_pose.frames import Frame, Image
from edge_pose.opencv import opencv, quiet
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink
from edge_pose.sinks.files import failed, prepare_file, prepare_folder, refuse_input, write_whole
from edge_pose.sinks.names import Names

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class ImagesSink(Sink):
    """Draws people and writes the picture: to the file of that name, or into a folder when `path` has no suffix.

    In a folder, pictures keep their input's name and, where it can be written, its kind (else PNG); frames of a video
    are numbered JPEGs. It must not be the folder of the input pictures. A single file takes a single frame: a second
    one is an OutputError. Every file is whole when seen.
    """

    def __init__(self, path: Path, *, stills: bool = True, threshold: float = 0.3) -> None:
        self._single = path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()
        self._path = prepare_file(path, whole=True) if self._single else prepare_folder(path).resolve()
        self._names = Names(stills=stills)
        self._stills = stills
        self._threshold = threshold
        self._written = 0

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Write the frame's picture."""
        if self._single and self._written:
            raise OutputError(f"cannot write a second picture to {self._path}; give a folder or a video file")
        path = self._path if self._single else self._path / (self._names.of(frame) + self._suffix(frame))
        refuse_input(path, frame.source)
        if not self._single and self._stills and Path(frame.source).resolve().parent == self._path:
            raise OutputError(f"cannot write pictures to {self._path}: the input is there; choose another folder")
        write_whole(path, encoded(path, draw(frame.image, poses, threshold=self._threshold)))
        self._written += 1

    def _suffix(self, frame: Frame) -> str:
        own = Path(frame.source).suffix
        return ".jpg" if not self._stills else own if own.lower() in IMAGE_SUFFIXES else ".png"

    def close(self) -> None:
        """Nothing is left to do: every file was whole when it was written."""


def encoded(path: Path, image: Image) -> bytes:
    """Return the bytes of an image file of the kind that the suffix names. Raises OutputError."""
    cv2 = opencv()
    try:
        with quiet:
            fine, data = cv2.imencode(path.suffix, image)
    except cv2.error as err:
        raise failed(path, err) from err
    if not fine:
        raise OutputError(f"cannot write {path}: OpenCV cannot encode {image.shape} as {path.suffix}")
    return bytes(data)
