"""From what a user asks for to sinks."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from edge_pose.errors import OutputError
from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink
from edge_pose.sinks.coco import CocoSink
from edge_pose.sinks.csv_ import CsvSink
from edge_pose.sinks.images import IMAGE_SUFFIXES, ImagesSink
from edge_pose.sinks.jsonl import JsonlSink
from edge_pose.sinks.openpose import OpenposeSink
from edge_pose.sinks.video import CODECS, VideoSink

Format = Literal["jsonl", "coco", "openpose", "csv"]
FORMATS: tuple[str, ...] = get_args(Format)


class Sinks(Sink):
    """Several sinks as one. Each is closed, or discarded, even where another fails; the first error is raised."""

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self.sinks = tuple(sinks)

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Add a frame to all."""
        for sink in self.sinks:
            sink.write(frame, poses, timings_ms)

    def close(self) -> None:
        """Finish all."""
        errors = []
        for sink in self.sinks:
            try:
                sink.close()
            except OutputError as err:
                errors.append(err)
        if errors:
            raise errors[0]

    def discard(self) -> None:
        """Discard all."""
        for sink in self.sinks:
            with contextlib.suppress(OutputError):  # the error that led here is the one to tell
                sink.discard()


def open_sinks(
    *,
    json_path: Path | None = None,
    format: Format = "jsonl",
    video_path: Path | None = None,
    fps: float = 30.0,
    count: int | None = None,
    stills: bool = False,
    threshold: float = 0.3,
) -> Sinks:
    """Open what was asked for; without any path, a sink that swallows everything.

    json_path: the results, in this format ("openpose" wants a folder). video_path: the picture or video with skeletons;
    its suffix decides, and a name without suffix, or of a folder that is there, is a folder of pictures. fps, count,
    stills: of the source, as `Source` has them. threshold: joints below are not drawn. Folders are created as needed.
    Raises OutputError when something cannot be written there, and leaves everything that is there as it is.
    """
    if format not in FORMATS:
        raise OutputError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if json_path and video_path and format != "openpose" and json_path.resolve() == video_path.resolve():
        raise OutputError(f"results and pictures cannot both be written to {json_path}")
    sinks: list[Sink] = []
    if json_path is not None:
        sinks.append(_results(json_path, format, stills))
    if video_path is not None:
        sinks.append(_annotated(video_path, fps, count, stills, threshold))
    return Sinks(sinks)


def _results(path: Path, format: Format, stills: bool) -> Sink:
    if format == "openpose":
        return OpenposeSink(path, stills=stills)
    if format == "csv":
        return CsvSink(path)
    return CocoSink(path, stills=stills) if format == "coco" else JsonlSink(path, stills=stills)


def _annotated(path: Path, fps: float, count: int | None, stills: bool, threshold: float) -> Sink:
    suffix = path.suffix.lower()
    if path.is_dir() or not suffix:
        return ImagesSink(path, stills=stills, threshold=threshold)
    if suffix in CODECS:
        return VideoSink(path, fps=fps, threshold=threshold)
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join((*CODECS, *IMAGE_SUFFIXES))
        raise OutputError(f"cannot write {path}: its name must end in one of {known}, or in nothing for a folder")
    if count != 1:
        frames = "many" if count is None else str(count)
        raise OutputError(
            f"cannot write {frames} frames to the picture {path}; give a folder or one of {', '.join(CODECS)}"
        )
    return ImagesSink(path, stills=stills, threshold=threshold)
