"""The file: JSON lines, compressed when the name ends in .gz; a header, one line a frame, an end line.

The numbers of a frame are the bytes of its float32 arrays (little-endian; xy, scores, boxes, box_scores one after
another) in base64: what is read is what was written to the last bit, NaN too. Times and the numbers of decisions are
JSON numbers in Python's shortest form, which read back exactly.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np

from edge_pose.errors import RecordingError, ShapeError, SpecError
from edge_pose.poses import Poses
from edge_pose.redact import source_name
from edge_pose.skeleton import COCO17, SKELETONS, Skeleton

FORMAT = 1
MAX_LINE = 16 << 20  # bytes; a frame of one person has 400
MAX_PEOPLE, MAX_JOINTS, MAX_SIDE, MAX_TIME = 10_000, 1_000, 1 << 20, 1e12


@dataclass(frozen=True, slots=True)
class Header:
    """What was recorded, by what. settings: of the tracker, the smoother and so on, as the program had them.

    spec_sha256: digest of the model's specification. source: where frames came from, without credentials.
    versions: of the package and what its arithmetic rests on. created: UTC, ISO 8601.
    """

    skeleton: Skeleton = COCO17
    model: str = ""
    spec_sha256: str = ""
    source: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One frame: poses as the network gave them (ids are -1), frame_hw in pixels, decisions as they were written."""

    index: int
    time_s: float
    frame_hw: tuple[int, int]
    poses: Poses
    decisions: Mapping[str, Any]


def text(value: Any) -> str:
    """Write a decision as JSON on one line. Raises ShapeError for what JSON cannot say."""
    try:
        return json.dumps(value, default=_simple, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as err:  # ValueError: a list that holds itself
        raise ShapeError(f"decisions must be what JSON can say: {err}") from err


def plain(value: Any) -> Any:
    """Return what a recording keeps of a decision: arrays and tuples as lists, data classes as tables; floats exactly.

    A replay agrees when `plain(what it decided) == row.decisions`.
    """
    return json.loads(text(value))


def _simple(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} is none of number, text, list, table, array, data class")


def line_of_header(header: Header) -> str:
    """Write the first line."""
    table = _simple(header)
    table["skeleton"] = {k: v for k, v in _simple(header.skeleton).items() if not k.startswith("_")}
    table["source"] = source_name(header.source)
    return text({"edge_pose_recording": FORMAT, "header": table})


def line_of_frame(row: Row) -> str:
    """Write one frame."""
    poses = row.poses
    arrays = (poses.xy, poses.scores, poses.boxes, poses.box_scores)
    numbers = b"".join(a.astype("<f4", copy=False).tobytes() for a in arrays)
    line: dict[str, Any] = {"i": int(row.index), "t": float(row.time_s), "hw": [int(side) for side in row.frame_hw]}
    line |= {"n": len(poses), "f32": base64.b64encode(numbers).decode("ascii")}
    return text({**line, "d": row.decisions} if row.decisions else line)


def header_of(table: Mapping[str, Any]) -> Header:
    """Read the first line. Raises RecordingError."""
    version = table.get("edge_pose_recording")
    if version is None:
        raise RecordingError("it is no recording: its first line has no edge_pose_recording")
    if version != FORMAT:
        raise RecordingError(f"it has format {version!r}, this version reads {FORMAT}: use the version that wrote it")
    values = table.get("header")
    wanted = {f.name for f in dataclasses.fields(Header)}
    if not isinstance(values, dict) or not wanted >= set(values):
        raise RecordingError(f"its header must be a table of {', '.join(sorted(wanted))}")
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if name == "skeleton":
            kept[name] = _skeleton(value)
        elif not isinstance(value, dict if name in ("settings", "versions") else str):
            raise RecordingError(f"header field {name} is a {type(value).__name__}")
        else:
            kept[name] = value
    return Header(**kept)


def _skeleton(values: Any) -> Skeleton:
    try:
        if not 1 <= len(values["joints"]) <= MAX_JOINTS:
            raise RecordingError(f"its skeleton has {len(values['joints'])} joints, at most {MAX_JOINTS} are allowed")
        pairs = {name: tuple((int(a), int(b)) for a, b in values[name]) for name in ("edges", "flip_pairs")}
        sigmas = tuple(float(sigma) for sigma in values["sigmas"])
        made = Skeleton(str(values["name"]), tuple(map(str, values["joints"])), sigmas=sigmas, **pairs)
    except (KeyError, TypeError, ValueError, OverflowError, SpecError) as err:
        if isinstance(err, RecordingError):
            raise
        raise RecordingError(f"its skeleton cannot be read: {err!r}") from err
    known = SKELETONS.get(made.name)
    return known if known == made else made


def row_of(table: Mapping[str, Any], skeleton: Skeleton) -> Row:
    """Read one frame. Raises RecordingError naming the field."""
    index, time_s, n = table.get("i"), table.get("t"), table.get("n")
    if not _whole(index, 0, 1 << 62):
        raise RecordingError(f"i must be a frame index, got {index!r}")
    if not isinstance(time_s, (int, float)) or isinstance(time_s, bool) or not abs(time_s) < MAX_TIME:
        raise RecordingError(f"t must be seconds, got {time_s!r}")
    hw = table.get("hw")
    if not isinstance(hw, list) or len(hw) != 2 or not all(_whole(side, 0, MAX_SIDE) for side in hw):
        raise RecordingError(f"hw must be height and width in pixels, got {hw!r}")
    if not _whole(n, 0, MAX_PEOPLE):
        raise RecordingError(f"n must be a number of people up to {MAX_PEOPLE}, got {n!r}")
    decisions = table.get("d", {})
    if not isinstance(decisions, dict):
        raise RecordingError(f"d must be a table of decisions, got {type(decisions).__name__}")
    return Row(index, float(time_s), (hw[0], hw[1]), _poses(table.get("f32"), n, skeleton), decisions)


def _whole(value: Any, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _poses(packed: Any, n: int, skeleton: Skeleton) -> Poses:
    k = len(skeleton)
    shapes = ((n, k, 2), (n, k), (n, 4), (n,))
    sizes = [math.prod(shape) for shape in shapes]
    try:
        data = base64.b64decode(packed, validate=True)
    except (TypeError, ValueError) as err:
        raise RecordingError(f"f32 must be bytes in base64: {err}") from err
    if len(data) != 4 * sum(sizes):
        raise RecordingError(f"f32 must have {4 * sum(sizes)} bytes for {n} people of {k} joints, got {len(data)}")
    parts = np.split(np.frombuffer(data, "<f4").astype(np.float32), np.cumsum(sizes)[:-1])
    xy, scores, boxes, box_scores = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    return Poses(xy, scores, boxes, box_scores, skeleton=skeleton)
