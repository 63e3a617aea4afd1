"""A table with one row a person, for spreadsheets and pandas."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink, plain
from edge_pose.sinks.files import Records, refuse_input
from edge_pose.skeleton import Skeleton


class CsvSink(Sink):
    """Writes frame,time_s,file,person,id,score,x1,y1,x2,y2 and x, y, score of every joint (nose_x,nose_y,nose_s,...).

    person counts from 0 within the frame; id is -1 when untracked; a frame without people has no row; what is not
    finite is an empty cell. The header comes with the first frame. The file is valid after every frame, even after a
    kill.
    """

    def __init__(self, path: Path) -> None:
        self._records = Records(path)

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Add a frame's rows."""
        if not self._records.started:
            refuse_input(self._records.path, frame.source)
            self._records.append(_rows([header(poses.skeleton)]))
        people = zip(
            poses.ids.tolist(), plain(poses.box_scores), plain(poses.boxes), plain(poses.xy), plain(poses.scores),
            strict=True,
        )  # fmt: skip
        rows = []
        for person, (identity, score, box, points, scores) in enumerate(people):
            joints = [value for (x, y), s in zip(points, scores, strict=True) for value in (x, y, s)]
            rows.append([frame.index, round(frame.time_s, 3), frame.source, person, identity, score, *box, *joints])
        if rows:
            self._records.append(_rows(rows))

    def close(self) -> None:
        """Close the file; without a single frame, an empty one."""
        if not self._records.started:
            self._records.append(b"")
        self._records.commit()

    def discard(self) -> None:
        """Keep the rows that were written: each is whole. Without any, nothing is touched."""
        self._records.discard()


def header(skeleton: Skeleton) -> list[str]:
    """Return the names of the columns."""
    first = ["frame", "time_s", "file", "person", "id", "score", "x1", "y1", "x2", "y2"]
    return first + [f"{joint}_{axis}" for joint in skeleton.joints for axis in "xys"]


def _rows(rows: list[list[object]] | list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="replace")  # names of files need not be valid Unicode
