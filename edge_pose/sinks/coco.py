"""COCO keypoint results: one JSON array for the whole run, as evaluation tools read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink
from edge_pose.sinks.files import Records, refuse_input


class CocoSink(Sink):
    """Writes `Poses.to_coco` of every frame into one array, which appears under its name when it is closed.

    image_id is the number in the file's name where that is all it is (000000000139.jpg is 139, as COCO names them),
    else the frame's index; a number that is taken already is followed by the next free one. stills: every entry also
    has `"file_name"`, which evaluation tools ignore. A joint that is not finite is written as 0, 0, 0.
    """

    def __init__(self, path: Path, *, stills: bool = False) -> None:
        self._records = Records(path, whole=True)
        self._stills = stills
        self._taken: set[int] = set()

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Add a frame's people."""
        if not self._records.started:
            refuse_input(self._records.path, frame.source)
        image_id = self._image_id(frame)
        name = {"file_name": frame.source} if self._stills else {}
        entries = [{**entry, **name} for entry in _finite(poses).to_coco(image_id)]
        if entries:
            texts = (json.dumps(entry, separators=(",", ":"), allow_nan=False) for entry in entries)
            self._records.append((",\n" if self._records.size else "[\n").encode() + ",\n".join(texts).encode())

    def _image_id(self, frame: Frame) -> int:
        stem = Path(frame.source).stem
        named = self._stills and stem.isascii() and stem.isdecimal() and len(stem) < 19
        image_id = int(stem) if named else frame.index
        if image_id in self._taken:
            image_id = max(self._taken) + 1
        self._taken.add(image_id)
        return image_id

    def close(self) -> None:
        """Finish the array and give it its name."""
        if not self._records.closed:
            self._records.append(b"\n]\n" if self._records.size else b"[]\n")
        self._records.commit()

    def discard(self) -> None:
        """Remove what was written."""
        self._records.discard()


def _finite(poses: Poses) -> Poses:
    good = np.isfinite(poses.xy).all(axis=2) & np.isfinite(poses.scores)
    if good.all():
        return poses
    return replace(poses, xy=np.where(good[..., None], poses.xy, 0), scores=np.where(good, poses.scores, 0))
