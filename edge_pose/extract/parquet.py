"""Apache Parquet: one row a person, for data frames and loaders of training sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_pose.errors import MissingDependencyError, OutputError
from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink
from edge_pose.sinks.files import failed, part_of, prepare_file
from edge_pose.skeleton import Skeleton

ROWS = 4096  # in one row group


def check_parquet() -> Any:
    """Return pyarrow. Raises MissingDependencyError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as err:
        if err.name != "pyarrow":
            raise
        raise MissingDependencyError("pyarrow is not installed; run: pip install 'edge-pose[parquet]'") from err
    return pyarrow


class ParquetSink(Sink):
    """Writes a row for every person of every frame, and for a frame without anybody one whose `person` is null.

    frame int64; time_s float64; file string (null for a video's frames); person int32: number in the frame, best
    first; id int64: -1 when untracked; score float32; box list of 4 float32, x1, y1, x2, y2; keypoints list of 3 K
    float32, x, y, score by joint. Pixels of the frame; what is not finite is NaN. The file's metadata, key "edge_pose",
    is JSON with the names of the joints and their limbs. The file appears under its name when it is closed.
    """

    def __init__(self, path: Path, skeleton: Skeleton, *, stills: bool = False) -> None:
        arrow = check_parquet()
        self._path, self._stills = prepare_file(path, whole=True), stills
        self._part = part_of(self._path)
        about = {"joints": skeleton.joints, "edges": skeleton.edges, "skeleton": skeleton.name, "stills": stills}
        self._values = 3 * len(skeleton)
        self._schema = arrow.schema(
            [
                arrow.field("frame", arrow.int64(), nullable=False),
                arrow.field("time_s", arrow.float64(), nullable=False),
                ("file", arrow.string()),
                ("person", arrow.int32()),
                ("id", arrow.int64()),
                ("score", arrow.float32()),
                ("box", arrow.list_(arrow.float32(), 4)),
                ("keypoints", arrow.list_(arrow.float32(), self._values)),
            ],
            metadata={"edge_pose": json.dumps(about)},
        )
        self._rows: dict[str, list[Any]] = {name: [] for name in self._schema.names}
        self._writer: Any = None
        self._closed = False

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Add a frame."""
        joints = np.concatenate([poses.xy, poses.scores[..., None]], axis=2)
        joints = joints.reshape(len(poses), self._values)
        people: list[tuple[Any, ...]] = [
            (i, int(poses.ids[i]), float(poses.box_scores[i]), poses.boxes[i].tolist(), joints[i].tolist())
            for i in range(len(poses))
        ]
        file = frame.source.encode("utf-8", "backslashreplace").decode() if self._stills else None
        for person in people or [(None,) * 5]:
            row = (frame.index, frame.time_s, file, *person)
            for column, value in zip(self._rows.values(), row, strict=True):
                column.append(value)
        if len(self._rows["frame"]) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        arrow = check_parquet()
        try:
            if self._writer is None:
                self._writer = arrow.parquet.ParquetWriter(self._part, self._schema, compression="zstd")
            self._writer.write_table(arrow.table(self._rows, schema=self._schema))
        except (OSError, arrow.ArrowException) as err:
            raise failed(self._path, err) from err
        for column in self._rows.values():
            column.clear()

    def close(self) -> None:
        """Finish the file and give it its name; without a frame it has no rows."""
        if self._closed:
            return
        self._closed = True
        if self._rows["frame"] or self._writer is None:
            self._flush()
        try:
            self._writer.close()
            self._part.replace(self._path)
        except OSError as err:
            raise failed(self._path, err) from err

    def discard(self) -> None:
        """Remove what was written."""
        self._closed = True
        try:
            if self._writer is not None:
                self._writer.close()
            self._part.unlink(missing_ok=True)
        except OSError as err:
            raise OutputError(f"cannot remove {self._part}: {err.strerror or err}") from err
