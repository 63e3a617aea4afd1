"""The calibration doctor: looks at the pictures before they are calibrated with, and says what each flaw will cost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ExportError, SpecError
from edge_pose.export.calibration import Frames
from edge_pose.export.ranges import Limits
from edge_pose.frames import Image
from edge_pose.poses import Poses

log = logging.getLogger("edge_pose")
LEAST = 32  # pictures; below, the extremes of activations are luck
THUMB = 32  # pixels a side that two pictures are compared in
SAME_GREY = 1.0  # mean difference in grey levels of two pictures of the same
DUPLICATES = 0.2  # share of the pictures that may repeat others
UNREADABLE = 0.05  # share of the files
WITH_PEOPLE = 0.5  # share of the pictures that should show somebody
LYING_DEG = 60.0  # of the torso from upright
VARIED = 0.05  # least spread of joints in a box, in parts of its size
SEEN = 0.3  # joints below are guesses
BEYOND, TENSORS = 0.1, 0.2  # a tensor leaves its range by so much of it; so many tensors may


@dataclass(frozen=True, slots=True)
class Finding:
    """A flaw: a short name, what was seen, what it risks, what mends it."""

    code: str
    seen: str
    risk: str
    mend: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.risk}; {self.mend}"


def examine(frames: Frames, poses: Sequence[Poses]) -> list[Finding]:
    """Return what is wrong with calibration pictures; poses: of the float model on them, in their order."""
    images = [shot.image for shot in frames]  # reading may add to frames.problems
    found = [_few(len(images)), _unreadable(frames), _duplicates(images), _nobody(poses)]
    people = [(pose.xy, pose.scores) for many in poses for pose in many]
    if people:
        xy, scores = (np.stack(part) for part in zip(*people, strict=True))
        found += [_upright(poses[0].skeleton, xy, scores), _alike(xy, scores)]
    return [finding for finding in found if finding is not None]


def judge(findings: Sequence[Finding], *, strict: bool) -> None:
    """Log each finding as a warning; with strict, refuse. Raises ExportError with all of them."""
    if strict and findings:
        raise ExportError("--strict refuses these calibration pictures: " + " / ".join(map(str, findings)))
    for finding in findings:
        log.warning("calibration pictures: %s", finding)


def saturation(limits: Limits, seen: Limits) -> Finding | None:
    """Hold what tensors took on calibration pictures against other pictures: (lowest, highest) by name."""
    common = [name for name in limits if name in seen and limits[name][1] > limits[name][0]]
    outside = [name for name in common if _leaves(limits[name], seen[name])]
    if not common or len(outside) <= TENSORS * len(common):
        return None
    return Finding(
        "saturated",
        f"{len(outside)} of {len(common)} activations go beyond their calibrated range on other pictures",
        "what lies beyond is cut off, and with it the strongest responses",
        "calibrate with more pictures, of more places and lights",
    )


def _leaves(limit: tuple[float, float], seen: tuple[float, float]) -> bool:
    margin = BEYOND * (limit[1] - limit[0])
    return seen[0] < limit[0] - margin or seen[1] > limit[1] + margin


def _few(count: int) -> Finding | None:
    if count >= LEAST:
        return None
    return Finding(
        "few",
        f"only {count} pictures",
        "ranges are those of these few scenes, and joints are lost in others",
        f"give at least {LEAST}, of all places and people that matter",
    )


def _unreadable(frames: Frames) -> Finding | None:
    files = max(frames.looked_at, len(frames.problems))
    if len(frames.problems) <= UNREADABLE * files:
        return None
    return Finding(
        "unreadable",
        f"{len(frames.problems)} of {files} files cannot be read, the first: {frames.problems[0]}",
        "what they show is missing from the calibration",
        "copy them again or take them out",
    )


def _duplicates(images: Sequence[Image]) -> Finding | None:
    thumbs = np.stack([_thumb(image) for image in images]) if images else np.empty((0, THUMB * THUMB * 3))
    repeats = 0
    for i in range(1, len(thumbs)):
        repeats += bool((np.abs(thumbs[:i] - thumbs[i]).mean(axis=1) < SAME_GREY).any())
    if repeats <= DUPLICATES * len(thumbs):
        return None
    return Finding(
        "duplicates",
        f"{repeats} of {len(thumbs)} pictures repeat another one",
        "they count as one, so that less is known than their number says",
        "take frames that lie further apart",
    )


def _thumb(image: Image) -> NDArray[np.float32]:
    """Average the picture down to a few numbers; every pixel counts."""
    rows, columns = (np.linspace(0, size, THUMB + 1).astype(int) for size in image.shape[:2])
    sums: Any = np.add.reduceat(image, np.minimum(rows[:-1], image.shape[0] - 1), axis=0, dtype=np.float32)
    sums = np.add.reduceat(sums, np.minimum(columns[:-1], image.shape[1] - 1), axis=1)
    area = np.maximum(np.diff(rows), 1)[:, None, None] * np.maximum(np.diff(columns), 1)[None, :, None]
    return np.asarray(sums / area, np.float32).reshape(-1)


def _nobody(poses: Sequence[Poses]) -> Finding | None:
    shown = sum(len(many) > 0 for many in poses)
    if not poses or shown >= WITH_PEOPLE * len(poses):
        return None
    return Finding(
        "nobody",
        f"the float model sees people in only {shown} of {len(poses)} pictures",
        "the layers that find people are calibrated on background, and people are lost",
        "give pictures of people as the camera will see them",
    )


def _upright(skeleton: Any, xy: NDArray[np.float32], scores: NDArray[np.float32]) -> Finding | None:
    try:
        rows = [skeleton.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in ("left", "right")]
    except SpecError:  # a skeleton without torso
        return None
    seen = (scores[:, rows] >= SEEN).all(axis=1)
    torso = xy[seen][:, rows[2:]].mean(axis=1) - xy[seen][:, rows[:2]].mean(axis=1)
    lean = np.degrees(np.arctan2(np.hypot(torso[:, 0], 0), torso[:, 1]))
    if not seen.any() or (lean >= LYING_DEG).any():
        return None
    return Finding(
        "upright",
        f"none of {int(seen.sum())} people lies or bends down",
        "poses of people on the floor, which falls are told by, are the first to go wrong",
        "add pictures of people lying and getting up",
    )


def _alike(xy: NDArray[np.float32], scores: NDArray[np.float32]) -> Finding | None:
    clear = (scores >= SEEN).mean(axis=1) > 0.5
    low, high = xy[clear].min(axis=1, keepdims=True), xy[clear].max(axis=1, keepdims=True)
    placed = (xy[clear] - low) / np.maximum((high - low).max(axis=2, keepdims=True), 1e-6)
    spread = float(placed.std(axis=0).mean()) if len(placed) > 1 else np.inf
    if spread >= VARIED:
        return None
    return Finding(
        "alike",
        f"the {len(placed)} poses are nearly the same (joints vary by {spread:.1%} of the body)",
        "only these poses will be right",
        "add people who walk, sit, reach and turn",
    )
