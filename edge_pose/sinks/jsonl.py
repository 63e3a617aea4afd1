"""JSON lines: one object a frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink, plain
from edge_pose.sinks.files import Records, refuse_input


class JsonlSink(Sink):
    """Writes `{"frame":0,"time_s":0.0,"people":[...],"timings_ms":{...}}` and a line end for every frame.

    A person is `{"id":1,"score":0.9,"box":[x1,y1,x2,y2],"keypoints":[[x,y,score],...]}` in pixels of the frame; id is
    -1 when untracked; nobody is `"people":[]`. stills: adds `"file"`, the path as the source names it. Numbers have
    three decimals; null stands for what is not finite. The file is valid after every line, even after a kill.
    """

    def __init__(self, path: Path, *, stills: bool = False) -> None:
        self._records = Records(path)
        self._stills = stills

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Add a line."""
        if not self._records.started:
            refuse_input(self._records.path, frame.source)
        line: dict[str, Any] = {"frame": frame.index, "time_s": round(frame.time_s, 3)}
        if self._stills:
            line["file"] = frame.source
        line["people"] = people(poses)
        line["timings_ms"] = {stage: round(ms, 3) for stage, ms in timings_ms.items()}
        self._records.append(json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n")

    def close(self) -> None:
        """Close the file; without a single frame, an empty one."""
        if not self._records.started:
            self._records.append(b"")
        self._records.commit()

    def discard(self) -> None:
        """Keep the lines that were written: each is whole. Without any, nothing is touched."""
        self._records.discard()


def people(poses: Poses) -> list[dict[str, Any]]:
    """Return everybody as plain JSON values."""
    joints = [
        [[x, y, s] for (x, y), s in zip(xy, scores, strict=True)]
        for xy, scores in zip(plain(poses.xy), plain(poses.scores), strict=True)
    ]
    rows = zip(poses.ids.tolist(), plain(poses.box_scores), plain(poses.boxes), joints, strict=True)
    return [{"id": i, "score": score, "box": box, "keypoints": keypoints} for i, score, box, keypoints in rows]
